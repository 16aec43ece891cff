"""HEVC streams with temporal layers, as cameras of phones record them."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.data.readers import decoding
from keras_nonlocal.data.readers.hevc_header import num_temporal_layers
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(60, 64, 96)
PARAMETERS = "log-level=none:pools=none:bframes=7:b-adapt=0:keyint=24"
# A picture of a higher layer, to which pictures of its layer refer or not.
REFERRED_IN_LAYER, NOT_REFERRED_IN_LAYER = 3, 2


def written(path: Path, num_layers: int, **rest: Any) -> str:
    layers = f":temporal-layers={num_layers}" if num_layers > 1 else ""
    options = {"x265-params": PARAMETERS + layers}
    return write_video(path, FRAMES, codec="libx265", gop=24, options=options, **rest)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_are_counted(name: str, num_layers: int, tmp_path: Path) -> None:
    with av.open(written(tmp_path / name, num_layers)) as container:
        header = container.streams.video[0].codec_context.extradata
    assert num_temporal_layers(header) == num_layers
    for size in range(len(header)):
        assert num_temporal_layers(header[:size]) in (None, num_layers)


class CountedBytes(bytes):
    """Bytes that count how often they are looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        CountedBytes.looks += 1
        return super().__getitem__(place)


def test_announced_units_that_are_not_there_cost_nothing() -> None:
    header = CountedBytes(b"\1" + bytes(21) + b"\xff" + b"\x20\xff\xff" * 2)
    assert num_temporal_layers(header) is None
    assert CountedBytes.looks < 100


def test_pictures_of_lower_layers_are_not_skipped(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "v.mp4", 3))
    path.write_bytes(without_marks(path))
    framing = Framing(64, (64, 64))
    with PyAVReader(str(path)) as video:
        whole = video.read(np.arange(60), framing)
        for i in range(60):
            np.testing.assert_array_equal(
                video.read(np.array([i]), framing)[0], whole[i]
            )


def test_a_wrong_header_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(written(tmp_path / "v.mp4", 3))
    path.write_bytes(without_marks(path))
    framing = Framing(64, (64, 64))
    with PyAVReader(str(path)) as video:
        whole = video.read(np.arange(60), framing)
        monkeypatch.setattr(decoding, "num_temporal_layers", lambda header: 1)
        for indices in (np.array([13]), np.array([30, 33, 41])):
            np.testing.assert_array_equal(video.read(indices, framing), whole[indices])


def without_marks(path: Path) -> bytes:
    """Returns a file whose second layer holds pictures that only the third needs."""
    content = bytearray(path.read_bytes())
    changed = 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            place = 0 if packet.pos is None else packet.pos
            end = place + packet.size
            while place < end:
                size = int.from_bytes(content[place : place + 4], "big")
                if content[place + 4] >> 1 == REFERRED_IN_LAYER:
                    content[place + 4] = NOT_REFERRED_IN_LAYER << 1
                    changed += 1
                place += 4 + size
    assert changed
    return bytes(content)
