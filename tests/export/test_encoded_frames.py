"""Pictures decoded in the graph against the pipeline that reads video files."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal.data import Framing, VideoError
from keras_nonlocal.data.readers.exif import exif_orientation
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.export.encoded_frames import decode_views
from keras_nonlocal.export.exif import exif_orientation as exif_in_graph
from tests.data import pictures
from tests.data.pictures import (
    exif,
    jpeg,
    jpeg_that_announces,
    png_that_announces,
    segment,
    with_exif,
    with_segments,
)
from tests.data.readers.test_exif import random_exif
from tests.data.videos import moving_pictures

THREE = ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0))


@functools.cache
def decoder(framing):
    """`decode_views` in a graph, where it is many times as fast as without."""
    spec = tf.TensorSpec((None, None), tf.string)
    return tf.function(
        lambda frames: decode_views(frames, framing), [spec], autograph=False
    )


def both(contents, framing):
    """Views `(crops, frames, height, width, 3)` of the graph and of the pipeline."""
    found, status = decoder(framing)(tf.constant([contents]))
    assert {*status.numpy().ravel()} == {b"ok"}
    found = found.numpy()[0]
    reader = PicturesReader("pictures", contents, 30)
    expected = reader.read(np.arange(len(contents)), framing).swapaxes(0, 1)
    return found, expected


def png(frames):
    return [tf.io.encode_png(frame).numpy() for frame in frames]


def smooth_pictures(num_frames, height, width):
    """Colors that change slowly, as they mostly do in films."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(0.01, 0.05, (num_frames, 3, 2))
    frames = [
        np.stack([np.sin(a * y + b * x) for a, b in channels], axis=-1)
        for channels in waves
    ]
    return (127.5 + 120 * np.stack(frames)).astype(np.uint8)


@pytest.mark.parametrize("size", [(41, 60), (60, 41), (40, 40), (32, 75)])
@pytest.mark.parametrize("crop", [(32, 32), (24, 30)])
def test_unscaled_crops_are_equal(size, crop):
    contents = png(moving_pictures(3, *size))
    found, expected = both(contents, Framing(min(size), crop, THREE))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (3, 3, *crop, 3)


def test_scaled_sizes_are_equal(rng):
    for short_side in rng.integers(8, 90, 5).tolist():
        framing = Framing(short_side, None)
        decode = decoder(framing)
        for height, width in rng.integers(8, 90, (8, 2)).tolist():
            picture = tf.io.encode_png(np.zeros((height, width, 3), np.uint8))
            found = decode(picture[tf.newaxis, tf.newaxis]).pixels
            assert found.shape[3:5] == framing.scaled_size(height, width)


def test_a_flat_picture_is_not_smaller_than_its_crop():
    contents = png(moving_pictures(1, 9, 90))
    found, expected = both(contents, Framing(16, (20, 20)))
    assert found.shape == expected.shape == (1, 1, 20, 20, 3)


@pytest.mark.parametrize(
    ("size", "short_side"), [((240, 320), 256), ((100, 75), 64), ((480, 640), 256)]
)
def test_scaled_pixels_differ_by_rounding(size, short_side):
    crop = (short_side * 7 // 8,) * 2
    found, expected = both(png(smooth_pictures(2, *size)), Framing(short_side, crop))
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 2
    assert difference.mean() < 0.3


@pytest.mark.parametrize(("chroma_downsampling", "mean"), [(False, 0.3), (True, 2)])
@pytest.mark.parametrize("short_side", [64, 100, 120])
def test_jpeg_pixels_differ_by_the_decoders(chroma_downsampling, mean, short_side):
    contents = [
        tf.io.encode_jpeg(
            frame, quality=90, chroma_downsampling=chroma_downsampling
        ).numpy()
        for frame in smooth_pictures(2, 100, 140)
    ]
    found, expected = both(contents, Framing(short_side, (56, 56), THREE))
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.mean() < mean
    assert expected.std() > 50


def test_gray_pictures_become_rgb():
    gray = moving_pictures(1, 40, 40)[..., :1]
    found, expected = both(png(gray), Framing(40, (32, 32)))
    np.testing.assert_array_equal(found, expected)
    assert np.ptp(found, axis=-1).max() == 0


def test_many_clips_keep_their_places():
    frames = moving_pictures(6, 32, 32)
    contents = np.array(png(frames)).reshape(2, 3)
    found = decoder(Framing(32, (32, 32)))(tf.constant(contents)).pixels.numpy()
    np.testing.assert_array_equal(found[:, 0], frames.reshape(2, 3, 32, 32, 3))


@pytest.mark.parametrize("framing", [Framing(32, None), Framing(32, (48, 30), THREE)])
def test_orientations_are_those_of_the_pipeline(framing, rng):
    (pixels,) = moving_pictures(1, 41, 60)
    for orientation in range(1, 9):
        order = str(rng.choice(["<", ">"]))
        data = exif(orientation, order, int(rng.choice([3, 4])))
        stored = rng.choice(
            [jpeg(pixels, quality=95, subsampling=0), pictures.png(pixels)]
        )
        picture = with_exif(bytes(stored), data)
        found, expected = both([picture], framing)
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 0.5
        assert np.ptp(found) > 100


def test_damaged_exif_is_read_as_the_pipeline_reads_it(rng):
    in_graph = tf.function(
        exif_in_graph, input_signature=[tf.TensorSpec((None,), tf.uint8)]
    )
    many = [random_exif(rng) for _ in range(400)]
    found = [int(in_graph(np.frombuffer(data, np.uint8))) for data in many]
    assert found == [exif_orientation(data) for data in many]
    assert len({*found}) > 1


def test_exif_lies_anywhere_before_the_scan():
    (pixels,) = moving_pictures(1, 40, 64)
    whole = jpeg(pixels, progressive=True)
    signature, data = b"Exif\0\0", exif(7, ">")
    contents = [
        with_segments(
            whole, segment(0xE0, b"x" * 300), segment(0xE1, signature * 2 + data)
        ),
        with_segments(
            whole,
            segment(0xE1, signature + data[:12]),
            segment(0xE2, b"\xff\xd9"),
            segment(0xE1, signature + data[12:]),
        ),
    ]
    for content in contents:
        found, expected = both([content], Framing(40, None))
        assert found.shape == expected.shape == (1, 1, 64, 40, 3)
        assert np.abs(found.astype(int) - expected).mean() < 5


def strange_pictures(rng):
    """Pictures of which the pipeline refuses most, some with other bytes behind."""
    noise = rng.integers(0, 256, (64, 80, 3), np.uint8)
    whole, other = jpeg(noise), pictures.png(noise)
    scan = whole.index(b"\xff\xda")
    cut = whole[: int(rng.integers(scan, len(whole) - 100))]
    return [
        *(whole, other, whole + b"\xff\xd8" + rng.bytes(300), other + bytes(99)),
        *(cut, cut + whole, cut + bytes(500), other[:-1], other[: len(other) // 2]),
        *(
            b"",
            b"\xff",
            b"\xff\xd8\xff",
            b"GIF89a" + bytes(99),
            whole[1:],
            b"\x89PNG\r\n\x1a\n",
        ),
        jpeg_that_announces(whole, 60000, 60000),
        jpeg_that_announces(whole, 0, 80),
        jpeg_that_announces(whole, 5000, 5000),
        png_that_announces(70000, 2000),
        png_that_announces(2**31 - 1, 2**31 - 1),
        png_that_announces(3000, 3000),
        png_that_announces(0, 9),
        pictures.png(np.zeros((3000, 1, 3), np.uint8)),
        with_segments(whole, *[segment(0xE0, b"")] * 2000),
    ]


def test_what_the_pipeline_refuses_is_refused(rng):
    contents = strange_pictures(rng)
    framing = Framing(256, (224, 224))
    found = decoder(framing)(tf.constant([contents]))
    for index, content in enumerate(contents):
        status = found.status[0, index].numpy().decode()
        try:
            reader = PicturesReader("v", [content], 30)
            expected = reader.read(np.array([0]), framing)[:, 0]
        except VideoError as error:
            reason = error.reason.removeprefix("its picture 0 ")
            reason = reason.replace("its pictures have no", "has no")
            assert status.split("(")[0] == reason.split("(")[0]
            assert not found.pixels[0, 0, index].numpy().any()
        else:
            assert status == "ok"
            difference = found.pixels[0, 0, index].numpy() - expected.astype(int)
            assert np.abs(difference).mean() < 12  # decoders enlarge colors differently


def test_whole_pictures_of_a_clip_have_one_shape():
    contents = [
        pictures.png(np.full((40, side, 3), 9, np.uint8)) for side in (50, 60, 50)
    ]
    found = decoder(Framing(40, None))(tf.constant([[b"", *contents]]))
    assert [status.decode() for status in found.status.numpy()[0]] == [
        *(
            "is neither JPEG nor PNG",
            "ok",
            "has another shape than the pictures before",
        ),
        "ok",
    ]
    assert found.pixels.shape == (1, 1, 4, 40, 50, 3)
    none = decoder(Framing(16, None))(tf.constant([[b"", b"x"]]))
    assert none.pixels.shape == (1, 1, 2, 16, 16, 3)
