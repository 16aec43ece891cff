"""MP4 edit lists say which part of the stored frames is shown, and from when on."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from tests.data.videos import moving_pictures, write_video

RATE, NUM_FRAMES = 30, 30
WHOLE = Framing(48, (48, 64))
FRAMES = moving_pictures(NUM_FRAMES, 48, 64)


def write_edited(
    path: Path, first_shown: int, num_shown: int | None = None, bf: int = 2
) -> str:
    """Writes an MP4 of which FFmpeg shows `num_shown` frames from `first_shown` on."""
    whole = write_video(
        path.with_name("whole.mp4"), FRAMES, options={"crf": "10", "bf": str(bf)}
    )
    with av.open(whole) as source, av.open(str(path), "w") as target:
        (stream,) = source.streams.video
        copy = target.add_stream_from_template(stream)
        shift = round(first_shown / RATE / stream.time_base)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                target.mux(packet)
    if num_shown is not None:
        content = bytearray(path.read_bytes())
        # After the name: version and flags, number of edits, then the first edit.
        place = content.index(b"elst") + 12
        (timescale,) = struct.unpack_from(">I", content, content.index(b"mvhd") + 16)
        duration = num_shown * timescale // RATE
        struct.pack_into(">I", content, place, duration)
        path.write_bytes(content)
    return str(path)


def nearest_frames(pictures: np.ndarray) -> list[int]:
    errors = np.abs(pictures[:, np.newaxis].astype(int) - FRAMES[np.newaxis])
    return errors.mean(axis=(2, 3, 4)).argmin(axis=1).tolist()


@pytest.mark.parametrize("bf", [0, 2])
@pytest.mark.parametrize("first_shown", [0, 1, 10, 29])
def test_a_cut_off_beginning_is_not_shown(
    first_shown: int, bf: int, tmp_path: Path
) -> None:
    with PyAVReader(write_edited(tmp_path / "v.mp4", first_shown, bf=bf)) as video:
        num_shown = NUM_FRAMES - first_shown
        np.testing.assert_allclose(video.times, np.arange(num_shown) / RATE, atol=1e-3)
        pictures = video.read(np.arange(num_shown), WHOLE)[:, 0]
        alone = video.read(np.array(num_shown - 1), WHOLE)[0]
    assert nearest_frames(pictures) == [*range(first_shown, NUM_FRAMES)]
    np.testing.assert_array_equal(alone, pictures[-1])


def test_a_cut_off_end_is_not_shown(tmp_path: Path) -> None:
    path = write_edited(tmp_path / "v.mp4", 6, num_shown=12)
    with PyAVReader(path) as video:
        num_shown = len(video.times)
        pictures = video.read(np.arange(num_shown), WHOLE)[:, 0]
    with av.open(path) as container:
        expected = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(video.times, expected)
    assert nearest_frames(pictures) == [*range(6, 6 + num_shown)]
    assert num_shown in (12, 13)


def test_a_video_that_begins_late_counts_from_its_first_frame(tmp_path: Path) -> None:
    # An edit that shows nothing delays it. Players skip the delay of a whole file.
    with PyAVReader(write_edited(tmp_path / "v.mp4", -15)) as video:
        expected = np.arange(NUM_FRAMES) / RATE
        np.testing.assert_allclose(video.times, expected, atol=1e-3)
        pictures = video.read(np.arange(NUM_FRAMES), WHOLE)[:, 0]
    assert nearest_frames(pictures) == [*range(NUM_FRAMES)]
