"""Orientation as Pillow's `ImageOps.exif_transpose` sees it."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import (
    FrameFolderReader,
    Framing,
    RecordReader,
    VideoList,
    write_video_records,
)
from keras_nonlocal.data.readers.exif import exif_orientation, upright
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from tests.data.pictures import (
    EXIF_SIGNATURE,
    as_pillow_shows_it,
    exif,
    jpeg,
    png,
    segment,
    with_exif,
    with_segments,
)
from tests.data.videos import moving_pictures

MAKE = struct.pack(">HHLL", 0x010F, 2, 4, 0)


def pillow_orientation(data: bytes) -> int:
    image = pytest.importorskip("PIL.Image")
    found = image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found.load(EXIF_SIGNATURE + data)
        except (SyntaxError, struct.error):
            return 1
        value = found.get(0x0112, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def random_exif(rng: np.random.Generator) -> bytes:
    """Mostly damaged: wrong types, counts, offsets, orders and ends."""
    order = str(rng.choice(["<", ">"]))
    heads = {"<": [b"II*\0", b"II\0*"], ">": [b"MM\0*", b"MM*\0"]}[order]
    entries = b""
    num_entries = int(rng.integers(0, 6))
    for _ in range(num_entries):
        tag = int(rng.choice([0x0112, 0x0112, 0x010F, 0x0110, 0x011A, 0x0131]))
        # In Pillow, fractions and text are numbers as well.
        kinds = [0, 3, 4, 6, 8, 9, 13] if tag == 0x0112 else [*range(15)]
        kind = 3 if rng.random() < 0.4 else int(rng.choice(kinds))
        count = 1 if rng.random() < 0.6 else int(rng.integers(0, 8))
        if rng.random() < 0.6:
            value = struct.pack(f"{order}H2x", int(rng.integers(0, 10)))
        else:
            value = struct.pack(f"{order}L", int(rng.integers(0, 90)))
        entries += struct.pack(f"{order}HHL", tag, kind, count) + value
    place = 8 if rng.random() < 0.8 else int(rng.integers(0, 60))
    told = num_entries if rng.random() < 0.9 else int(rng.integers(0, 9))
    data = bytes(rng.choice(heads)).ljust(4, b"\0") + struct.pack(f"{order}L", place)
    data += bytes(max(place - 8, 0)) + struct.pack(f"{order}H", told) + entries
    data += rng.integers(0, 9, rng.integers(0, 40), np.uint8).tobytes()
    is_cut = rng.random() < 0.3
    return data[: rng.integers(0, len(data) + 1)] if is_cut else data


def test_damaged_exif_is_read_as_pillow_reads_it(rng: np.random.Generator) -> None:
    pytest.importorskip("PIL", "13", reason="Pillow 12 reads some differently")
    many = [random_exif(rng) for _ in range(3000)]
    found = [exif_orientation(data) for data in many]
    assert found == [pillow_orientation(data) for data in many]
    assert {*found} == {*range(1, 9)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_pictures_are_upright(
    orientation: int, kind: str, rng: np.random.Generator
) -> None:
    (pixels,) = moving_pictures(1, 40, 64)
    stored = png(pixels) if kind == "png" else jpeg(pixels, subsampling=0, quality=95)
    order = str(rng.choice(["<", ">"]))
    content = with_exif(stored, exif(orientation, order, int(rng.choice([3, 4]))))
    expected = as_pillow_shows_it(content).astype(int)
    framing = Framing(40, None)
    found = PicturesReader("v", [content], 25).read(np.array([0]), framing)[0, 0]
    assert found.shape == expected.shape == ((40, 64, 3), (64, 40, 3))[orientation > 4]
    assert np.abs(found - expected).mean() < (0.1 if kind == "png" else 2)
    np.testing.assert_array_equal(upright(pixels, orientation).shape, expected.shape)


@pytest.mark.parametrize("orientation", [2, 5, 6, 8])
def test_crops_are_those_of_the_upright_picture(orientation: int) -> None:
    (pixels,) = moving_pictures(1, 48, 90)
    content = with_exif(png(pixels), exif(orientation, ">"))
    framing = Framing(32, (50, 28), ((0.5, 0.0), (0.5, 1.0)), flip=True)
    turned = png(as_pillow_shows_it(content))
    pictures = PicturesReader("v", [content, turned], 25).read(np.arange(2), framing)
    assert np.abs(np.diff(pictures.astype(int), axis=0)).mean() < 1


def test_exif_lies_anywhere_before_the_scan() -> None:
    (pixels,) = moving_pictures(1, 40, 64)
    whole = jpeg(pixels)
    data = EXIF_SIGNATURE + exif(5, ">", 3, MAKE)
    halves = [EXIF_SIGNATURE + data[6:30], EXIF_SIGNATURE + data[30:]]
    app0, xmp = segment(0xE0, b"JFXX\0\x10"), segment(0xE1, b"http://ns.adobe.com/\0")
    inside = segment(0xE2, b"\xff\xe1" + segment(0xE1, EXIF_SIGNATURE + exif(3)))
    for segments in (
        [app0, xmp, segment(0xFE, b"\xff\xd9"), segment(0xE1, data)],
        [segment(0xE1, half) for half in halves],
        [inside, b"\xff\xff\xff" + segment(0xE1, data)],
    ):
        content = with_segments(whole, *segments)
        found = PicturesReader("v", [content], 25).read(
            np.array([0]), Framing(40, None)
        )
        expected = as_pillow_shows_it(content)
        assert found.shape[2:] == expected.shape == (64, 40, 3)


@pytest.mark.parametrize("orientation", [4, 7])
def test_records_are_written_upright(orientation: int, tmp_path: Path) -> None:
    folder = tmp_path / "video"
    folder.mkdir()
    (pixels,) = moving_pictures(1, 40, 64)
    content = with_exif(jpeg(pixels, quality=95), exif(orientation))
    (folder / "1.jpg").write_bytes(content)
    written = write_video_records(
        VideoList((str(folder),)),
        tmp_path / "records",
        quality=2,
        open_video=FrameFolderReader,
        verbose=False,
    )
    framing = Framing(40, None)
    with FrameFolderReader(str(folder)) as source:
        expected = source.read(np.array([0]), framing).astype(int)
    with RecordReader(written.paths[0]) as record:
        found = record.read(np.array([0]), framing)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 6
