"""Recordings whose clock jumps are shown without a pause."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.data.readers.clock_jumps import clock_jumps
from keras_nonlocal.data.readers.timeline import UNKNOWN
from keras_nonlocal.data.readers.video_reader import TimelineChangedError
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(60, 32, 48)
RATE = 30


def joined(folder: Path, name: str, offsets: list[int], **options: Any) -> str:
    """Joins two recordings, each of which starts at an offset in seconds."""
    parts = []
    for i, offset in enumerate(offsets):
        stamps = range(offset * RATE, offset * RATE + 30)
        path = write_video(
            folder / f"{i}{name}",
            FRAMES[30 * i : 30 * i + 30],
            rate=RATE,
            gop=10,
            timestamps=stamps,
            **options,
        )
        parts.append(Path(path).read_bytes())
    target = folder / name
    target.write_bytes(b"".join(parts))
    return str(target)


@pytest.mark.parametrize("offsets", [[0, 5000], [9000, 20], [0, 77], [3, 3]])
@pytest.mark.parametrize(
    ("name", "codec"), [("v.ts", "libx264"), ("v.mpg", "mpeg2video")]
)
def test_the_time_goes_on_where_the_clock_jumps(
    name: str, codec: str, offsets: list[int], tmp_path: Path
) -> None:
    path = joined(tmp_path, name, offsets, codec=codec, options={"bf": "2"})
    with av.open(path) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode()]
    with PyAVReader(path) as video:
        # Packets at the seam may be taken for one.
        with suppress(TimelineChangedError):
            video.check()
        pictures = video.read(np.arange(len(video.times)), Framing(32, None))
        times = video.times
    np.testing.assert_allclose(times, np.arange(len(expected)) / RATE, atol=2e-5)
    errors = pictures[:, 0].astype(int) - np.stack(expected)
    assert np.abs(errors).mean() < 8


def test_jumps_are_told_from_gaps() -> None:
    stamps = np.array([0, 1, 9, UNKNOWN, 90, 91, 20, UNKNOWN, 22, 21, 23])
    durations = np.ones(len(stamps), np.int64)
    # A second is a gap of 8 frames, then of 79; 71 are a jump back, 1 is none.
    jumps = clock_jumps(stamps, durations, tick=0.2)
    assert jumps.tolist() == [0, 0, 0, 0, 79, 79, 7, 7, 7, 5, 5]
    assert not clock_jumps(stamps[:6], durations[:6], tick=0.1).any()


@pytest.mark.parametrize("stamps", [[], [5], [UNKNOWN] * 3, [UNKNOWN, 7, UNKNOWN]])
def test_unknown_times_have_no_jumps(stamps: list[int]) -> None:
    times = np.array(stamps, np.int64)
    jumps = clock_jumps(times, np.ones(len(times), np.int64), tick=1.0)
    assert jumps.tolist() == [0] * len(stamps)
