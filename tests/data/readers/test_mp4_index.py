"""The timeline from the index of an MP4 is that of its packets."""

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import PyAVReader, VideoError
from keras_nonlocal.data.readers.announced_timeline import read_packets
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.mp4_index import indexed_packets
from keras_nonlocal.data.readers.timeline import UNKNOWN
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(40, 48, 64)
STAMPS = np.random.default_rng(3).integers(1, 6, 40).cumsum()
FILES: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"gop": 12, "options": {"bf": "3"}},
    "no_b_frames.mp4": {"gop": 12, "options": {"bf": "0"}},
    "uneven.mov": {"gop": 9, "timestamps": (STAMPS - STAMPS[0]).tolist()},
    "late.mp4": {"gop": 9, "timestamps": range(30, 70)},
    "front.mp4": {"container_options": {"movflags": "faststart"}},
    "negative.mp4": {"container_options": {"movflags": "negative_cts_offsets"}},
    "intra.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.mov": {"codec": "rawvideo", "pix_fmt": "rgb24"},
}


@pytest.mark.parametrize("name", FILES)
def test_the_index_says_what_the_packets_say(name: str, tmp_path: Path) -> None:
    video = VideoFile(write_video(tmp_path / name, FRAMES, **FILES[name]))
    found, expected = indexed_packets(video), read_packets(video)
    video.close()
    if name == "late.mp4":
        # An edit list delays it. The packets know best.
        assert found is None or len(found.packets) == 40
        return
    assert found is not None
    for ours, theirs in (
        (found.packets.sizes, expected.packets.sizes),
        (found.packets.decoding_times, expected.packets.decoding_times),
        (found.presentation_times, expected.presentation_times),
        (found.is_key, expected.is_key),
        (found.is_shown, expected.is_shown),
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert (found.packets.positions == UNKNOWN).all()


@pytest.mark.parametrize("flags", ["frag_keyframe", "frag_keyframe+empty_moov"])
def test_fragments_are_left_to_the_packets(flags: str, tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.mp4", FRAMES, gop=9, container_options={"movflags": flags}
    )
    video = VideoFile(path)
    assert indexed_packets(video) is None
    video.close()
    with PyAVReader(path) as reader:
        assert len(reader.times) == 40


def test_no_packet_is_read_where_the_index_suffices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, gop=9)
    read = 0
    packets = VideoFile.packets

    def counted(video: VideoFile) -> Any:
        nonlocal read
        for packet in packets(video):
            read += 1
            yield packet

    monkeypatch.setattr(VideoFile, "packets", counted)
    with PyAVReader(path) as reader:
        assert len(reader.times) == 40
    assert read < 20


def test_damaged_indexes_never_mislead(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    path = Path(write_video(tmp_path / "v.mp4", FRAMES, gop=9))
    content = path.read_bytes()
    begin = content.index(b"moov")
    for place in rng.integers(begin, len(content), size=40).tolist():
        changed = bytearray(content)
        changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            video = VideoFile(str(path))
        except VideoError:
            continue
        try:
            found = indexed_packets(video)
            if found is not None:
                expected = read_packets(video)
                np.testing.assert_array_equal(
                    found.presentation_times, expected.presentation_times
                )
        except VideoError:
            pass
        finally:
            video.close()


@pytest.mark.parametrize(("box", "place"), [(b"stts", 8), (b"ctts", 8), (b"stsz", 8)])
def test_an_announced_number_of_packets_takes_no_memory(
    box: bytes, place: int, tmp_path: Path
) -> None:
    path = Path(write_video(tmp_path / "v.mp4", FRAMES, gop=9))
    content = bytearray(path.read_bytes())
    start = content.index(box) + 4
    struct.pack_into(">I", content, start + place, 2**28 + 1)
    path.write_bytes(content)
    try:
        video = VideoFile(str(path))
    except VideoError:
        return
    tracemalloc.start()
    assert indexed_packets(video) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    video.close()
    assert most < 10 * 2**20


def test_a_cut_off_file_is_refused_by_its_index(tmp_path: Path) -> None:
    path = Path(
        write_video(
            tmp_path / "v.mp4", FRAMES, container_options={"movflags": "faststart"}
        )
    )
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VideoError, match=r"it ends after 39 of 40 frames\.$"):
        PyAVReader(str(path))


def test_an_edit_list_that_leaves_frames_out_is_left_to_the_packets(
    tmp_path: Path,
) -> None:
    path = Path(write_video(tmp_path / "v.mp4", FRAMES, gop=9))
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 12
    (scale,) = struct.unpack_from(">I", content, content.index(b"mvhd") + 16)
    struct.pack_into(">I", content, place, 20 * scale // 30)
    path.write_bytes(content)
    video = VideoFile(str(path))
    assert indexed_packets(video) is None
    video.close()
    with av.open(str(path)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    with PyAVReader(str(path)) as reader:
        assert len(reader.times) == shown < 40
