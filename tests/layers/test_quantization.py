"""Blocks whose projections Keras has quantized or given LoRA."""

import keras
import numpy as np
import pytest

from keras_nonlocal.layers.route_choice import ROUTES
from keras_nonlocal.training import ReplicatedModel
from tests.layers.gradients import as_numpy
from tests.layers.random_blocks import random_block

SHAPE = (2, 4, 3, 3, 32)
MODES = tuple(ROUTES)
# Of the largest value that the block adds: 8 bits, 4 bits, and 3 bits of a fraction.
TOLERANCES = {"int8": 0.05, "int4": 0.6, "float8": 0.3}
pytestmark = pytest.mark.filterwarnings(
    "ignore:Layer .* does not have a `quantize:UserWarning"
)


def model_of(rng, mode, model_class=keras.Model, **options):
    """A model of one block that adds values of order 1, and an input."""
    block, _ = random_block(rng, SHAPE, mode=mode, **options)
    for variable in block.trainable_variables:
        if variable.name == "kernel":
            variable.assign(as_numpy(variable.value) / variable.shape[0] ** 0.5)
    inputs = keras.Input(SHAPE[1:])
    x = np.float32(rng.normal(size=SHAPE))
    return model_class(inputs, block(inputs)), block, x


def added(model, x):
    return as_numpy(model(x)) - x


def quantize(model, how):
    # Keras gives no other block size to layers as narrow as these.
    config = (
        keras.quantizers.Int4QuantizationConfig(block_size=None)
        if how == "int4"
        else None
    )
    model.quantize(how, config=config) if config else model.quantize(how)


@pytest.mark.parametrize("how", TOLERANCES)
@pytest.mark.parametrize("mode", MODES)
def test_quantized_blocks_add_nearly_the_same(rng, mode, how):
    model, block, x = model_of(rng, mode)
    expected = added(model, x)
    before = sum(as_numpy(v.value).size * 4 for v in block.g.variables)
    quantize(model, how)
    assert block.g.quantization_mode == how
    error = np.max(np.abs(added(model, x) - expected))
    assert 0 < error < TOLERANCES[how] * np.max(np.abs(expected))
    if how == "int8":
        bytes_now = sum(
            keras.ops.convert_to_numpy(v.value).nbytes for v in block.g.variables
        )
        assert bytes_now < before / 3


@pytest.mark.parametrize("mode", MODES)
def test_quantized_blocks_are_saved(rng, mode, tmp_path):
    model, _, x = model_of(rng, mode)
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].out.quantization_mode == "int8"
    np.testing.assert_allclose(added(loaded, x), added(model, x), atol=1e-5)


@pytest.mark.parametrize("how", ["", "int8"])
@pytest.mark.parametrize("mode", MODES)
def test_lora(rng, mode, how):
    model, block, x = model_of(rng, mode)
    for name in ("theta", "phi", "g", "out"):
        layer = getattr(block, name)
        if layer is not None:
            layer.enable_lora(3, lora_alpha=6)
            layer.lora_kernel_a.assign(0.2 * rng.normal(size=layer.lora_kernel_a.shape))
            layer.lora_kernel_b.assign(0.2 * rng.normal(size=layer.lora_kernel_b.shape))
    merged, own, _ = model_of(rng, mode)
    for name in ("theta", "phi", "g", "out"):
        layer = getattr(block, name)
        if layer is not None:
            getattr(own, name).kernel.assign(layer.kernel)
            getattr(own, name).bias.assign(layer.bias)
    if mode == "concatenation":
        own.w_f.assign(block.w_f)
    for ours, theirs in zip(own.norm.variables, block.norm.variables, strict=True):
        ours.assign(theirs)
    expected = added(merged, x)
    tolerance = 1e-5
    if how:
        model.quantize(how)
        tolerance = TOLERANCES[how]
    np.testing.assert_allclose(
        added(model, x), expected, atol=tolerance * np.max(np.abs(expected))
    )
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(added(copy, x), added(model, x), atol=1e-5)


def test_networks_of_convolutions_are_not_quantized():
    inputs = keras.Input((4, 8, 8, 3))
    x = keras.layers.Conv3D(4, 1)(inputs)
    x = keras.layers.Dense(4, name="head")(x)
    model = ReplicatedModel(inputs, x)
    with pytest.raises(ValueError, match="Received: mode='int8' for a model with 1 "):
        model.quantize("int8")
    model.quantize("int8", filters="head")
    assert model.get_layer("head").quantization_mode == "int8"


@pytest.mark.parametrize("filters", ["block", "conv", ["nothing", "^x"], lambda x: 0])
def test_filters_that_select_nothing_are_refused(rng, filters):
    model, block, x = model_of(rng, "gaussian", ReplicatedModel, name="block")
    before = added(model, x)
    with pytest.raises(ValueError, match=r"`theta`, .* Received: filters="):
        model.quantize("int8", filters=filters)
    np.testing.assert_array_equal(added(model, x), before)
    model.quantize("int8", filters="^(g|out)$")
    assert block.out.quantization_mode == "int8"


def test_networks_without_convolutions_are(rng):
    model, block, _ = model_of(rng, "dot_product", ReplicatedModel)
    model.quantize("int8")
    assert block.theta.quantization_mode == "int8"
