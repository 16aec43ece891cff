import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pytest

from keras_nonlocal.data import (
    PyAVReader,
    VideoError,
    VideoList,
    video_dataset_from_directory,
    video_dataset_from_list,
)
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.readers.video_reader import errors_named
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Six videos of which `a/1.mp4` and `b/1.mp4` are broken."""
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3):
            write_video(tmp_path / label / f"{i}.mp4", moving_pictures(8, 36, 48, i))
        (tmp_path / label / "1.mp4").write_bytes(b"")
    return tmp_path


def load(directory: Path, **arguments: Any) -> Any:
    return video_dataset_from_directory(
        directory,
        batch_size=2,
        num_frames=2,
        frame_stride=1,
        crop_size=24,
        seed=0,
        verbose=False,
        **arguments,
    )


def labels(dataset: Any) -> list[int]:
    return [int(label) for _, batch in dataset for label in batch]


def test_skipped_videos_are_reported_at_the_end_of_each_epoch(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = load(directory, on_error="skip")
    assert int(dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "keras_nonlocal"):
            assert sorted(labels(dataset)) == [0, 0, 1, 1]
        (record,) = caplog.records
        first, *rest = record.getMessage().splitlines()
        assert first == "2 unreadable videos were left out of this epoch:"
        broken = [str(directory / name) for name in ("a/1.mp4", "b/1.mp4")]
        assert rest == [
            f"{path}: Invalid data found when processing input" for path in broken
        ]
        assert sorted(dataset.failures.reasons) == broken


def test_the_budget_ends_the_epoch(directory: Path) -> None:
    dataset = load(directory, on_error="skip", max_errors=1)
    message = r"Invalid data.*, and with it more than max_errors=1 videos were left out"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        labels(dataset)


def load_segments(path: str, **arguments: Any) -> Any:
    """One segment that is there, and three of which two are the same that are not."""
    segments = ((0.0, 1.0), (5.0, 6.5), (7.0, 8.0), (7.0, 8.0))
    videos = VideoList((path,) * 4, (0, 1, 0, 1), ("a", "b"), segments)
    return video_dataset_from_list(
        videos,
        num_frames=2,
        frame_stride=1,
        crop_size=24,
        verbose=False,
        on_error="skip",
        **arguments,
    )


def test_every_segment_counts_and_is_named(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(directory / "a/0.mp4")
    dataset = load_segments(path, max_errors=3)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "keras_nonlocal"):
            assert labels(dataset) == [0]
        (record,) = caplog.records
        first, *rest = record.getMessage().splitlines()
        assert first == "3 unreadable videos were left out of this epoch:"
        early, late = f"{path} (from 5.0 s to 6.5 s)", f"{path} (from 7.0 s to 8.0 s)"
        assert [line.split(": ")[0] for line in rest] == [early, late, late]
        assert sorted(dataset.failures.reasons) == [early, late]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than max_errors=2"):
        labels(load_segments(path, max_errors=2))


def test_segments_count_where_the_numbers_are_not_known() -> None:
    failures = FailurePolicy("skip", max_errors=2)
    for begin in (0.0, 1.0, 1.0):
        failures.handle(VideoError("a.mp4", "cut", (begin, begin + 1)))
    with pytest.raises(VideoError, match=r"'a\.mp4': cut, and with it more") as raised:
        failures.handle(VideoError("a.mp4", "cut", (2.0, 3.0)))
    assert pickle.loads(pickle.dumps(raised.value)).segment == (2.0, 3.0)


def test_a_function_decides(directory: Path) -> None:
    errors: list[VideoError] = []
    dataset = load(directory, shuffle=False, on_error=errors.append)
    assert labels(dataset) == [0, 0, 1, 1]
    assert sorted(error.path for error in errors) == [
        str(directory / "a/1.mp4"),
        str(directory / "b/1.mp4"),
    ]

    def refuse(error: VideoError) -> None:
        raise RuntimeError(f"refused: {error.reason}")

    with pytest.raises(tf.errors.OpError, match="refused: Invalid data"):
        labels(load(directory, on_error=refuse))


def test_what_is_skipped_changes_no_other_clip(directory: Path) -> None:
    partly = load(directory, on_error="skip").unbatch()
    with_broken = [clip.numpy().tobytes() for clip, _ in partly]
    assert len({*with_broken}) == 4
    again = load(directory, on_error="skip").unbatch()
    assert [clip.numpy().tobytes() for clip, _ in again] == with_broken


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="trains on TensorFlow"
)
# Keras says so at the end of each epoch whose length it does not know in advance.
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_fit_goes_through_all_that_is_left_in_each_epoch(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = []

    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps.append(batch)

    model = keras.Sequential(
        [keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(2)]
    )
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(
        load(directory, on_error="skip"),
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[Steps()],
    )
    assert steps == [0, 1] * 3
    # TensorFlow may remark on what other tests have traced.
    names = [record.name for record in caplog.records]
    assert names.count("keras_nonlocal") == 3


def test_workers_in_step_leave_nothing_out(directory: Path) -> None:
    options = {"shard": (0, 2), "drop_remainder": True}
    with pytest.raises(ValueError, match=r"scan_videos.*Received: on_error='skip', "):
        load(directory, on_error="skip", **options)
    assert len(load(directory, **options)) == 1
    assert load(directory, on_error="skip", shard=(0, 2)) is not None


def test_bad_values(directory: Path) -> None:
    with pytest.raises(ValueError, match="Received: on_error='ignore'"):
        load(directory, on_error="ignore")
    with pytest.raises(ValueError, match="Received: max_errors=-1"):
        load(directory, max_errors=-1)


@contextmanager
def failing(path: str, error: type[Exception], when: str) -> Iterator[Any]:
    """Opens a video; the reader fails at some point if its name says so."""
    is_bad = Path(path).stem == "1"
    if is_bad and when == "open":
        raise error("at night")
    with PyAVReader(path) as video:
        if is_bad and when == "read":
            video.read = lambda indices, framing: (_ for _ in ()).throw(
                error("at night")
            )
        yield video
    if is_bad:
        raise error("at night")


@pytest.mark.parametrize(
    "error", [MemoryError, OverflowError, ValueError, RuntimeError, KeyError]
)
@pytest.mark.parametrize("when", ["open", "read", "close"])
def test_an_error_of_any_class_is_left_out_and_named(
    error: type[Exception], when: str, tmp_path: Path
) -> None:
    names = [
        write_video(tmp_path / f"{i}.mp4", moving_pictures(4, 36, 48, i))
        for i in range(3)
    ]
    seen: list[VideoError] = []
    dataset = video_dataset_from_list(
        VideoList(tuple(names), (0, 1, 2), ("a", "b", "c")),
        batch_size=1,
        num_frames=2,
        crop_size=24,
        shuffle=False,
        on_error=seen.append,
        open_video=partial(failing, error=error, when=when),
        verbose=False,
    )
    assert labels(dataset) == [0, 2]
    assert [failure.path for failure in seen] == [names[1]]
    assert seen[0].reason.startswith(f"{error.__name__}: ")
    assert "at night" in str(seen[0])


def test_an_interruption_is_no_fault_of_a_video(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), errors_named("v.mp4"):
        raise KeyboardInterrupt
