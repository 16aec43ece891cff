"""The share of a process of JAX."""

import pytest

from keras_nonlocal.data import VideoList
from keras_nonlocal.runs.inputs import inputs_of_videos
from keras_nonlocal.runs.settings import TrainingSettings
from keras_nonlocal.runs.shares import Share
from keras_nonlocal.training.resumable.progress import Progress, describe_batch


@pytest.fixture
def settings(tmp_path):
    """Settings of 23 training videos, which are not read, and 7 to validate on."""
    for name, count in (("train", 23), ("val", 7)):
        lines = [f"{name}{i}.mp4 {i % 2}\n" for i in range(count)]
        (tmp_path / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return TrainingSettings().replace(
        videos=tmp_path / "train.txt",
        validation=tmp_path / "val.txt",
        root=tmp_path,
        batch_size=4,
    )


def names(dataset, epoch, batch):
    return {path.rpartition("/")[2] for path in dataset.batch_paths(epoch, batch)}


def test_processes_share_the_batches_of_one(settings):
    pytest.importorskip("tensorflow")
    whole = inputs_of_videos(settings)
    parts = [inputs_of_videos(settings, Share((i, 2), 4, 2)) for i in range(2)]
    assert whole.steps_per_epoch == 6
    assert [part.steps_per_epoch for part in parts] == [5, 5]
    assert [len(part.training) for part in parts] == [5, 5]
    for epoch in range(2):
        for batch in range(5):
            shares = [names(part.training, epoch, batch) for part in parts]
            assert [*map(len, shares)] == [2, 2]
            assert set.union(*shares) == names(whole.training, epoch, batch)
    # Of 7 videos, the last is left out. Each process has a whole and a smaller batch.
    sizes = [
        [len(part.validation.batch_paths(0, batch)) for batch in range(2)]
        for part in parts
    ]
    assert sizes == [[2, 1], [2, 1]]
    assert [part.num_validation_videos for part in parts] == [7, 7]


def test_a_position_holds_for_another_number_of_processes(settings):
    pytest.importorskip("tensorflow")
    two = inputs_of_videos(settings, Share((0, 2), 4, 2)).training
    four = inputs_of_videos(settings, Share((0, 4), 4, 4)).training
    place = Progress(epoch=1, batch=3, next_clips=describe_batch(two, 1, 3))
    assert place.next_clips["batch_size"] == 4
    place.find_place(four)
    assert (place.epoch, place.batch) == (1, 3)


def test_devices_need_equal_parts():
    with pytest.raises(ValueError, match=r"multiple of .* 4 in 2 processes.*=6"):
        Share((0, 2), 6, 4)
    share = Share((0, 2), 8, 4)
    with pytest.raises(ValueError, match=r"must not be larger.*=8 for 7 videos"):
        share.check_videos(7)
    few = VideoList(("a.mp4", "b.mp4", "c.mp4"), (0, 1, 0), ("x", "y"))
    with pytest.raises(ValueError, match=r"as many as the devices, 4. Received: 3"):
        share.validation_videos(few)
    assert share.validation_videos(None) is None
