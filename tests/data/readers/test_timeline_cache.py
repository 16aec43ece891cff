"""A timeline is read once per file, kept in bounds, and never used for another file."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader, VideoError
from keras_nonlocal.data.readers import timelines
from keras_nonlocal.data.readers.timeline import Packets, Timeline, make_timeline
from keras_nonlocal.data.readers.timeline_cache import DirectoryCache, MemoryCache
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(30, 48, 64)
FRAMING = Framing(32, (32, 32))
SETTINGS: dict[str, Any] = {"gop": 10, "options": {"bf": "2"}}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose timelines were searched for; nothing is in memory at first."""
    found: list[str] = []
    search = timelines.find_timeline

    def counting(video: Any) -> Timeline:
        found.append(video.path)
        return search(video)

    monkeypatch.setattr(timelines, "find_timeline", counting)
    monkeypatch.setattr(timelines, "_MEMORY", MemoryCache())
    return found


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has memory be empty, as in another run."""
    monkeypatch.setattr(timelines, "_MEMORY", MemoryCache())


def read(path: str, **arguments: Any) -> tuple[np.ndarray, np.ndarray]:
    with PyAVReader(path, **arguments) as video:
        return video.times, video.read(np.arange(len(video.times)), FRAMING)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.avi"])
def test_a_timeline_is_found_once(
    name: str, searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / name, FRAMES, **SETTINGS)
    first = read(path, timeline_cache=tmp_path / "cache")
    for _ in range(3):
        again = read(path, timeline_cache=tmp_path / "cache")
        forget(monkeypatch)
        for ours, theirs in zip(again, first, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert searches == [path]
    read(path)
    assert searches == [path] * 2


def test_what_is_in_memory_is_stored_too(
    searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)
    read(path)
    first = read(path, timeline_cache=tmp_path / "cache")
    forget(monkeypatch)
    again = read(path, timeline_cache=tmp_path / "cache")
    for ours, theirs in zip(again, first, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert searches == [path]


def test_another_file_at_the_same_path_is_read_anew(
    searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    path = write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)
    read(path, timeline_cache=cache)
    other = write_video(tmp_path / "other.mp4", FRAMES[:12], **SETTINGS)
    os.replace(other, path)
    forget(monkeypatch)
    times, _ = read(path, timeline_cache=cache)
    assert len(times) == 12
    assert len(searches) == 2


def test_a_file_that_hides_its_change_is_not_read_wrongly(
    searches: list[str], tmp_path: Path
) -> None:
    """Same size, same time of change: packets tell that it is another file."""
    path = Path(write_video(tmp_path / "v.mkv", FRAMES, **SETTINGS))
    other = Path(write_video(tmp_path / "w.mkv", FRAMES[::-1][:20], **SETTINGS))
    size = max(path.stat().st_size, other.stat().st_size)
    for file in (path, other):
        # Matroska may end in space that means nothing.
        file.write_bytes(file.read_bytes().ljust(size, b"\0"))
        os.utime(file, ns=(10**18, 10**18))
    expected = read(str(other))[1]
    assert len(read(str(path))[0]) == 30
    os.replace(other, path)
    with PyAVReader(str(path)) as video:
        with pytest.raises(VideoError):
            video.read(np.arange(len(video.times)), FRAMING)
        got = video.read(np.arange(len(video.times)), FRAMING)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign", "swapped"])
def test_what_is_damaged_is_not_trusted(
    damage: str, searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    path = write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)
    other = write_video(tmp_path / "w.mp4", FRAMES[:7], **SETTINGS)
    expected = read(path, timeline_cache=cache)
    (stored,) = cache.rglob("*.timeline")
    content = stored.read_bytes()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    read(other, timeline_cache=cache)
    (foreign,) = {*cache.rglob("*.timeline")} - {stored}
    damaged = {
        "cut": content[: len(content) // 2],
        "changed": bytes(changed),
        "empty": b"",
        "foreign": b"not a timeline" * 99,
        "swapped": foreign.read_bytes(),
    }
    stored.write_bytes(damaged[damage])
    forget(monkeypatch)
    np.testing.assert_array_equal(read(path, timeline_cache=cache)[0], expected[0])
    assert searches == [path, other, path]
    assert stored.read_bytes() == content


def test_streams_of_a_file_have_timelines_of_their_own(
    searches: list[str], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)
    for _ in range(2):
        read(path, timeline_cache=tmp_path / "cache")
        read(path, timeline_cache=tmp_path / "cache", video_stream=0)
    assert searches == [path] * 2


def test_a_directory_that_cannot_be_written_is_no_fault_of_a_video(
    searches: list[str], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)
    (tmp_path / "file").touch()
    assert len(read(path, timeline_cache=tmp_path / "file")[0]) == 30


def small_timeline(num_frames: int) -> Timeline:
    numbers = np.arange(num_frames)
    packets = Packets(numbers.astype(np.int32), numbers, numbers)
    entries = np.array([0])
    return make_timeline(
        numbers / 25, numbers.astype(np.int32), packets, entries, np.zeros((1, 2), int)
    )


def test_memory_is_bounded_and_keeps_what_was_used_last() -> None:
    size = small_timeline(100).num_bytes
    cache = MemoryCache(most_bytes=3 * size)
    for number in range(3):
        cache.put(("v", number, 0, 0), small_timeline(100))
    assert cache.get(("v", 0, 0, 0)) is not None
    cache.put(("v", 3, 0, 0), small_timeline(100))
    kept = [cache.get(("v", number, 0, 0)) is not None for number in range(4)]
    assert kept == [True, False, True, True]
    cache.put(("v", 9, 0, 0), small_timeline(1000))
    assert all(cache.get(("v", number, 0, 0)) is None for number in range(10))


def test_times_of_a_kept_timeline_cannot_be_changed(tmp_path: Path) -> None:
    with PyAVReader(write_video(tmp_path / "v.mp4", FRAMES, **SETTINGS)) as video:
        assert not video.times.flags.writeable


def test_threads_share_the_caches(tmp_path: Path) -> None:
    memory = MemoryCache(most_bytes=20 * small_timeline(50).num_bytes)
    directory = DirectoryCache(tmp_path)
    failures: list[BaseException] = []

    def use(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for number in rng.integers(40, size=60).tolist():
                key = ("v", number, 0, -1)
                for cache in (memory, directory):
                    found = cache.get(key)
                    assert found is None or len(found) == number + 30
                    cache.put(key, small_timeline(number + 30))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not [*tmp_path.rglob("*.part")]


def test_remote_directories_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Received: timeline_cache='gs://bucket/t'"):
        read(path, timeline_cache="gs://bucket/t")
    assert os.listdir(tmp_path) == ["v.mp4"]
