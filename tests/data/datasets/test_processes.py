"""Clips that processes load are those that threads load."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import (
    PyAVReader,
    VideoError,
    VideoList,
)
from tests.data.datasets.test_py_dataset import assert_equal, epoch_of
from tests.data.datasets.test_py_dataset import load as load_clips
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("grain")
# Each process imports NumPy and PyAV.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoList:
    root = tmp_path_factory.mktemp("videos")
    paths = [
        write_video(root / f"{i}.mp4", moving_pictures(20, 36, 48, i), gop=8)
        for i in range(8)
    ]
    broken = root / "broken.mp4"
    broken.write_bytes(b"no video")
    return VideoList(
        (*paths, str(broken)), (0, 1, 2, 0, 1, 2, 2, 0, 1), ("a", "b", "c")
    )


def load(videos: VideoList, **options: Any) -> Any:
    options = {"dataset_type": None, "on_error": "skip"} | options
    return load_clips(videos, **options)


def processes() -> set[int | None]:
    """The children of this process that load clips."""
    return {child.pid for child in multiprocessing.active_children()}


def until(condition: Any) -> bool:
    # Grain waits up to 25 s for a process, and kills it then.
    end = time.monotonic() + 90
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(condition())


@pytest.mark.parametrize("dataset_type", ["tf.data", "keras"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_clips_are_those_of_threads(
    videos: VideoList, dataset_type: str, workers: int
) -> None:
    if dataset_type == "tf.data":
        pytest.importorskip("tensorflow")
    own = load(videos, dataset_type=dataset_type, workers=workers, with_info=True)
    other = load(videos, dataset_type=dataset_type, with_info=True)
    for _ in range(3):
        assert_equal(epoch_of(own), epoch_of(other))
    assert own.failures.reasons == other.failures.reasons
    assert len(own.failures.reasons) == 1
    # Another clip than the next one, and the rest of an epoch.
    for epoch, batch in ((1, 1), (4, 0)):
        rests = [dataset.resume(epoch, batch) for dataset in (own, other)]
        assert_equal(*map(epoch_of, rests))
        assert_equal(epoch_of(own), epoch_of(other))


def test_views_and_shares(videos: VideoList) -> None:
    options: dict[str, Any] = {
        "num_clips": 2,
        "num_crops": 3,
        "shard": (1, 2),
        "label_mode": None,
        "dataset_type": "keras",
    }
    own, other = (load(videos, workers=workers, **options) for workers in (2, 0))
    for _ in range(2):
        assert_equal(epoch_of(own), epoch_of(other))


@pytest.mark.parametrize("dataset_type", ["tf.data", "keras"])
def test_an_error_of_a_process_is_raised_here(
    videos: VideoList, dataset_type: str
) -> None:
    if dataset_type == "tf.data":
        tf = pytest.importorskip("tensorflow")
        errors: Any = (tf.errors.OpError, VideoError)
    else:
        errors = VideoError
    dataset = load(videos, dataset_type=dataset_type, workers=2, on_error="raise")
    with pytest.raises(errors, match=r"broken\.mp4"):
        epoch_of(dataset)
    assert isinstance(dataset.failures.raised, VideoError)
    seen: list[Any] = []
    epoch_of(load(videos, dataset_type=dataset_type, workers=2, on_error=seen.append))
    assert [Path(error.path).name for error in seen] == ["broken.mp4"]


@pytest.mark.parametrize("dataset_type", ["tf.data", "keras"])
def test_processes_end_with_the_dataset(videos: VideoList, dataset_type: str) -> None:
    if dataset_type == "tf.data":
        pytest.importorskip("tensorflow")
    before = processes()
    dataset = load(videos, dataset_type=dataset_type, workers=2)
    assert processes() <= before
    epoch_of(dataset)
    own = processes() - before
    assert len(own) == 2
    # The next epoch goes on in the same processes.
    epoch_of(dataset)
    assert processes() - before == own
    del dataset
    gc.collect()
    assert until(lambda: own.isdisjoint(processes()))


def test_processes_end_with_the_program(videos: VideoList, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"""
import multiprocessing
from keras_nonlocal.data import VideoList, video_dataset_from_list
if __name__ == "__main__":
    videos = VideoList({videos.paths!r}, {videos.labels!r}, {videos.class_names!r})
    data = video_dataset_from_list(
        videos, batch_size=3, num_frames=4, frame_stride=2, crop_size=24, seed=1,
        verbose=False, on_error="skip", workers=2, dataset_type="keras")
    print(data[0][0].shape, data[1][0].shape)
    print(*[child.pid for child in multiprocessing.active_children()])
""")
    found = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert "Error" not in found.stderr
    shapes, numbers = found.stdout.splitlines()
    assert shapes.count("4, 24, 24, 3") == 2
    assert len(numbers.split()) == 2
    assert until(
        lambda: not any(Path(f"/proc/{number}").exists() for number in numbers.split())
    )


class OwnError(VideoError):
    """An error that cannot be made again out of its arguments."""

    def __init__(self, code: int, path: str) -> None:
        super().__init__(path, f"code {code}")


def read_or_raise(path: str) -> Any:
    if path.endswith("3.mp4"):
        raise OwnError(7, path)
    return PyAVReader(path)


def test_errors_of_readers_with_their_own_classes(videos: VideoList) -> None:
    dataset = load(videos, dataset_type="keras", workers=2, open_video=read_or_raise)
    epoch_of(dataset)
    reasons = {Path(path).name: why for path, why in dataset.failures.reasons.items()}
    assert reasons["3.mp4"] == "code 7"
    assert len(reasons) == 2


def test_a_program_without_a_guard_is_told_so(
    videos: VideoList, tmp_path: Path
) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"""
from keras_nonlocal.data import VideoList, video_dataset_from_list
videos = VideoList({videos.paths!r})
data = video_dataset_from_list(
    videos, batch_size=3, num_frames=4, frame_stride=2, crop_size=24, seed=1,
    verbose=False, on_error="skip", workers=2, dataset_type="keras")
print(data[0][0].shape)
""")
    found = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert found.returncode != 0
    assert 'must do its work under `if __name__ == "__main__":`' in found.stderr


def test_wrong_numbers_of_workers(videos: VideoList) -> None:
    for workers in (-1, 1.5, True):
        with pytest.raises((ValueError, TypeError), match=r"`workers` must"):
            load(videos, workers=workers)


def test_readers_that_cannot_be_copied(videos: VideoList) -> None:
    lock = threading.Lock()

    def open_video(path: str) -> Any:
        with lock:
            return np.load(path)

    with pytest.raises(ValueError, match=r"`open_video` must .*pickled.*Received: "):
        load(videos, dataset_type="keras", workers=1, open_video=open_video)
