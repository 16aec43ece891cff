"""The settings of a detector's run, and the length that follows from them."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from keras_nonlocal.runs import DetectorPlan, DetectorSettings, TrainingSettings
from keras_nonlocal.runs.detectors.settings import DetectorRecipeSettings
from keras_nonlocal.runs.grouped_settings import field_types, fields_by_name
from tests.runs.detectors.annotated_shapes import SMALL

UNUSUAL = {
    "annotations": "Ä b/train.json",
    "weights": None,
    "nonlocal_blocks": {"res4": (3,)},
    "nonlocal_pool_size": (2, 1),
    "freeze": (),
    "detector_recipe": "torchvision",
    "keypoints": True,
    "flip_pairs": (("left", "right"), ("a", "b")),
    "oks_sigmas": (0.05, 0.1),
    "head_nonlocal_pool_size": 2,
    "recipe_changes": SMALL,
    "short_side": (640, 800),
    "buckets": ((800, 1344), (1344, 800)),
    "schedule": "cosine",
    "clip_norm": 5,
    "updates": 12,
}


def test_settings_survive_json_exactly():
    settings = DetectorSettings().replace(**UNUSUAL)
    again = DetectorSettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings
    assert hash(again) == hash(settings)
    assert again.pictures.buckets == ((800, 1344), (1344, 800))
    assert DetectorSettings.from_dict({}) == DetectorSettings()


def test_each_changed_field_is_another_run():
    changed = [
        DetectorSettings().replace(**{name: value}) for name, value in UNUSUAL.items()
    ]
    assert len({DetectorSettings(), *changed}) == len(UNUSUAL) + 1


def test_fields_have_different_names():
    groups = [
        len(dataclasses.fields(getattr(DetectorSettings(), group.name)))
        for group in dataclasses.fields(DetectorSettings)
    ]
    assert len(fields_by_name(DetectorSettings)) == sum(groups)
    assert (
        field_types(DetectorSettings).keys() == fields_by_name(DetectorSettings).keys()
    )


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"videos": "a"}, ValueError, "must have known names.*Received: videos"),
        ({"depth": 152}, (ValueError, TypeError), "`depth` must be"),
        ({"schedule": "3x"}, ValueError, "'cosine'. Received: schedule='3x'"),
        ({"epochs": 2, "updates": 3}, ValueError, "Either `updates` or `epochs`"),
        ({"short_side": 800}, TypeError, "`short_side` must be 2 values"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"recipe_changes": {"anchors": 3}}, TypeError, "`recipe_changes`"),
    ],
)
def test_settings_that_cannot_be(values, kind, message):
    with pytest.raises(kind, match=message):
        DetectorSettings().replace(**values)


def plan(num_pictures, **recipe):
    recipe = DetectorRecipeSettings(**recipe)
    inputs = SimpleNamespace(
        num_pictures=num_pictures,
        num_test_pictures=0,
        class_names=("a",),
        steps_per_epoch=-(-num_pictures // recipe.batch_size),
    )
    return DetectorPlan.of(recipe, inputs)


def test_a_run_on_coco_sees_the_pictures_of_the_schedule():
    for name, updates in (("1x", 90_000), ("2x", 180_000), ("s1x", 130_000)):
        chosen = plan(117_266, schedule=name, batch_size=16)
        assert chosen.updates == pytest.approx(updates, rel=0.05)
        smaller = plan(117_266, schedule=name, batch_size=4, gradient_accumulation=2)
        assert smaller.updates == pytest.approx(2 * updates, rel=0.05)


def test_small_and_large_collections_have_runs_that_end():
    assert plan(20, batch_size=2).updates == 1000
    assert plan(5_000, batch_size=2).epochs == 12
    # As many pictures as the schedule sees, not as many epochs.
    assert plan(1_200_000, batch_size=16).epochs == 1
    assert plan(50, epochs=3, batch_size=4).updates == 39
    assert plan(50, updates=30, batch_size=4).epochs == 2
    with pytest.raises(ValueError, match="`gradient_accumulation` must be at most"):
        plan(4, epochs=1, batch_size=4, gradient_accumulation=3)


def test_settings_of_videos_are_no_settings_of_detectors():
    with pytest.raises(ValueError, match="must have known names"):
        DetectorSettings.from_dict(TrainingSettings().to_dict())
