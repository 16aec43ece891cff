"""The parts of batches that workers load are, together, the batches of one process."""

from typing import Any

import numpy as np
import pytest

from keras_nonlocal import data
from tests.data.numbered_videos import NumberedVideo

pytest.importorskip("tensorflow")


@pytest.fixture(autouse=True)
def all_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumberedVideo, "broken", frozenset())
    monkeypatch.setattr(NumberedVideo, "decoded", [])


def clips_of(num_videos: int, batch: int, **options: Any) -> Any:
    numbers = range(num_videos)
    videos = data.VideoList(tuple(map(str, numbers)), tuple(i % 2 for i in numbers))
    settings: dict[str, Any] = {
        **{"num_frames": 2, "frame_stride": 1, "crop_size": 8, "short_side": 8},
        **{"open_video": NumberedVideo, "verbose": False, **options},
    }
    return data.video_dataset_from_list(videos, batch_size=batch, **settings)


def batches_of(dataset: Any) -> list[tuple[list[bytes], list[int]]]:
    return [
        ([clip.tobytes() for clip in x.numpy()], y.numpy().tolist()) for x, y in dataset
    ]


def joined(parts: list[Any], num_replicas: int) -> list[tuple[list[bytes], list[int]]]:
    """The batches that the replicas of all workers have together."""
    count = len(parts[0]) // num_replicas
    assert {len(part) for part in parts} == {count * num_replicas}
    batches = []
    for batch in range(count):
        own = slice(batch * num_replicas, (batch + 1) * num_replicas)
        pieces = [piece for part in parts for piece in part[own]]
        batches.append(
            (
                [clip for clips, _ in pieces for clip in clips],
                [label for _, labels in pieces for label in labels],
            )
        )
    return batches


def case(rng: np.random.Generator) -> tuple[int, int, int, int]:
    workers, replicas = rng.integers(1, 4, 2).tolist()
    batch = workers * replicas + int(rng.integers(0, 7))
    return workers, replicas, batch, int(rng.integers(1, 30))


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_together_they_are_the_batches(drop_remainder: bool) -> None:
    rng = np.random.default_rng()
    for _ in range(6):
        workers, replicas, batch, num_videos = case(rng)
        options = {"seed": int(rng.integers(10**6)), "drop_remainder": drop_remainder}
        whole = clips_of(num_videos, batch, **options)
        own = [clips_of(num_videos, batch, **options) for _ in range(workers)]
        parts = [
            clips.part_of_worker(worker, workers, replicas)
            for worker, clips in enumerate(own)
        ]
        for _ in range(2):
            expected = batches_of(whole)
            assert joined([batches_of(part) for part in parts], replicas) == expected
        if replicas == 1:
            assert {len(part) for part in parts} == {len(expected)}
        epoch, first = int(rng.integers(4)), int(rng.integers(len(expected) + 1))
        rest = [
            batches_of(
                clips.resume(epoch, first).part_of_worker(worker, workers, replicas)
            )
            for worker, clips in enumerate(own)
        ]
        assert joined(rest, replicas) == batches_of(whole.resume(epoch, first))


def test_what_cannot_be_read_is_missing_in_its_batch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng()
    for _ in range(6):
        workers, replicas, batch, num_videos = case(rng)
        seed = int(rng.integers(10**6))
        monkeypatch.setattr(NumberedVideo, "broken", frozenset())
        whole = batches_of(clips_of(num_videos, batch, seed=seed))
        broken = rng.choice(num_videos, rng.integers(num_videos), replace=False)
        pixels = {
            np.random.default_rng(i).integers(0, 256, (2, 8, 8, 3), np.uint8).tobytes()
            for i in broken.tolist()
        }
        monkeypatch.setattr(NumberedVideo, "broken", frozenset(broken.tolist()))
        own = [
            clips_of(num_videos, batch, seed=seed, on_error="skip")
            for _ in range(workers)
        ]
        caplog.clear()
        parts = [
            batches_of(clips.part_of_worker(worker, workers, replicas))
            for worker, clips in enumerate(own)
        ]
        expected = [
            [clip for clip in clips if clip not in pixels] for clips, _ in whole
        ]
        assert [clips for clips, _ in joined(parts, replicas)] == expected
        # Each worker knows its own, and says so once.
        left_out = [path for clips in own for path in clips.failures.reasons]
        assert sorted(left_out) == sorted(map(str, broken.tolist()))
        reports = [record.message for record in caplog.records]
        assert len(reports) == sum(bool(clips.failures.reasons) for clips in own)
        assert own[0].batch_paths(0, 0) == [
            path
            for path in clips_of(num_videos, batch, seed=seed).batch_paths(0, 0)
            if path not in own[0].failures.reasons
        ]


def test_a_worker_decodes_only_its_own() -> None:
    clips = clips_of(12, 4, seed=1)
    part = clips.part_of_worker(1, 2, 1)
    labels = [label for _, labels in batches_of(part) for label in labels]
    assert len(labels) == len(NumberedVideo.decoded) == 6


def test_processes_load_the_parts() -> None:
    pytest.importorskip("grain")
    whole = clips_of(9, 4, seed=2)
    parts = [clips_of(9, 4, seed=2, workers=1).part_of_worker(i, 2, 1) for i in (0, 1)]
    for _ in range(2):
        assert joined([batches_of(part) for part in parts], 1) == batches_of(whole)


@pytest.mark.parametrize(
    "options", [{"shard": (0, 2), "seed": 1}, {"batch_size": None}]
)
def test_other_datasets_have_no_parts(options: dict[str, Any]) -> None:
    clips = clips_of(9, **{"batch": options.pop("batch_size", 4), **options})
    assert not hasattr(clips, "part_of_worker")
