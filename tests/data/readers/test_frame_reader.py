"""Clips one by one, against all of them at once."""

import numpy as np
import pytest

from keras_nonlocal.data import ClipSampler, FrameFolderReader, Framing, PyAVReader
from keras_nonlocal.data.readers.frame_reader import FrameReader
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.data.readers.video_reader import VideoError, is_clip_reader
from tests.data.pictures import png
from tests.data.videos import moving_pictures, write_video

FRAMINGS = [
    Framing(24, (20, 20), ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0))),
    Framing(24, None),
]


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    frames = moving_pictures(31, 32, 40, seed=3)
    write_video(folder / "a.mp4", frames)
    for number, pixels in enumerate(frames):
        (folder / f"{number}.png").write_bytes(png(pixels))
    return {
        "file": lambda: PyAVReader(folder / "a.mp4"),
        "folder": lambda: FrameFolderReader(str(folder)),
        "array": lambda: PicturesReader("array", frames, 30.0),
    }


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", ["file", "folder", "array"])
def test_clips_are_those_of_one_call(rng, readers, name, framing):
    with readers[name]() as video:
        assert is_clip_reader(video)
        indices = [
            ClipSampler(4, 2, 5).frame_indices(video.times),
            # Longer than the video, and therefore around its end.
            ClipSampler(9, 5, 3).frame_indices(video.times),
            rng.integers(0, 31, (4, 3)),
        ]
        for each in indices:
            clips = [*video.read_clips(each, framing)]
            np.testing.assert_array_equal(clips, video.read(each, framing))


@pytest.mark.parametrize("name", ["file", "folder", "array"])
def test_a_clip_does_not_wait_for_later_frames(readers, monkeypatch, name):
    with readers[name]() as video:
        read = []
        original = video._pictures

        def watched(indices, framing):
            for index, picture in original(indices, framing):
                read.append(index)
                yield index, picture

        monkeypatch.setattr(video, "_pictures", watched)
        clips = video.read_clips(np.array([[0, 3], [2, 9], [5, 30]]), FRAMINGS[0])
        last = [(next(clips), read[-1])[1] for _ in range(3)]
    # Each frame is read once, and the clips come with their last ones.
    assert last == [3, 9, 30]
    assert read == [0, 2, 3, 5, 9, 30]


def test_the_pictures_of_all_clips_have_one_shape():
    pictures = [png(np.zeros(shape, np.uint8)) for shape in [(8, 8, 3), (8, 9, 3)]]
    indices = np.array([[0, 0], [1, 1]])
    for read in (
        lambda video: video.read(indices, Framing(8, None)),
        lambda video: [*video.read_clips(indices, Framing(8, None))],
    ):
        with (
            PicturesReader("two", pictures, 30.0) as video,
            pytest.raises(VideoError, match="'two': its pictures change their shape"),
        ):
            read(video)


def test_what_a_subclass_reads_counts():
    class Negative(PyAVReader):
        def read(self, indices, framing):
            return 255 - super().read(indices, framing)

    class Both(Negative):
        def read_clips(self, indices, framing):
            yield from self.read(indices, framing)

    class Proxy:
        def __init__(self, video):
            self.video = video

        def __getattr__(self, name):
            return getattr(self.video, name)

    assert is_clip_reader(object.__new__(PyAVReader))
    assert not is_clip_reader(object.__new__(Negative))
    assert is_clip_reader(object.__new__(Both))
    assert not is_clip_reader(Proxy(object.__new__(PyAVReader)))


def test_what_an_object_reads_counts():
    class Plain(FrameReader):
        times = np.zeros(1)

        def close(self):
            pass

        def _pictures(self, indices, framing):
            yield from ()

    video = Plain("a")
    assert is_clip_reader(video)
    video.read = lambda indices, framing: None
    assert not is_clip_reader(video)
    video.read_clips = lambda indices, framing: iter(())
    assert is_clip_reader(video)
