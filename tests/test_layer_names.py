"""Names of layers are read as they are written."""

import pytest

import keras_nonlocal
from keras_nonlocal.architectures import DEPTHS, network_spec
from keras_nonlocal.layer_names import (
    BlockLayer,
    block_name,
    convolution_of,
    nonlocal_name,
    read_block_layer,
    stage_of,
)


@pytest.mark.parametrize("depth", DEPTHS)
def test_specifications_name_blocks_as_they_are_read(depth):
    spec = network_spec(depth, "i3d", nonlocal_blocks=10)
    for number, stage in enumerate(spec.stages, start=2):
        for index, block in enumerate(stage.blocks):
            assert block.name == block_name(number, index)
            assert stage_of(f"{block.name}_out") == stage.name
            if block.nonlocal_name is not None:
                layer = read_block_layer(block.nonlocal_name)
                assert layer == BlockLayer(number, index, "nl")
                assert layer.name == nonlocal_name(block.name)


def test_every_layer_of_a_network_is_read_and_written_back():
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=(8, 32, 32, 3), classes=2, width=4, include_preprocessing=True
    )
    others = set()
    for layer in model.layers:
        found = read_block_layer(layer.name)
        if found is None:
            others.add(layer.name)
        else:
            assert found.name == layer.name
            assert found.ends_block == layer.name.endswith(("_out", "_nl"))
    assert others == {
        *("clips", "preprocessing", "conv1_pad", "conv1_conv", "conv1_bn"),
        *("conv1_relu", "pool1_pad", "pool1_pool", "pool2_pool"),
        *("avg_pool", "dropout", "predictions"),
    }
    assert stage_of("conv1_bn") == stage_of("pool1_pool") == "stem"
    assert stage_of("pool2_pool") is stage_of("predictions") is None


@pytest.mark.parametrize(
    "name",
    ["conv6_block1_out", "conv2_block0_out", "conv2_block1", "conv2_block1_4_bn_"],
)
def test_other_names(name):
    assert read_block_layer(name) is None


def test_the_convolution_before_a_norm():
    assert convolution_of("conv1_bn") == "conv1_conv"
    assert convolution_of("conv3_block2_0_bn") == "conv3_block2_0_conv"
