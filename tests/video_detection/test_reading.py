"""Frames of a video, one after the other."""

import numpy as np
import pytest

from keras_nonlocal.data import FrameFolderReader, Framing, PyAVReader, VideoError
from keras_nonlocal.video_detection.media import is_video
from keras_nonlocal.video_detection.reading import whole_frames
from tests.data.videos import moving_pictures, write_video

WHOLE = Framing(2**20, None, enlarge=False)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx"])
def test_each_frame_is_decoded_once(codec, tmp_path, rng, monkeypatch):
    ending = "webm" if codec == "libvpx" else "mp4"
    path = write_video(
        tmp_path / f"v.{ending}",
        moving_pictures(50, 48, 64),
        codec=codec,
        gop=7,
        rotation=0 if codec == "libvpx" else 90,
    )
    indices = np.flatnonzero(rng.random(50) < 0.4)
    with PyAVReader(path) as reader:
        expected = reader.read(indices, WHOLE)[:, 0]
    converted = []
    picture = PyAVReader._picture
    monkeypatch.setattr(
        PyAVReader,
        "_picture",
        lambda self, frame, framing: (
            converted.append(frame) or picture(self, frame, framing)
        ),
    )
    with PyAVReader(path) as reader:
        frames = [*whole_frames(path, reader, indices)]
        assert [*whole_frames(path, reader, indices[:0])] == []
    assert [index for index, _ in frames] == indices.tolist()
    for (_, own), other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(own, other)
    # Colors are converted for wanted frames alone.
    assert len(converted) == len(indices)


def test_other_readers_are_read_frame_by_frame(tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    pixels = rng.integers(0, 256, (4, 20, 30, 3), np.uint8)
    for number, picture in enumerate(pixels):
        image.fromarray(picture).save(tmp_path / f"{number}.png")
    reader = FrameFolderReader(str(tmp_path))
    frames = [*whole_frames("folder", reader, np.array([1, 3]))]
    assert [index for index, _ in frames] == [1, 3]
    for index, picture in frames:
        np.testing.assert_array_equal(picture, pixels[index])
    image.fromarray(pixels[3, :10]).save(tmp_path / "3.png")
    with pytest.raises(VideoError, match="'folder': its pictures change their shape"):
        [*whole_frames("folder", reader, np.arange(4))]


def test_videos_are_told_from_pictures_by_content(tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    pages = [
        image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)
    ]
    found = {}
    for name in ("still.gif", "still.jpg", "still.webp", "still.png", "still.tiff"):
        pages[0].save(tmp_path / name)
        found[name] = is_video(str(tmp_path / name))
    assert not any(found.values()), found
    for name in ("moving.gif", "moving.png"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        assert is_video(str(tmp_path / name))
        assert len([*PyAVReader(str(tmp_path / name)).times]) == 3
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    assert not is_video(str(tmp_path / "pages.tiff"))
    write_video(tmp_path / "v.mkv", moving_pictures(3, 16, 16))
    (tmp_path / "v.mkv").rename(tmp_path / "v.jpg")
    assert is_video(str(tmp_path / "v.jpg"))
    (tmp_path / "text").write_text("text")
    for name, expected in (("x.MP4", True), ("x.jpg", False), ("text", False)):
        assert is_video(str(tmp_path / name)) == expected
    assert not is_video(str(tmp_path))
