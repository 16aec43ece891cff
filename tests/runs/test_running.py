"""Training runs from Python."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_nonlocal import evaluate_videos
from keras_nonlocal.data import list_directory, write_video_records
from keras_nonlocal.data.lists.directories import list_known_classes
from keras_nonlocal.runs import TrainingSettings, run_training
from keras_nonlocal.training import NonFiniteLossError

tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
    ),
    pytest.mark.slow,
]


def test_a_run_returns_what_it_wrote(settings, videos):
    lines = []
    result = run_training(settings, verbose=0, announce=lines.append)
    assert lines == [
        f"2 epochs of 9 videos, 6 updates; test videos: 2 in {videos / 'test'}",
        "the first update compiles the network and takes longer than the others",
    ]
    recorded = settings.replace(precision="float32")
    assert TrainingSettings.load(result.folder) == result.settings == recorded
    assert len(result.history["loss"]) == 2
    assert result.class_names == ("a", "b", "c")
    assert result.plan.updates == 6
    # The test folder has no videos of the class b.
    assert result.evaluation.class_names == ("a", "b", "c")
    assert result.evaluation.labels == (0, 2)
    loaded = keras.saving.load_model(result.model_path)
    assert loaded.clip_info.class_names == ("a", "b", "c")
    assert loaded.clip_info.frame_stride == 1
    again = evaluate_videos(
        loaded, videos_of(videos / "test"), 2, 1, frame_stride=1, verbose=0
    )
    np.testing.assert_array_equal(again.scores, result.evaluation.scores)

    lines.clear()
    second = run_training(settings, verbose=0, announce=lines.append)
    assert "is finished: its last epoch, 2, is trained" in lines[1]
    assert len(lines) == 2
    assert second.history == result.history
    for own, expected in zip(second.model.weights, result.model.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), expected.numpy(), own.path)


def test_a_finished_run_is_tested_when_its_test_videos_come(settings, videos, tmp_path):
    root = tmp_path / "parts"
    shutil.copytree(videos / "train", root / "train")
    shutil.copytree(videos / "test", root / "val")
    lines = []
    settings = settings.replace(videos=root)
    result = run_training(settings, verbose=0, announce=lines.append)
    assert result.evaluation is None
    assert lines[0] == (
        f"2 epochs of 9 videos, 6 updates; validation videos: 2 in {root / 'val'}; "
        "no test videos"
    )
    shutil.copytree(videos / "test", root / "test")
    tested = run_training(settings, verbose=0, announce=lines.append)
    assert tested.history == result.history
    assert {"loss", "val_loss"} <= {*result.history}
    assert [path.parent.parent.name for path in map(Path, tested.evaluation.paths)] == [
        "test",
        "test",
    ]
    # Another video under the same name, and one less: no score of the old ones stays.
    shutil.copy(videos / "train" / "b" / "2.mp4", root / "test" / "a" / "0.mp4")
    (root / "test" / "c" / "0.mp4").unlink()
    retested = run_training(settings, verbose=0, announce=lines.append)
    assert len(retested.evaluation.paths) == 1
    assert not np.allclose(retested.evaluation.scores[0], tested.evaluation.scores[0])
    results = (result.folder / "test_scores.jsonl").read_text().splitlines()
    assert sum("0.mp4" in line for line in results) == 1
    shutil.rmtree(root / "test")
    lines.clear()
    run_training(settings, verbose=0, announce=lines.append)
    assert lines[1].endswith("only its model is saved again")
    assert not (result.folder / "test_scores.jsonl").exists()
    shutil.rmtree(root / "val" / "c")
    with pytest.raises(ValueError, match="number of validation videos is 2 instead of"):
        run_training(settings, verbose=0)


def test_a_run_keeps_the_precision_that_it_began_with(settings, monkeypatch):
    choose = "keras_nonlocal.runs.run_precision.fastest_precision"
    settings = settings.replace(epochs=1, width=16)
    monkeypatch.setattr(choose, lambda: "bfloat16")
    lines = []
    result = run_training(settings, verbose=0, announce=lines.append)
    assert lines[1] == "precision: bfloat16"
    assert result.settings.recipe.precision == "bfloat16"
    assert result.model.get_layer("conv1_conv").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    # As on a machine without units for it.
    monkeypatch.setattr(choose, lambda: "float32")
    again = run_training(settings, verbose=0)
    assert again.settings == result.settings
    with pytest.raises(ValueError, match="`precision` is 'bfloat16' instead of"):
        run_training(settings.replace(precision="float32"), verbose=0)


def test_a_run_that_a_callback_ended_says_so(settings):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    run_training(settings, verbose=0, callbacks=[Stop()])
    lines = []
    result = run_training(
        settings, verbose=0, callbacks=[Stop()], announce=lines.append
    )
    assert "was ended by a callback after epoch 1: only its model is" in lines[1]
    assert len(result.history["loss"]) == 1
    with pytest.raises(ValueError, match="where `epochs` is 2 instead of 5"):
        run_training(settings.replace(epochs=5), verbose=0)


def test_a_run_reads_records_and_decodes_in_processes(settings, videos, tmp_path):
    pytest.importorskip("grain")
    names = ("a", "b", "c")
    for part in ("train", "test"):
        listed = list_known_classes(str(videos / part), names)
        records = write_video_records(listed, tmp_path / part, verbose=False)
        rows = zip(records.paths, records.labels, strict=True)
        lines = [f"{path},{label}\n" for path, label in rows]
        (tmp_path / f"{part}.csv").write_text("".join(lines))
    of_records = settings.replace(
        videos=str(tmp_path / "train.csv"),
        test=str(tmp_path / "test.csv"),
        class_names=names,
    )
    alone = run_training(of_records, verbose=0)
    assert alone.evaluation.paths == records.paths
    shared = of_records.replace(output=str(tmp_path / "shared"), workers=2)
    result = run_training(shared, verbose=0)
    # Both decode the same pictures, by themselves and in operations of TensorFlow.
    loss = result.history["loss"]
    np.testing.assert_allclose(loss, alone.history["loss"], rtol=1e-3)
    # The number of processes may change during a run.
    run_training(shared.replace(workers=0), verbose=0)


def test_a_run_ends_with_the_epoch_whose_weights_are_lost(settings):
    class Lose(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel = self.model.get_layer("conv1_conv").kernel
            kernel.assign(kernel * np.nan)

    with pytest.raises(NonFiniteLossError, match="`conv1_conv/kernel` is not") as info:
        run_training(settings.replace(epochs=5), verbose=0, callbacks=[Lose()])
    assert (info.value.epoch, info.value.culprit) == (0, "conv1_conv/kernel")


def test_a_run_whose_last_update_loses_the_weights_does_not_end_well(settings):
    class Lose(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer("conv1_conv").kernel
            kernel.assign(kernel * np.nan)

    with pytest.raises(NonFiniteLossError, match=r"loss of epoch 0.* is \d"):
        run_training(settings.replace(epochs=1), verbose=0, callbacks=[Lose()])


def videos_of(folder):
    listed = list_directory(folder, labels=None)
    from keras_nonlocal.data import VideoList

    return VideoList(listed.paths, (0, 2), ("a", "b", "c"))


def test_a_run_of_datasets(settings, tmp_path, rng):
    pixels = rng.uniform(0, 255, (8, 4, 32, 32, 3)).astype("float32")
    labels = np.arange(8) % 2
    clips = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(4)
    changed = settings.replace(
        videos=None,
        class_names=("even", "odd"),
        optimizer="adamw",
        schedule="cosine",
        learning_rate=0.002,
        learning_rate_batch_size=None,
        nonlocal_blocks=1,
        nonlocal_options={"out_kernel_initializer": "zeros", "scale": False},
    )
    stopped = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: stopped.append(epoch)
    )
    result = run_training(
        changed,
        clips=clips,
        validation_clips=clips,
        callbacks=[callback],
        verbose=0,
    )
    assert stopped == [0, 1]
    assert (result.plan.steps_per_epoch, result.plan.num_videos) == (2, 8)
    assert len(result.history["val_accuracy"]) == 2
    assert result.evaluation is None
    optimizer = result.model.optimizer
    assert type(optimizer).__name__ == "AdamW"
    assert float(optimizer.weight_decay) == pytest.approx(1e-4)
    (block,) = (layer for layer in result.model.layers if layer.name.endswith("_nl"))
    assert block.get_config()["scale"] is False


def test_two_classes_and_one_sigmoid_unit(settings, videos):
    pair = settings.replace(
        videos=videos / "train", class_names=("a", "c"), label_mode="binary", epochs=1
    ).replace(test=videos / "test")
    result = run_training(pair, verbose=0)
    assert result.model.output_shape == (None, 1)
    assert result.model.layers[-1].activation.__name__ == "sigmoid"
    assert 0 <= result.history["accuracy"][0] <= 1
    assert result.evaluation.class_names == ("a", "c")
    assert 0 <= result.evaluation.top1 <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_mode": "binary"}, "for two classes only. Received: label_mode"),
        ({"videos": None}, "`videos` must be a directory or a list"),
        ({"videos": "nowhere"}, "or a list. Received: 'nowhere'"),
        ({"output": "gs://bucket/run"}, "Received: output='gs://bucket/run'"),
    ],
)
def test_settings_that_no_run_can_have(settings, changes, message):
    with pytest.raises(ValueError, match="Received: ") as caught:
        run_training(settings.replace(**changes), verbose=0)
    assert message in str(caught.value)


def test_datasets_have_classes_and_stand_alone(settings):
    clips = tf.data.Dataset.from_tensors((np.zeros((1, 4, 32, 32, 3)), [0]))
    with pytest.raises(ValueError, match="`clips` can be given where `videos` is"):
        run_training(settings, clips=clips)
    with pytest.raises(ValueError, match="`class_names` must name the classes"):
        run_training(settings.replace(videos=None), clips=clips)


OLD_OPTIONS = {
    "class_names": None,
    "validation": None,
    "validation_split": None,
    "list_format": "path-label",
    "root": "",
    "depth": 50,
    "variant": "c2d",
    "weights": "none",
    "nonlocal_blocks": 0,
    "nonlocal_mode": None,
    "width": 4,
    "stem_temporal_strides": [1, 1],
    "dropout_rate": 0.5,
    "normalization": "batch",
    "freeze": [],
    "num_frames": 4,
    "frame_stride": 1,
    "crop_size": 32,
    "short_side": None,
    "horizontal_flip": True,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "learning_rate": 0.01,
    "schedule": "steps",
    "decay_at": [0.375, 0.75],
    "warmup": 34 / 196,
    "updates": 400_000,
    "epochs": 2,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "strategy": "none",
    "precision": "float32",
    "seed": 1,
}


def test_a_folder_of_an_earlier_version_is_resumed_or_refused_by_name(settings, videos):
    settings = settings.replace(horizontal_flip=True)
    result = run_training(settings, verbose=0)
    file = result.folder / "config.json"
    config = json.loads(file.read_text())
    del config["settings"]
    config["options"] = OLD_OPTIONS | {"videos": str(videos)}
    text = json.dumps(config)
    file.write_text(text)
    with pytest.raises(ValueError, match="where `horizontal_flip` is True instead of"):
        run_training(settings.replace(horizontal_flip=False), verbose=0)
    with pytest.raises(ValueError, match="where `epochs` is 2 instead of 3"):
        run_training(settings.replace(epochs=3), verbose=0)
    lines = []
    run_training(settings, verbose=0, announce=lines.append)
    assert "is finished" in lines[1]
    assert TrainingSettings.load(result.folder) == result.settings


def test_a_run_ends_early_with_its_best_weights(settings, videos):
    settings = settings.replace(
        validation=videos / "test", early_stopping=2, epochs=30, learning_rate=0.3
    )
    result = run_training(settings.replace(precise_statistics=0), verbose=0)
    losses = result.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 30
    # The saved network is that of the best epoch.
    model = keras.saving.load_model(result.model_path)
    again = run_training(settings.replace(precise_statistics=0), verbose=0)
    for own, expected in zip(model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), expected.numpy(), own.path)
    best_weights = keras.models.clone_model(model)
    best_weights.load_weights(result.folder / "best.weights.h5")
    for own, expected in zip(model.weights, best_weights.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), expected.numpy(), own.path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": None}, "together with videos for validation. Received: early"),
        ({"early_stopping": 0}, "Received: early_stopping=0"),
        ({"class_balance": "even"}, "Received: class_balance='even'"),
    ],
)
def test_early_stopping_and_balance_are_checked(changes, message, settings):
    with pytest.raises(ValueError, match=message):
        run_training(settings.replace(**({"early_stopping": 1} | changes)), verbose=0)


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_classes_count_as_much_as_each_other(balance, settings):
    lines = []
    settings = settings.replace(class_balance=balance, epochs=1)
    result = run_training(settings, verbose=0, announce=lines.append)
    assert np.isfinite(result.history["loss"]).all()
    assert TrainingSettings.load(result.folder).recipe.class_balance == balance
