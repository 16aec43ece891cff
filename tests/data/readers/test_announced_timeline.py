"""Frames that need a palette or a header which the container provides only once."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from tests.data.videos import moving_pictures, write_video

# Bytes before the first tag.
FLV_HEADER = 13
NUM_FRAMES, HEIGHT, WIDTH = 12, 16, 24


def write_palette_video(path: Path, rng: np.random.Generator) -> Any:
    """Writes pictures of 256 colors and returns them as RGB bytes."""
    # FFmpeg stores alpha, red, green and blue in one number.
    colors = rng.integers(0, 256, (256, 4), dtype=np.uint8)
    colors[:, 3] = 255
    indices = rng.integers(0, 256, (NUM_FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "pal8"
        for picture in indices:
            frame = av.VideoFrame(WIDTH, HEIGHT, "pal8")
            line = frame.planes[0].line_size
            padded = np.zeros((HEIGHT, line), np.uint8)
            padded[:, :WIDTH] = picture
            frame.planes[0].update(padded.tobytes())
            frame.planes[1].update(colors.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return colors[indices][..., 2::-1]


@pytest.mark.parametrize("name", ["v.avi", "v.mov"])
def test_frames_have_their_colors_wherever_reading_begins(
    name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / name
    expected = write_palette_video(path, rng)
    framing = Framing(HEIGHT, (HEIGHT, WIDTH))
    for indices in (np.arange(NUM_FRAMES), np.array([7]), np.array([11, 2])):
        with PyAVReader(str(path), timeline_cache=tmp_path) as video:
            for _ in range(2):
                pictures = video.read(indices, framing)[:, 0]
                np.testing.assert_array_equal(pictures, expected[indices])


@pytest.mark.parametrize("second_gop", [5, 8])
def test_joined_recordings_are_decoded_with_their_own_headers(
    second_gop: int, tmp_path: Path
) -> None:
    frames = moving_pictures(60, 32, 48)
    references = "3" if second_gop == 5 else "5"
    parts = [
        write_video(
            tmp_path / f"{begin}.flv",
            frames[begin : begin + 30],
            gop=gop,
            timestamps=range(begin, begin + 30),
            options={"bf": "0", "refs": refs},
        )
        for begin, gop, refs in ((0, 5, "3"), (30, second_gop, references))
    ]
    first, second = (Path(part).read_bytes() for part in parts)
    path = tmp_path / "v.flv"
    path.write_bytes(first + second[FLV_HEADER:])
    framing = Framing(32, (32, 48))
    with PyAVReader(str(path)) as video:
        assert bool(len(video._timeline.entries)) is (references == "3")
        whole = video.read(np.arange(60), framing)
        assert np.abs(whole[:, 0].astype(int) - frames).mean() < 12
        for indices in (np.array([55]), np.array([3, 40])):
            np.testing.assert_array_equal(video.read(indices, framing), whole[indices])
