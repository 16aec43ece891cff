"""The builders of clip networks."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import NLResNet
from keras_nonlocal.architectures import network_spec

CLIP = (4, 32, 32, 3)


def small(variant="i3d", **arguments):
    options = {"input_shape": CLIP, "classes": 5, "width": 4}
    return NLResNet(50, variant, **options | arguments)


def randomize(model, seed=0):
    """Gives every weight a value of its own, the zero gammas too."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0, 1 / np.sqrt(np.prod(weight.shape[:-1])), weight.shape)
        if weight.path.endswith(("gamma", "moving_variance")):
            value = rng.uniform(0.5, 1.0, weight.shape)
        weight.assign(value)


def evaluate(model, x):
    """Calls the model eagerly: compiling it would take longer than the test."""
    return keras.ops.convert_to_numpy(model(x, training=False))


def clips(batch=2, shape=CLIP, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype("float32")


# Million trainable parameters at 400 classes, as a FLOP counter gives them for
# PySlowFast's networks of the same configuration (the R101 blocks stand elsewhere, in
# the same stages).
REFERENCE_PARAMETERS = [
    (keras_nonlocal.ResNet50C2D, 24.328),
    (keras_nonlocal.NLResNet50C2D, 31.686),
    (keras_nonlocal.ResNet50I3D, 28.043),
    (keras_nonlocal.NLResNet50I3D, 35.402),
    (keras_nonlocal.ResNet101I3D, 51.754),
    (keras_nonlocal.NLResNet101I3D, 59.113),
]


@pytest.mark.parametrize(
    ("builder", "millions"),
    REFERENCE_PARAMETERS,
    ids=[builder.__name__ for builder, _ in REFERENCE_PARAMETERS],
)
def test_number_of_trainable_parameters(builder, millions):
    model = builder()
    assert model.input_shape == (None, 8, 224, 224, 3)
    assert model.output_shape == (None, 400)
    count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert round(count / 1e6, 3) == millions


@pytest.mark.parametrize("variant", ["c2d", "i3d", "i3d_3x3x3"])
def test_scores_are_probabilities_and_depend_on_the_clip(variant):
    model = small(variant)
    randomize(model)
    scores = evaluate(model, clips())
    np.testing.assert_allclose(scores.sum(axis=-1), 1, rtol=1e-5)
    logits_model = small(variant, classifier_activation=None)
    logits_model.set_weights(model.get_weights())
    logits = evaluate(logits_model, clips())
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3 * np.abs(logits).max()


def test_network_starts_as_its_baseline():
    with_blocks, without = small(), small(nonlocal_blocks=0)
    for layer in without.layers:
        layer.set_weights(with_blocks.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(
        evaluate(with_blocks, clips()),
        evaluate(without, clips()),
        atol=1e-6,
    )


def test_layers_are_those_of_the_specification():
    model = small(nonlocal_blocks={"res3": (0,), "res4": (1, 5)})
    spec = network_spec(
        50, "i3d", nonlocal_blocks={"res3": (0,), "res4": (1, 5)}, width=4
    )
    for stage in spec.stages:
        for block in stage.blocks:
            for number, (kernel, strides) in enumerate(
                zip(block.kernel_sizes, block.strides, strict=True), start=1
            ):
                layer = model.get_layer(f"{block.name}_{number}_conv")
                assert (layer.kernel_size, layer.strides) == (kernel, strides)
    blocks = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras_nonlocal.layers.NonLocalBlock)
    ]
    assert blocks == ["conv3_block1_nl", "conv4_block2_nl", "conv4_block6_nl"]


def test_arguments_reach_the_blocks():
    model = small(
        nonlocal_mode="dot_product",
        nonlocal_scope="space",
        nonlocal_pool_size=None,
        kernel_regularizer=keras.regularizers.L2(1e-4),
    )
    block = model.get_layer("conv4_block2_nl")
    assert (block.mode, block.scope, block.pool_size) == ("dot_product", "space", None)
    grouped = small(
        input_shape=(16, 32, 32, 3), nonlocal_temporal_group_size={"res3": 4}
    )
    assert grouped.get_layer("conv3_block2_nl").temporal_group_size == 4
    assert grouped.get_layer("conv4_block2_nl").temporal_group_size is None
    assert len(model.losses) == 53 + 1 + 5 * 4  # convolutions, classifier, blocks


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        # 64 pixels: conv1 32; pool1 16, or 15 without padding.
        ({}, [(8, 16), (4, 8), (4, 4), (4, 2)]),
        ({"stem_pool_padding": "valid"}, [(8, 15), (4, 8), (4, 4), (4, 2)]),
        ({"stem_temporal_strides": (2, 2)}, [(2, 16), (1, 8), (1, 4), (1, 2)]),
        ({"stride_in_1x1": True}, [(8, 16), (4, 8), (4, 4), (4, 2)]),
        ({"temporal_pool": False}, [(8, 16), (8, 8), (8, 4), (8, 2)]),
    ],
)
def test_sizes_of_the_stages(arguments, sizes):
    model = small(input_shape=(8, 64, 64, 3), **arguments)
    outputs = [
        f"conv{stage}_block{n}_out" for stage, n in enumerate((3, 4, 6, 3), start=2)
    ]
    found = [model.get_layer(name).output.shape[1:3] for name in outputs]
    assert found == sizes


def test_stages_can_be_cut_out():
    model = small()
    randomize(model)
    trunk = keras.Model(model.input, model.get_layer("conv3_block4_out").output)
    assert evaluate(trunk, clips()).shape == (2, 2, 4, 4, 32)


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_without_the_top(pooling):
    model = small(include_top=False, pooling=pooling, input_shape=None)
    randomize(model)
    features = evaluate(model, clips(shape=(6, 48, 40, 3)))
    map_model = small(include_top=False, input_shape=None)
    map_model.set_weights(model.get_weights())
    feature_map = evaluate(map_model, clips(shape=(6, 48, 40, 3)))
    assert feature_map.shape == (2, 3, 2, 2, 128)
    pooled = {
        None: feature_map,
        "avg": feature_map.mean(axis=(1, 2, 3)),
        "max": feature_map.max(axis=(1, 2, 3)),
    }
    np.testing.assert_allclose(features, pooled[pooling], rtol=1e-4, atol=1e-5)


def test_clips_of_any_size_give_what_fixed_sizes_give():
    anysize = small(input_shape=(None, None, None, 3))
    randomize(anysize)
    for shape in (CLIP, (6, 48, 40, 3), (5, 33, 35, 3)):
        fixed = small(input_shape=shape)
        fixed.set_weights(anysize.get_weights())
        np.testing.assert_allclose(
            evaluate(anysize, clips(shape=shape)),
            evaluate(fixed, clips(shape=shape)),
            rtol=1e-4,
            atol=1e-6,
        )


def test_input_tensor_and_name():
    pixels = keras.Input((4, 40, 40, 3))
    cropped = keras.layers.Cropping3D((0, 4, 4))(pixels)
    model = small(input_tensor=cropped, name="mine")
    assert model.name == "mine"
    assert model.input_shape == (None, 4, 40, 40, 3)
    assert small().name == "nl5_resnet50_i3d"
    assert small(nonlocal_blocks=0).name == "resnet50_i3d"


def test_pixels_with_preprocessing_equal_normalized_clips():
    plain, pixels_in = small(), small(include_preprocessing=True)
    randomize(plain)
    pixels_in.set_weights(plain.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (2, *CLIP), np.uint8)
    np.testing.assert_allclose(
        evaluate(pixels_in, pixels),
        evaluate(plain, keras_nonlocal.preprocess_input(pixels)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_preprocess_input_leaves_its_argument_alone():
    pixels = np.array([0, 114, 255], np.uint8)
    normalized = keras.ops.convert_to_numpy(keras_nonlocal.preprocess_input(pixels))
    np.testing.assert_allclose(normalized, [-2, -0.75 / 57.375, 140.25 / 57.375])
    assert pixels.tolist() == [0, 114, 255]


def test_save_and_load(tmp_path):
    model = small()
    randomize(model)
    expected = evaluate(model, clips())
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(evaluate(restored, clips()), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = small(weights=tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(evaluate(loaded, clips()), expected)


def test_mixed_precision_scores_are_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
        scores = evaluate(model, clips())
    finally:
        keras.config.set_dtype_policy("float32")
    assert scores.dtype == np.float32
    assert model.get_layer("conv3_block1_out").compute_dtype == "bfloat16"
    np.testing.assert_allclose(scores.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.slow
def test_fit_learns_a_separable_batch(shallow_networks):
    keras.utils.set_random_seed(0)
    model = small(dropout_rate=0.0, width=8)
    model.compile(
        keras.optimizers.Adam(1e-2),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    x, y = clips(8), np.arange(8) % 5
    losses = model.fit(x, y, epochs=15, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]


def test_baselines_have_no_blocks():
    model = keras_nonlocal.ResNet50C2D(input_shape=CLIP, width=4, classes=5)
    assert not any("_nl" in layer.name for layer in model.layers)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonlocal_mode'"):
        keras_nonlocal.ResNet50C2D(nonlocal_mode="gaussian")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "image"}, "Received: variant='image'"),
        ({"classes": 0}, "Received: classes=0"),
        ({"pooling": "mean"}, "Received: pooling='mean'"),
        ({"dropout_rate": 1.0}, "Received: dropout_rate=1.0"),
        ({"weights": "nowhere.h5"}, "Received: weights='nowhere.h5'"),
        ({"input_shape": (32, 32, 3)}, r"Received: input_shape=\(32, 32, 3\)"),
        ({"input_shape": (1, 32, 32, 3)}, "`num_frames` must be at least 2"),
        ({"input_shape": (8, 16, 32, 3)}, "`height` must be at least 32"),
        ({"input_shape": (8, 32, 32, None)}, "channels of the clips must be known"),
        ({"input_tensor": 1.0}, "Received: input_tensor=1.0"),
        ({"input_tensor": keras.Input((4, 4))}, "`input_tensor` must have rank 5"),
        ({"nonlocal_mode": "cosine"}, "Received: mode='cosine'"),
        ({"nonlocal_pool_size": (1, 9, 9)}, "`pool_size`"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_misspelt_option_is_an_error():
    with pytest.raises(TypeError, match="nonlocal_block"):
        keras_nonlocal.NLResNet50C2D(nonlocal_block=5)


def test_kernels_start_as_in_the_released_code():
    model = NLResNet(50, "i3d", input_shape=(2, 32, 32, 3), classes=2, width=16)
    layer = next(
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv3D) and layer.kernel.shape[-1] == 512
    )
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel))
    fan_out = np.prod(kernel.shape[:3]) * kernel.shape[-1]
    deviation = np.sqrt(2 / fan_out)
    assert kernel.std() == pytest.approx(deviation, rel=0.03)
    # A truncated distribution has nothing beyond two of its deviations, 2.28 of these.
    beyond = np.mean(np.abs(kernel) > 2.5 * deviation)
    assert beyond == pytest.approx(0.0124, rel=0.2)
