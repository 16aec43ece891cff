"""Pictures decoded in the graph against the pipeline that reads video files."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal.data import Framing
from keras_nonlocal.data.frames import PicturesReader
from keras_nonlocal.export.encoded_frames import decode_views
from tests.data.videos import moving_pictures

THREE = ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0))


def both(pictures, framing):
    """Views `(crops, frames, height, width, 3)` of the graph and of the pipeline."""
    found = decode_views(tf.constant([pictures]), framing).numpy()[0]
    reader = PicturesReader("pictures", pictures, 30)
    expected = reader.read(np.arange(len(pictures)), framing).swapaxes(0, 1)
    return found, expected


def png(frames):
    return [tf.io.encode_png(frame).numpy() for frame in frames]


def smooth_pictures(num_frames, height, width):
    """Colours that change slowly, as they mostly do in films."""
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
    pictures = png(moving_pictures(3, *size))
    found, expected = both(pictures, Framing(min(size), crop, THREE))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (3, 3, *crop, 3)


def test_scaled_sizes_are_equal():
    rng = np.random.default_rng(1)
    for height, width, short_side in rng.integers(8, 90, (40, 3)).tolist():
        framing = Framing(short_side, None)
        picture = tf.io.encode_png(np.zeros((height, width, 3), np.uint8))
        found = decode_views(picture[tf.newaxis, tf.newaxis], framing)
        assert found.shape[3:5] == framing.scaled_size(height, width)


def test_a_flat_picture_is_not_smaller_than_its_crop():
    pictures = png(moving_pictures(1, 9, 90))
    found, expected = both(pictures, Framing(16, (20, 20)))
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
    pictures = [
        tf.io.encode_jpeg(
            frame, quality=90, chroma_downsampling=chroma_downsampling
        ).numpy()
        for frame in smooth_pictures(2, 100, 140)
    ]
    found, expected = both(pictures, Framing(short_side, (56, 56), THREE))
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.mean() < mean
    assert expected.std() > 50


def test_grey_pictures_become_rgb():
    grey = moving_pictures(1, 40, 40)[..., :1]
    found, expected = both(png(grey), Framing(40, (32, 32)))
    np.testing.assert_array_equal(found, expected)
    assert np.ptp(found, axis=-1).max() == 0


def test_many_clips_keep_their_places():
    frames = moving_pictures(6, 32, 32)
    pictures = np.array(png(frames)).reshape(2, 3)
    found = decode_views(tf.constant(pictures), Framing(32, (32, 32))).numpy()
    np.testing.assert_array_equal(found[:, 0], frames.reshape(2, 3, 32, 32, 3))
