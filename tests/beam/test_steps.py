"""The steps and their folder, without Beam: repeated, at once and in any order."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from keras_nonlocal import beam
from keras_nonlocal.beam.steps import GatherChunk, ReadChunk, WorkOnGroup
from keras_nonlocal.beam.work_folder import WorkFolder
from keras_nonlocal.data import VideoError, VideoList

TOTAL = 11
NAME = b"a \xff,\xc3\xa9.mp4".decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Doubling:
    """The outcome is twice the index, and every fifth video is broken."""

    log: Path
    is_repaired: bool = False
    keeps_outcomes: bool = True
    group_size: int = 2

    def outcomes(self, videos):
        for video in videos:
            with self.log.open("a") as file:
                file.write(f"{video.number}\n")
            if video.number % 5 == 0 and not self.is_repaired:
                yield video, {"error": "broken"}
            else:
                yield video, {"value": 2 * video.number}


@pytest.fixture
def videos():
    paths = tuple(f"{i}.mp4" for i in range(TOTAL - 1))
    segments = ((1.5, float("inf")), *(None for _ in paths))
    return VideoList((NAME, *paths), segments=segments)


@pytest.fixture
def folder(tmp_path, videos):
    prepared = WorkFolder(str(tmp_path), TOTAL, 4)
    prepared.prepare(videos, {"pipeline": "test"}, "directory")
    return prepared


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def groups_of(folder, work):
    read = ReadChunk(folder, work)
    return [group for chunk in folder.unfinished_chunks() for group in read(chunk)]


def run(folder, work, max_errors=100):
    step = WorkOnGroup(folder, work, max_errors)
    chunks = {chunk for group in groups_of(folder, work) for chunk, _ in step(group)}
    for chunk in sorted(chunks):
        assert GatherChunk(folder)((chunk, [b""])) == [chunk]


def worked_on(log):
    return [int(line) for line in log.read_text().splitlines()]


EXPECTED = [
    (index, {"error": "broken"} if index % 5 == 0 else {"value": 2 * index})
    for index in range(TOTAL)
]


def test_each_video_has_one_outcome_in_the_order_of_the_list(folder, log):
    run(folder, Doubling(log))
    assert [*folder.outcomes()] == EXPECTED
    assert sorted(worked_on(log)) == [*range(TOTAL)]
    assert [*folder.errors()] == [0, 5, 10]
    error = folder.errors()[0]
    segment = (1.5, float("inf"))
    assert (error.path, error.segment, error.reason) == (NAME, segment, "broken")


def test_a_list_comes_back_with_any_name_and_segment(folder):
    (first, second, *_) = folder.listed(0)
    assert first == (0, NAME, (1.5, float("inf")))
    assert second == (1, "0.mp4", None)


def test_repeated_elements_change_nothing(folder, log, rng):
    work = Doubling(log)
    groups = groups_of(folder, work)
    order = rng.permutation(groups * 3)
    step = WorkOnGroup(folder, work, 100)
    with ThreadPoolExecutor(4) as pool:
        done = [pair for pairs in pool.map(step, map(bytes, order)) for pair in pairs]
    assert len(done) == 3 * len(groups)
    for chunk, _ in done:
        GatherChunk(folder)((chunk, [b""]))
    assert [*folder.outcomes()] == EXPECTED
    # A worker that was thought to be dead finishes after the outcomes were gathered.
    for group in groups:
        step(group)
        (chunk, *_) = json.loads(group)
        GatherChunk(folder)((chunk, [b""]))
    assert [*folder.outcomes()] == EXPECTED
    assert [*folder.errors()] == [0, 5, 10]


def test_what_is_finished_is_not_done_again(folder, log):
    work = Doubling(log)
    groups = groups_of(folder, work)
    step = WorkOnGroup(folder, work, 100)
    for group in groups[:3]:
        step(group)
    first = worked_on(log)
    assert first == [0, 1, 2, 3, 4, 5]
    run(folder, work)
    later = worked_on(log)[len(first) :]
    assert sorted(later) == [0, 5, 6, 7, 8, 9, 10]
    assert [*folder.outcomes()] == EXPECTED


def test_videos_with_errors_are_tried_again(folder, log):
    run(folder, Doubling(log))
    log.unlink()
    folder.clear_errors()
    run(folder, Doubling(log, is_repaired=True))
    assert sorted(worked_on(log)) == [0, 5, 10]
    expected = [(index, {"value": 2 * index}) for index in range(TOTAL)]
    assert [*folder.outcomes()] == expected
    assert folder.errors() == {}
    assert folder.unfinished_chunks() == []


def test_a_chunk_with_a_gap_is_never_gathered(folder, log):
    work = Doubling(log)
    (first, *_) = groups_of(folder, work)
    WorkOnGroup(folder, work, 100)(first)
    with pytest.raises(RuntimeError, match="none for the video 2 in"):
        GatherChunk(folder)((0, [b""]))
    assert [*folder.outcomes()] == []


@pytest.mark.parametrize("max_errors", [0, 1, 2])
def test_workers_count_errors_together(folder, log, max_errors):
    work = Doubling(log)
    found = []
    # Each group has a worker of its own.
    for group in groups_of(folder, work):
        try:
            WorkOnGroup(folder, work, max_errors)(group)
        except VideoError as error:
            found.append(error.path)
    assert found == [NAME, "4.mp4", "9.mp4"][max_errors:]


def test_a_folder_is_of_one_list_and_one_kind_of_results(folder, videos):
    folder.prepare(videos, {"pipeline": "test"}, "directory")
    with pytest.raises(ValueError, match=r"`directory` holds .* another pipeline$"):
        folder.prepare(videos, {"pipeline": "other", "size": 3}, "directory")
    with pytest.raises(ValueError, match=r"with another size$"):
        folder.prepare(videos, {"pipeline": "test", "size": 3}, "directory")
    other = videos.select(range(TOTAL - 1, -1, -1))
    with pytest.raises(ValueError, match=r"with another videos$"):
        folder.prepare(other, {"pipeline": "test"}, "directory")


def test_without_beam_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r"^Apache Beam is needed .*\[beam\]`\.$"):
        beam.scan_videos(["a.mp4"], tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_error": print}, "`on_error` must be"),
        ({"max_errors": -1}, "`max_errors` must"),
        ({"quality": 40}, "`quality` must be at most 31"),
    ],
)
def test_arguments_are_checked_first(videos, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        beam.write_video_records(videos, tmp_path / "records", **arguments)
    assert not (tmp_path / "records").exists()


def test_models_of_workers_are_keras_models(videos, tmp_path):
    from keras_nonlocal import beam

    with pytest.raises(ValueError, match=r"`model` must be a Keras model.* Received"):
        beam.evaluate_videos("model.onnx", videos, tmp_path)
