"""A clip costs what lies around it, wherever it lies and whatever the container."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.data.readers import seeking
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.seeking import SeekError, packets_from
from tests.data.videos import moving_pictures, write_video

NUM_FRAMES, GOP = 400, 20
FRAMES = moving_pictures(NUM_FRAMES, 32, 48)
FRAMING = Framing(32, (32, 32))
KINDS: dict[str, dict[str, Any]] = {
    "v.mp4": {"options": {"bf": "2"}},
    "v.mkv": {"options": {"bf": "2"}},
    "v.ts": {"options": {"bf": "2"}},
    "v.flv": {"options": {"bf": "2"}},
    "v.avi": {"codec": "mpeg4", "options": {"bf": "0"}},
    "b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "several_in_a_pack.mpg": {"options": {"bf": "2"}},
    "mpeg4.ts": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
}


@pytest.mark.parametrize("name", KINDS)
def test_few_packets_are_decoded_for_a_late_clip(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / name, FRAMES, gop=GOP, **KINDS[name])
    decoded, opened = [], []
    numbered = seeking._numbered
    start = VideoFile._start

    def counted(video: Any, timeline: Any) -> Any:
        for number, packet in numbered(video, timeline):
            decoded.append(number)
            yield number, packet

    def opening(video: VideoFile) -> None:
        opened.append(video.path)
        start(video)

    with PyAVReader(path) as video:
        whole = video.read(np.arange(NUM_FRAMES), FRAMING)
        monkeypatch.setattr(seeking, "_numbered", counted)
        monkeypatch.setattr(VideoFile, "_start", opening)
        for first in (NUM_FRAMES - 30, NUM_FRAMES // 2 + 3, 5):
            indices = first + 2 * np.arange(4)
            decoded.clear()
            got = video.read(indices, FRAMING)
            np.testing.assert_array_equal(got, whole[indices])
            # At most the GOP before, that of the clip, and what a decoder holds back.
            assert 0 < len(decoded) <= 3 * GOP
            assert not opened


def test_a_landing_behind_the_wanted_packet_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mkv", FRAMES[:100], gop=GOP)
    seek = VideoFile.seek
    targets = []

    def late(video: VideoFile, timestamp: int) -> None:
        targets.append(timestamp)
        # 45 frames behind the place that was asked for.
        seek(video, timestamp + 1500)

    with PyAVReader(path) as video:
        expected = video.read(np.arange(100), FRAMING)
        monkeypatch.setattr(VideoFile, "seek", late)
        got = video.read(np.arange(50, 60), FRAMING)
    np.testing.assert_array_equal(got, expected[50:60])
    assert len(targets) > 3
    assert targets[0] > targets[1] > targets[2]


def test_there_is_no_way_to_packets_of_another_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", FRAMES[:60], gop=GOP)
    other = write_video(tmp_path / "w.mkv", FRAMES[60:120], gop=GOP)
    with PyAVReader(path) as video:
        timeline = video._timeline
    file = VideoFile(other)
    with pytest.raises(SeekError):
        next(packets_from(file, timeline, 1))
    file.close()
