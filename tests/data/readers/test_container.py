"""A path is a path, whatever FFmpeg would make of it, and leads to one file."""

import os
import resource
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader, VideoError
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(6, 48, 64)
FRAMING = Framing(48, None)


@pytest.mark.parametrize(
    "name",
    [
        *("12:30 clip.mp4", "pipe:0", "concat:a.mp4|b.mp4", "seq%03d.jpg", "-"),
        *("http:clip.mp4", "data:video.mkv", "file:v.mp4", "100%.mp4", "crypto:v"),
    ],
)
def test_any_name_is_the_name_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video("whole.mkv", FRAMES, codec="ffv1", pix_fmt="bgr0")
    os.rename("whole.mkv", name)
    with PyAVReader(name) as video:
        np.testing.assert_array_equal(video.read(np.arange(6), FRAMING)[:, 0], FRAMES)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{name}\n#EXT-X-ENDLIST\n"
REFERENCES = {
    "list.m3u8": PLAYLIST,
    "list.mp4": PLAYLIST,
    "list.ffconcat": "ffconcat version 1.0\nfile {name}\n",
    "list.mkv": "ffconcat version 1.0\nfile {name}\n",
    "stream.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
    "<Period><AdaptationSet><Representation><BaseURL>{name}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("name", REFERENCES)
def test_files_that_refer_to_others_are_refused(name: str, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", FRAMES)
    path = tmp_path / name
    path.write_text(REFERENCES[name].format(name=Path(whole).name))
    with pytest.raises(VideoError, match=r"none of the containers|Invalid data"):
        PyAVReader(str(path))


def write_streams(path: Path, *streams: tuple[np.ndarray, bool]) -> str:
    """Writes streams of pictures; each says whether it is the default."""
    default = av.stream.Disposition.default
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as container:
        tracks = []
        for frames, is_default in streams:
            track = container.add_stream("ffv1", rate=25)
            track.height, track.width = frames.shape[1:3]
            track.pix_fmt = "bgr0"
            track.disposition = default if is_default else av.stream.Disposition(0)
            tracks.append(track)
        for track, (frames, _) in zip(tracks, streams, strict=True):
            for frame in frames:
                container.mux(track.encode(av.VideoFrame.from_ndarray(frame)))
            container.mux(track.encode(None))
    return str(path)


SMALL, LARGE = moving_pictures(5, 24, 32, seed=1), moving_pictures(5, 48, 64, seed=2)


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        (((SMALL, False), (LARGE, False)), LARGE),
        (((SMALL, True), (LARGE, False)), SMALL),
        (((LARGE, False), (SMALL, True)), SMALL),
        (((LARGE, True), (SMALL, True)), LARGE),
    ],
)
def test_the_stream_is_the_one_that_a_player_shows(
    streams: Any, expected: np.ndarray, tmp_path: Path
) -> None:
    path = write_streams(tmp_path / "v.mkv", *streams)
    framing = Framing(expected.shape[1], None)
    with PyAVReader(path) as video:
        np.testing.assert_array_equal(video.read(np.arange(5), framing)[:, 0], expected)
    for number, (frames, _) in enumerate(streams):
        open_video = partial(PyAVReader, video_stream=number)
        with open_video(path) as video:
            got = video.read(np.arange(5), Framing(frames.shape[1], None))[:, 0]
        np.testing.assert_array_equal(got, frames)


def test_a_stream_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", FRAMES)
    message = r"it has 1 video streams, none is number 1\.$"
    with pytest.raises(VideoError, match=message):
        PyAVReader(path, video_stream=1)
    with pytest.raises(ValueError, match=r"Received: video_stream=-1"):
        PyAVReader(path, video_stream=-1)


def test_enormous_pictures_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = Path(write_video(tmp_path / "v.gif", FRAMES, codec="gif", pix_fmt="rgb8"))
    content = bytearray(path.read_bytes())
    content[6:10] = b"\xff" * 4
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VideoError, match=r"65535|Invalid|no frames"):
        PyAVReader(str(path))
    # In KiB. The pictures would take 4 GiB each.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
