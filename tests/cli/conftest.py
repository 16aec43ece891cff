"""What several tests of the commands need."""

import pytest


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """The folders `train`, `val` and `test`, each with the classes a and b."""
    from tests.data.videos import moving_pictures, write_video

    root = tmp_path_factory.mktemp("videos")
    for part, count in (("train", 5), ("val", 1), ("test", 2)):
        for name in "ab":
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                frames = moving_pictures(8, 40, 48, ord(name) + 10 * i)
                write_video(folder / f"{i}.mp4", frames)
    return root
