"""Videos and settings of runs that take seconds."""

import pytest

from keras_nonlocal.runs import TrainingSettings


@pytest.fixture(scope="package")
def videos(tmp_path_factory):
    """The folders `train`, with the classes a, b and c, and `test`, without b."""
    from tests.data.videos import moving_pictures, write_video

    root = tmp_path_factory.mktemp("videos")
    for part, count, names in (("train", 3, "abc"), ("test", 1, "ac")):
        for name in names:
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                frames = moving_pictures(8, 40, 48, ord(name) + 10 * i)
                write_video(folder / f"{i}.mp4", frames)
    return root


@pytest.fixture
def settings(videos, tmp_path, shallow_networks):
    return TrainingSettings().replace(
        videos=videos,
        output=tmp_path / "run",
        weights=None,
        variant="c2d",
        nonlocal_blocks=0,
        width=4,
        num_frames=4,
        frame_stride=1,
        crop_size=32,
        batch_size=4,
        epochs=2,
        precise_statistics=0,
        jit="off",
        num_clips=2,
        num_crops=1,
    )
