"""Calls that differ from the one that began the run."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.training import fit_resumably
from keras_nonlocal.training.resumable.state_file import read_progress
from keras_nonlocal.training.resumable.training_checkpoints import STATE_FILE
from tests.data.videos import moving_pictures, write_video
from tests.training.resumable.crashes import CrashAt, CrashError

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the clips come from tf.data"
)


def numbers() -> Any:
    x = np.linspace(-1, 1, 12).reshape(6, 2).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, x[:, :1] - 2)).batch(2)


def fit(directory: Any, optimizer: Any, epochs: int, *callbacks: Any) -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", run_eagerly=True, jit_compile=False)
    history = fit_resumably(
        model,
        numbers(),
        directory,
        epochs=epochs,
        callbacks=[*callbacks, Rates(model)],
        verbose=0,
    )
    return model, history.history["rate"]


class Rates(keras.callbacks.Callback):
    """Logs the learning rate of each epoch, whatever it comes from."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.optimizer = model.optimizer

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["rate"] = float(self.optimizer.learning_rate)


def sgd(rate: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(rate, momentum=0.9)


def schedule(*rates: float) -> Any:
    boundaries = [3 * i for i in range(1, len(rates))]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, [*rates])


def test_a_changed_learning_rate_is_used(tmp_path: Path) -> None:
    fit(tmp_path, sgd(0.1), 2)
    _, rates = fit(tmp_path, sgd(0.025), 4)
    assert rates == pytest.approx([0.1, 0.1, 0.025, 0.025])
    _, rates = fit(tmp_path, sgd(0.025), 5)
    assert rates == pytest.approx([0.1, 0.1, 0.025, 0.025, 0.025])


def test_a_reduced_learning_rate_is_restored(tmp_path: Path) -> None:
    def reducing() -> Any:
        return keras.callbacks.ReduceLROnPlateau("loss", 0.5, 1, min_delta=1e6)

    _, rates = fit(tmp_path, sgd(0.4), 3, reducing())
    assert rates == pytest.approx([0.4, 0.2, 0.1])
    model, rates = fit(tmp_path, sgd(0.4), 3, reducing())
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    _, rates = fit(tmp_path, sgd(0.4), 4, reducing())
    assert rates[3:] == pytest.approx([0.05])
    _, rates = fit(tmp_path, sgd(0.3), 5)
    assert rates[4:] == pytest.approx([0.3])
    _, rates = fit(tmp_path, sgd(0.3), 6)
    assert rates[5:] == pytest.approx([0.3])


def test_a_reduced_learning_rate_in_one_process(tmp_path: Path) -> None:
    model, _ = fit(tmp_path, sgd(0.4), 1)
    model.optimizer.learning_rate = 0.2
    fit_resumably(model, numbers(), tmp_path, epochs=2, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    # A later process has the line that the first one had.
    model, _ = fit(tmp_path, sgd(0.2), 3)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)


def test_a_changed_schedule_is_used(tmp_path: Path) -> None:
    fit(tmp_path, sgd(schedule(0.4, 0.3)), 2)
    _, rates = fit(tmp_path, sgd(schedule(0.4, 0.3, 0.05, 0.01)), 4)
    assert rates[2:] == pytest.approx([0.05, 0.01])
    _, rates = fit(tmp_path, sgd(0.5), 5)
    assert rates[4:] == pytest.approx([0.5])
    _, rates = fit(tmp_path, sgd(schedule(*[0.4] * 5, 0.03)), 6)
    assert rates[5:] == pytest.approx([0.03])


def test_loss_scaling(tmp_path: Path) -> None:
    def scaled(rate: float) -> Any:
        return keras.optimizers.LossScaleOptimizer(sgd(rate))

    fit(tmp_path, scaled(0.1), 1)
    _, rates = fit(tmp_path, scaled(0.1), 2)
    assert rates == pytest.approx([0.1, 0.1])
    _, rates = fit(tmp_path, scaled(0.01), 3)
    assert rates == pytest.approx([0.1, 0.1, 0.01])


def test_another_monitor_is_refused(tmp_path: Path) -> None:
    fit(tmp_path, sgd(0.1), 1)
    model, _ = fit(tmp_path, sgd(0.1), 2)
    message = r"chosen by \['loss', 'min'\]. Received: monitor='loss', mode='max'"
    with pytest.raises(ValueError, match=message):
        fit_resumably(model, numbers(), tmp_path, epochs=3, mode="max")
    with pytest.raises(ValueError, match="Received: monitor='rate', mode='min'"):
        fit_resumably(model, numbers(), tmp_path, epochs=3, monitor="rate")


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_an_epoch_without_a_batch_is_an_error(tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    nothing = numbers().filter(lambda x, y: False)
    with pytest.raises(ValueError, match=r"at least one batch.*epoch 0, counted"):
        fit_resumably(model, nothing, tmp_path, epochs=1, verbose=0)


def test_more_epochs_after_an_early_stop(tmp_path: Path) -> None:
    def stopping() -> Any:
        return keras.callbacks.EarlyStopping("loss", min_delta=1e6, patience=2)

    assert len(fit(tmp_path, sgd(0.1), 9, stopping())[1]) == 3
    assert len(fit(tmp_path, sgd(0.1), 9, stopping())[1]) == 3
    # The callback waits anew.
    assert len(fit(tmp_path, sgd(0.1), 12, stopping())[1]) == 5
    assert len(fit(tmp_path, sgd(0.1), 12)[1]) == 5
    assert len(fit(tmp_path, sgd(0.1), 13)[1]) == 13


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for i in range(13):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        write_video(folder / f"{i:02d}.mp4", moving_pictures(3, 24, 24, i))
    return root


class Seen(keras.callbacks.Callback):
    """Counts the batches, and crashes after some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1


def fit_clips(
    videos: Path, directory: Path, *callbacks: Any, epochs: int = 2, **options: Any
) -> Any:
    from keras_nonlocal.data import video_dataset_from_directory

    clips = video_dataset_from_directory(
        videos,
        num_frames=1,
        frame_stride=1,
        crop_size=8,
        verbose=False,
        **{"seed": 5, "batch_size": 4, **options},
    )
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((1, 8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile("sgd", loss, run_eagerly=True, jit_compile=False)
    return fit_resumably(
        model,
        clips,
        directory,
        epochs=epochs,
        save_freq=1,
        callbacks=[*callbacks],
        verbose=0,
    )


@pytest.mark.parametrize(
    # Batch size, and the batches of the 13 - 8 clips that are left of the epoch.
    ("batch_size", "num_batches"),
    [(2, 3), (3, 3), (4, 2), (8, 1), (16, 1)],
)
def test_another_batch_size(
    videos: Path, tmp_path: Path, batch_size: int, num_batches: int
) -> None:
    with pytest.raises(CrashError):
        fit_clips(videos, tmp_path, CrashAt(batches=3))
    seen = Seen()
    history = fit_clips(videos, tmp_path, seen, epochs=1, batch_size=batch_size)
    assert seen.batches == num_batches
    assert history.epoch == [0]


def test_other_clips_in_an_interrupted_epoch(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(CrashError):
        fit_clips(videos, tmp_path, CrashAt(batches=3))
    with pytest.raises(
        ValueError, match=r"`seed`.* different .* after 8 clips of epoch"
    ):
        fit_clips(videos, tmp_path, seed=6)
    with pytest.raises(ValueError, match="after 8 clips of epoch 0"):
        fit_clips(videos, tmp_path, seed=6, batch_size=2)
    fit_clips(videos, tmp_path, epochs=1)
    assert fit_clips(videos, tmp_path, seed=6).epoch == [0, 1]


@pytest.mark.parametrize(
    ("num_broken", "batches"),
    [
        (3, 4),
        *(
            # One batch fewer than announced, with a crash in the last and after it.
            pytest.param(5, batches, marks=pytest.mark.slow)
            for batches in (4, 5)
        ),
    ],
)
def test_the_end_of_data_of_unknown_length(
    videos: Path, tmp_path: Path, num_broken: int, batches: int
) -> None:
    """Keras begins a batch after the last one before it sees the end."""
    root = tmp_path / "videos"
    for path in sorted(videos.rglob("*.mp4")):
        target = root / path.relative_to(videos)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    for i in range(num_broken):
        (root / "a" / f"broken{i}.mp4").write_bytes(b"junk")
    run = tmp_path / "run"
    saved = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            progress = read_progress(str(run / STATE_FILE))
            assert progress is not None
            saved.append(progress.batch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.on_train_batch_begin(0)

    options: dict[str, Any] = {"on_error": "skip", "epochs": 3}
    with pytest.raises(CrashError):
        fit_clips(root, run, CrashAt(in_epoch_end=0), Watch(), **options)
    # 13 clips are 4 batches of 4. The fifth does not exist and is never saved.
    assert max(saved) < 4
    for _ in range(2):
        with pytest.raises(CrashError):
            fit_clips(root, run, CrashAt(batches=batches), Watch(), **options)
    history = fit_clips(root, run, **options)
    assert history.epoch == [0, 1, 2]
    assert all(np.isfinite(history.history["loss"]))
    assert fit_clips(root, run, **options).epoch == [0, 1, 2]


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_arrays_are_refused_in_one_sentence(tmp_path: Path, kind: Any) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    message = "`clips` must be a dataset of clips and labels; for arrays, pass `tf.data"
    with pytest.raises(TypeError, match=message):
        fit_resumably(model, kind([np.zeros((6, 2))] * 2), tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()
