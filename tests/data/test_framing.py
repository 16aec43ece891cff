import numpy as np
import pytest

from keras_nonlocal.data import Framing, FramingSampler


def test_scaled_size_keeps_the_aspect_ratio() -> None:
    framing = Framing(short_side=256, crop_size=(224, 224))
    assert framing.scaled_size(720, 1280) == (256, 455)
    assert framing.scaled_size(1280, 720) == (455, 256)
    assert framing.scaled_size(1, 1) == (256, 256)


def test_cut_takes_crops_along_the_longer_side() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (10, 21, 3), np.uint8)
    framing = Framing(10, (8, 9), anchors=((0.5, 0.0), (0.5, 0.5), (0.5, 1.0)))
    crops = framing.cut(wide)
    for crop, left in zip(crops, (0, 6, 12), strict=True):
        np.testing.assert_array_equal(crop, wide[1:9, left : left + 9])
    tall = wide.transpose(1, 0, 2)
    crops = Framing(10, (9, 8), anchors=framing.anchors).cut(tall)
    for crop, top in zip(crops, (0, 6, 12), strict=True):
        np.testing.assert_array_equal(crop, tall[top : top + 9, 1:9])


def test_flip_mirrors_left_and_right() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    crops = Framing(4, (4, 4), flip=True).cut(picture)
    np.testing.assert_array_equal(crops[0], picture[:, ::-1])


def test_default_scales_are_those_of_kinetics() -> None:
    sampler = FramingSampler(224, horizontal_flip=True)
    rng = np.random.default_rng(0)
    framings = [sampler.framing(rng) for _ in range(2000)]
    sides = {framing.short_side for framing in framings}
    assert (min(sides), max(sides)) == (256, 320)
    assert 0.45 < np.mean([framing.flip for framing in framings]) < 0.55
    places = np.array([framing.anchors[0] for framing in framings])
    np.testing.assert_allclose(places.mean(axis=0), 0.5, atol=0.05)
    assert sampler.framing() == Framing(256, (224, 224))


def test_every_position_of_a_random_crop_is_equally_likely(
    rng: np.random.Generator,
) -> None:
    sampler = FramingSampler((8, 9), short_side=10)
    # Each pixel holds its row and its column.
    picture = np.stack(np.indices((10, 15)), axis=-1)
    num_draws = 6000
    counts = np.zeros((3, 7))
    for _ in range(num_draws):
        top, left = sampler.framing(rng).cut(picture[..., [0, 1, 1]])[0, 0, 0, :2]
        counts[top, left] += 1
    expected = num_draws / counts.size
    statistic = ((counts - expected) ** 2 / expected).sum()
    # 20 degrees of freedom: a fair draw exceeds 84 once in a billion times. Ends that
    # are half as likely give over 500.
    assert statistic < 84


def test_the_whole_picture_is_a_random_crop_too() -> None:
    picture = np.zeros((8, 9, 3), np.uint8)
    framing = FramingSampler((8, 9), short_side=9).framing(np.random.default_rng())
    assert framing.cut(picture).shape == (1, 8, 9, 3)


def test_three_crops_are_not_random() -> None:
    sampler = FramingSampler(256, short_side=256, num_crops=3)
    expected = Framing(256, (256, 256), ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0)))
    assert sampler.framing(np.random.default_rng(0)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crop_size": 0}, "`crop_size` must be a positive integer. .*crop_size=0"),
        ({"crop_size": (3, 4, 5)}, r"`\(height, width\)`. .*crop_size=\(3, 4, 5\)"),
        ({"short_side": 100}, "not smaller than the crop .*short_side=100"),
        ({"short_side": (300, 256)}, r"ascending pair .*short_side=\(300, 256\)"),
        ({"num_crops": 2}, "`num_crops` must be one of .*num_crops=2"),
    ],
)
def test_bad_values(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FramingSampler(**({"crop_size": 224} | arguments))
