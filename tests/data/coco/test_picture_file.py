"""Pictures in all the forms in which data sets store them."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_nonlocal.data.coco.picture_file import (
    ImageError,
    decode_picture,
    encoded_size,
    read_bytes,
    resize_picture,
    stored_size,
)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (20, 30, 3), np.uint8)


def test_png_pictures_keep_their_pixels(pixels):
    for mode in ("RGB", "RGBA"):
        image = Image.fromarray(pixels)
        image.putalpha(100) if mode == "RGBA" else None
        assert np.array_equal(decode_picture(encoded(image), "a", (20, 30)), pixels)


def test_gray_pictures_have_three_equal_channels(pixels):
    gray = pixels[:, :, 0]
    for content in (
        encoded(Image.fromarray(gray)),
        encoded(Image.fromarray(gray.astype(np.uint16) * 256 + 7)),
    ):
        found = decode_picture(content, "a", (20, 30))
        assert np.array_equal(found, np.repeat(gray[..., None], 3, axis=2))


def test_palette_and_cmyk_pictures():
    flat = Image.new("RGB", (30, 20), (200, 40, 90))
    for content in (
        encoded(flat.convert("P", palette=Image.Palette.ADAPTIVE)),
        encoded(flat.convert("CMYK"), "JPEG", quality=95),
        encoded(flat, "JPEG", quality=95),
    ):
        found = decode_picture(content, "a", (20, 30)).astype(int)
        # JPEG rounds colors.
        assert np.abs(found - [200, 40, 90]).max() <= 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_by_pillow(pixels, kind, orientation):
    content = encoded(Image.fromarray(pixels), kind, exif=exif(orientation))
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels),
    }[orientation]
    size = turned.shape[:2]
    assert np.array_equal(decode_picture(content, "a", size), turned)
    assert np.array_equal(decode_picture(content, "a", None), turned)


def test_annotations_of_stored_pixels_are_kept(pixels):
    content = encoded(Image.fromarray(pixels), exif=exif(6))
    assert np.array_equal(decode_picture(content, "a", (20, 30)), pixels)
    with pytest.raises(
        ImageError, match=r"'a': it has 30 × 20 pixels, and .* 8 × 9\.$"
    ):
        decode_picture(content, "a", (8, 9))


def test_sizes_without_decoding(pixels, tmp_path):
    path = tmp_path / "turned.png"
    path.write_bytes(encoded(Image.fromarray(pixels), exif=exif(8)))
    assert stored_size(str(path)) == (30, 20)
    assert encoded_size(read_bytes(str(path)), "a") == (20, 30)
    assert encoded_size(pixels, "a") == (20, 30)


def test_pictures_that_cannot_be_read(pixels, tmp_path):
    content = encoded(Image.fromarray(pixels), "JPEG")
    with pytest.raises(
        ImageError, match=r"Cannot read the picture 'b': OSError: .*trun"
    ):
        decode_picture(content[:-200], "b", (20, 30))
    with pytest.raises(
        ImageError, match="Cannot read the picture 'c': it is no picture"
    ):
        decode_picture(b"no picture", "c", (20, 30))
    with pytest.raises(ImageError, match=r"missing\.jpg': FileNotFoundError"):
        read_bytes(str(tmp_path / "missing.jpg"))
    with pytest.raises(ImageError, match=r"missing\.jpg': FileNotFoundError"):
        stored_size(str(tmp_path / "missing.jpg"))


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_pixels_of_unknown_range_are_refused(dtype):
    held = io.BytesIO()
    Image.fromarray(np.full((4, 5), 200, dtype)).save(held, "TIFF")
    with pytest.raises(ImageError, match="32 bits, and their range is not known"):
        decode_picture(held.getvalue(), "deep.tif", None)


def test_resizing_keeps_flat_pictures_and_the_mean(rng):
    flat = np.full((40, 60, 3), 77, np.uint8)
    assert (resize_picture(flat, (13, 91)) == 77).all()
    noise = rng.integers(0, 256, (64, 96, 3), np.uint8)
    # Averages of 8 × 8 pixels with a tent over twice as many.
    small = resize_picture(noise, (8, 12)).astype(float)
    assert small.shape == (8, 12, 3)
    assert abs(small.mean() - noise.mean()) < 3
    assert small.std() < noise.std() / 4
