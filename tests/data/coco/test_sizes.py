"""Sizes of scaled pictures, against torchvision's rule, and buckets."""

import math
from fractions import Fraction

import numpy as np
import pytest

from keras_nonlocal.data.coco.sizes import Sizing, bucket_numbers


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        # As torchvision 0.29 scales them.
        ((480, 640), (800, 1066)),
        ((640, 427), (1199, 800)),
        ((375, 500), (800, 1066)),
        ((100, 1000), (133, 1333)),
        ((1, 5000), (1, 1333)),
        ((800, 800), (800, 800)),
    ],
)
def test_sizes_of_the_usual_pictures(size, scaled):
    assert Sizing().scaled(size, 800) == scaled


def test_sizes_are_those_of_exact_arithmetic_or_one_less(rng):
    for size in rng.integers(1, 3000, (500, 2)).tolist():
        short, long = (int(side) for side in rng.integers(32, 1400, 2))
        sizing = Sizing(short, long)
        scale = min(Fraction(short, min(size)), Fraction(long, max(size)))
        for side, found in zip(size, sizing.scaled(tuple(size), short), strict=True):
            exact = side * scale
            # torchvision floors a rounded product, which may fall below a whole number.
            assert max(math.floor(exact) - (exact.denominator == 1), 1) <= found
            assert found <= max(math.floor(exact), 1)


@pytest.mark.slow
def test_sizes_are_those_of_torch(rng):
    torch = pytest.importorskip("torch")
    for size in rng.integers(20, 900, (300, 2)).tolist():
        short, long = (int(side) for side in rng.integers(32, 1400, 2))
        scale = min(short / min(size), long / max(size))
        if min(size) * scale < 1:
            continue
        picture = torch.zeros((1, 1, *size), device="meta")
        scaled = torch.nn.functional.interpolate(
            picture, scale_factor=scale, mode="bilinear", recompute_scale_factor=True
        )
        assert Sizing(short, long).scaled(tuple(size), short) == scaled.shape[2:]


def test_default_buckets_hold_every_picture_and_waste_little(rng):
    sizing = Sizing((640, 800), 1333)
    assert sizing.shapes == ((800, 1088), (1088, 800), (800, 1344), (1344, 800))
    assert sizing.bucket((480, 640)) == 0
    assert sizing.bucket((640, 427)) == 3
    for size in rng.integers(1, 2000, (500, 2)).tolist():
        bucket = sizing.shapes[sizing.bucket(tuple(size))]
        for short_side in (640, 717, 800):
            scaled = sizing.scaled(tuple(size), short_side)
            assert np.all(np.array(scaled) <= bucket)


def test_square_limits_have_one_bucket():
    assert Sizing(64, 64).shapes == ((64, 64),)
    assert Sizing(100, 50).shapes == ((64, 64),)


def test_given_buckets():
    sizing = Sizing(64, 96, [(96, 96), (64, 96), (96, 96)])
    assert sizing.shapes == ((64, 96), (96, 96))
    numbers = bucket_numbers(sizing, [(10, 12), (12, 10), (10, 12)])
    assert numbers.tolist() == [0, 1, 0]


def test_what_fits_in_no_bucket_is_scaled_down():
    sizing = Sizing((48, 64), 96, [(64, 96), (32, 128)])
    assert bucket_numbers(sizing, [(10, 12), (12, 10)]).tolist() == [1, 1]
    assert sizing.in_bucket((10, 12), 64) == (64, 76)
    # 76 rows at the larger side, and 57 at the smaller.
    assert sizing.in_bucket((12, 10), 64) == (64, 53)
    assert sizing.in_bucket((12, 10), 48) == (57, 48)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((90, 80),), "must begin with the smaller"),
        ((0,), "`short_side` must be a positive integer"),
        ((64, 0), "`long_side` must be a positive integer"),
        ((64, 96, [(50, 64)]), "divisible by 32. Received"),
        ((64, 96, []), "divisible by 32. Received"),
    ],
)
def test_sizes_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sizing(*arguments)
