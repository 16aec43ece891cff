"""The settings: which values they take, and that they survive a file."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.runs import (
    ClipSettings,
    DataSettings,
    NetworkSettings,
    RecipeSettings,
    TestSettings,
    TrainingSettings,
    paper_recipe,
)
from keras_nonlocal.runs.grouped_settings import field_types, fields_by_name

UNUSUAL = {
    "videos": "videos/Ä b",
    "class_names": ("left", "right", "空"),
    "label_mode": "multi_hot",
    "weights": None,
    "nonlocal_blocks": {"res4": (1, 3), "res3": ()},
    "nonlocal_mode": "concatenation",
    "nonlocal_pool_size": None,
    "nonlocal_temporal_group_size": {"res3": 4},
    "stem_temporal_strides": (2, 1),
    "freeze": ("stem", "res2"),
    "crop_size": (64, 96),
    "short_side": (80, 100),
    "flip_labels": {"left": "right"},
    "target_fps": 12.5,
    "optimizer": "adamw",
    "learning_rate": 0.1 + 0.2,
    "learning_rate_batch_size": None,
    "decay_at": (0.1, 1 / 3, 0.9),
    "epochs": 7,
    "num_crops": 1,
}


def test_settings_survive_json_exactly():
    settings = TrainingSettings().replace(**UNUSUAL)
    text = json.dumps(settings.to_dict())
    again = TrainingSettings.from_dict(json.loads(text))
    assert again == settings
    assert hash(again) == hash(settings)
    assert again.network.nonlocal_blocks["res4"] == (1, 3)
    assert again.recipe.learning_rate == 0.1 + 0.2
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert TrainingSettings.from_dict({}) == TrainingSettings()


def test_each_changed_field_is_another_run():
    changed = [
        TrainingSettings().replace(**{name: value}) for name, value in UNUSUAL.items()
    ]
    assert len({*changed, TrainingSettings()}) == len(UNUSUAL) + 1


def test_they_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingSettings().recipe.epochs = 3
    with pytest.raises(TypeError):
        NetworkSettings(nonlocal_blocks={"res4": (1,)}).nonlocal_blocks["res3"] = (0,)


def test_values_become_pythons_own():
    recipe = RecipeSettings(batch_size=np.int64(4), learning_rate=1, decay_at=[0.5])
    assert (type(recipe.batch_size), type(recipe.learning_rate)) == (int, float)
    assert recipe.decay_at == (0.5,)
    halved = RecipeSettings(momentum=np.float32(0.5))
    assert (type(halved.momentum), halved.momentum) == (float, 0.5)
    options = NetworkSettings(nonlocal_options={"epsilon": np.float32(0.25)})
    assert type(options.nonlocal_options["epsilon"]) is float
    assert DataSettings(videos=Path("a") / "b").videos == str(Path("a/b"))


def test_groups_can_be_replaced_whole_and_in_part():
    settings = TrainingSettings().replace(
        clips=ClipSettings(num_frames=16),
        frame_stride=3,
        test=TestSettings(num_clips=2),
    )
    assert (settings.clips.num_frames, settings.clips.frame_stride) == (16, 3)
    assert settings.test.num_clips == 2
    assert settings.replace(test="videos/test").data.test == "videos/test"


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"),
    [
        ("batch_size", 0, ValueError, "at least 1. Received: batch_size=0"),
        ("batch_size", True, TypeError, "must be an integer. Received: batch_size=T"),
        ("batch_size", "8", TypeError, "must be an integer. Received: batch_size='8'"),
        ("batch_size", 8.0, TypeError, "must be an integer"),
        ("learning_rate", float("nan"), ValueError, "positive. Received: learning"),
        ("learning_rate", float("inf"), ValueError, "positive"),
        ("validation_split", 1, ValueError, "between 0 and 1. Received: validation"),
        ("optimizer", "adam", ValueError, "'sgd', 'adamw'. Received: optimizer='adam'"),
        ("optimizer", None, TypeError, "'sgd' or 'adamw'. Received: optimizer=None"),
        ("num_crops", 2, TypeError, "must be 1 or 3. Received: num_crops=2"),
        ("num_crops", True, TypeError, "must be 1 or 3"),
        ("nonlocal_mode", "embeded", ValueError, "Received: nonlocal_mode='embeded'"),
        ("stem_temporal_strides", (2, 2, 2), TypeError, "2 values, each an integer"),
        ("crop_size", (0, 5), ValueError, "at least 1"),
        ("nonlocal_blocks", {"res4": (1.5,)}, TypeError, "must be an integer"),
        ("horizontal_flip", 1, TypeError, "must be a bool. Received: horizontal_fli"),
        ("videos", 3, TypeError, "a string or a path or `None`. Received: videos=3"),
        ("decay_at", (0.5, 0.2), ValueError, "must increase"),
        ("widht", 8, ValueError, "`width` is near. Received: widht"),
        ("clips", 8, TypeError, "`clips` must be a ClipSettings. Received: clips=8"),
    ],
)
def test_values_that_no_run_has(name, value, kind, message):
    with pytest.raises(kind, match="Received: ") as caught:
        TrainingSettings().replace(**{name: value})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_lengths_or_two_validations_are_refused():
    with pytest.raises(ValueError, match="Either `updates` or `epochs`"):
        TrainingSettings().replace(updates=3, epochs=2)
    with pytest.raises(ValueError, match="Either `validation` or `validation_split`"):
        DataSettings(validation="v", validation_split=0.5)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"network": {"widht": 8}}, ValueError, "`width` is near. Received: network.w"),
        ({"netwrk": {}}, ValueError, "`network` is near. Received: netwrk"),
        ({"network": 3}, TypeError, "`network` must be a mapping"),
        ({"recipe": {"seed": "one"}}, TypeError, "`seed` must be an integer"),
    ],
)
def test_a_file_of_other_names_or_types_is_refused(tmp_path, values, kind, message):
    (tmp_path / "config.json").write_text(json.dumps({"settings": values}))
    with pytest.raises(kind, match=message):
        TrainingSettings.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": [1]}'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises((ValueError, TypeError)):
        TrainingSettings.load(tmp_path / "config.json")


def test_names_differ_between_groups():
    assert len(fields_by_name(TrainingSettings)) == sum(
        len(dataclasses.fields(getattr(TrainingSettings(), group)))
        for group in TrainingSettings().to_dict()
    )
    assert (
        fields_by_name(TrainingSettings).keys() == field_types(TrainingSettings).keys()
    )


def test_the_papers_recipe():
    settings = TrainingSettings().replace(
        batch_size=8, epochs=3, optimizer="adamw", precision="bfloat16", width=8
    )
    recipe = paper_recipe(settings).recipe
    assert (recipe.updates, recipe.epochs) == (400_000, None)
    assert (recipe.optimizer, recipe.learning_rate) == ("sgd", 0.01)
    assert (recipe.batch_size, recipe.precision) == (8, "bfloat16")
    assert paper_recipe(settings).clips.horizontal_flip
    assert paper_recipe(settings).network.width == 8
