"""What must hold exactly for every network of the family."""

import keras
import numpy as np
import pytest

from tests.models.test_video import clips, evaluate, randomize, small


@pytest.mark.parametrize("nonlocal_blocks", [0, 5])
@pytest.mark.parametrize("variant", ["c2d", "i3d"])
def test_only_i3d_sees_the_arrow_of_time(variant, nonlocal_blocks):
    model = small(variant, nonlocal_blocks=nonlocal_blocks, input_shape=(8, 32, 32, 3))
    randomize(model)
    features = keras.Model(model.input, model.get_layer("avg_pool").output)
    x = clips(shape=(8, 32, 32, 3))
    forward, backward = evaluate(features, x), evaluate(features, x[:, ::-1])
    difference = np.abs(forward - backward).max() / np.abs(forward).max()
    if variant == "c2d":
        assert difference < 1e-5
    else:
        assert difference > 1e-3


@pytest.mark.parametrize("mode", ["embedded_gaussian", "dot_product"])
def test_constant_clips_look_the_same_away_from_the_borders(mode):
    model = small(
        "i3d",
        include_top=False,
        input_shape=(None, None, None, 3),
        nonlocal_blocks=0,
        nonlocal_mode=mode,
    )
    randomize(model)
    stage = keras.Model(model.input, model.get_layer("conv3_block4_out").output)

    def middle(frames, side):
        features = evaluate(stage, np.full((1, frames, side, side, 3), 0.7, "float32"))
        center = [size // 2 for size in features.shape[1:4]]
        return features[0, center[0], center[1], center[2]]

    expected = middle(48, 160)
    np.testing.assert_allclose(middle(40, 160), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(middle(48, 128), expected, rtol=1e-4, atol=1e-6)


def test_blocks_on_a_constant_map_add_a_constant():
    """Softmax weights of equal positions are equal, however many there are."""
    model = small("c2d", include_top=False, input_shape=(None, None, None, 3))
    randomize(model)
    block = model.get_layer("conv3_block2_nl")
    feature = np.random.default_rng(0).normal(size=32).astype("float32")
    small_map = np.tile(feature, (1, 2, 4, 4, 1))
    large_map = np.tile(feature, (1, 4, 6, 8, 1))
    expected = evaluate(block, small_map)[0, 0, 0, 0]
    found = evaluate(block, large_map).reshape(-1, 32)
    np.testing.assert_allclose(found, np.tile(expected, (len(found), 1)), rtol=1e-4)


@pytest.mark.parametrize("window", [(2, 1, 1), (1, 1, 1), (None, 1, None)])
def test_score_map_is_averaged_after_the_softmax(window):
    shape = (4, 64, 96, 3)
    plain = small(input_shape=shape)
    randomize(plain)
    mapped = small(input_shape=shape, score_window=window)
    mapped.set_weights(plain.get_weights())
    features = evaluate(
        keras.Model(plain.input, plain.get_layer("conv5_block3_out").output),
        clips(shape=shape),
    )
    kernel, bias = plain.get_layer("predictions").get_weights()
    extents = [
        extent or available
        for extent, available in zip(window, features.shape[1:4], strict=True)
    ]
    windows = np.lib.stride_tricks.sliding_window_view(features, extents, (1, 2, 3))
    logits = windows.mean(axis=(-3, -2, -1)) @ kernel + bias
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        evaluate(mapped, clips(shape=shape)),
        scores.mean(axis=(1, 2, 3)),
        rtol=1e-3,
        atol=1e-6,
    )


def test_score_window_of_the_whole_map_is_the_plain_head():
    plain, mapped = small(), small(score_window=(2, 1, 1))
    randomize(plain)
    mapped.set_weights(plain.get_weights())
    np.testing.assert_allclose(
        evaluate(mapped, clips()), evaluate(plain, clips()), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((2, 1), "must have 3 entries"),
        ((0, 1, 1), "positive integers"),
        ((3, 1, 1), "not be larger"),
    ],
)
def test_wrong_score_windows(window, message):
    with pytest.raises(ValueError, match=message):
        small(score_window=window)


def test_unknown_sizes_need_a_window_of_known_size():
    with pytest.raises(ValueError, match="only along an axis of known size"):
        small(input_shape=(None, 32, 32, 3), score_window=(None, 1, 1))


def test_freezing_layers_by_name():
    model = small()
    for layer in model.layers:
        layer.trainable = not layer.name.startswith(("conv1", "conv2"))
    frozen = {weight.path.split("/")[0] for weight in model.non_trainable_weights}
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert "conv2_block1_1_conv" in frozen - trained
    assert "conv3_block2_nl" in trained


def test_channels_first_gives_the_same_scores():
    last = small()
    randomize(last)
    keras.config.set_image_data_format("channels_first")
    try:
        first = small(input_shape=(3, 4, 32, 32))
        first.set_weights(last.get_weights())
        if keras.backend.backend() == "tensorflow":
            pytest.skip("TensorFlow has no channels-first convolutions on CPUs")
        scores = evaluate(first, np.moveaxis(clips(), -1, 1))
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(scores, evaluate(last, clips()), rtol=1e-3, atol=1e-6)
