"""Wrong arguments and inputs are named, together with what came in."""

import re

import keras
import numpy as np
import pytest

from keras_nonlocal.layers import NonLocalBlock, non_local_operation

CONSTRUCTION = [
    ({"mode": "softmax"}, "`mode` must be one of", "mode='softmax'"),
    ({"scope": "frames"}, "`scope` must be one of", "scope='frames'"),
    ({"route": "sorted"}, "`route` must be one of", "route='sorted'"),
    (
        {"mode": "dot_product", "route": "chunked"},
        "`route` must be one of 'auto', 'naive' or 'associative'",
        "route='chunked'",
    ),
    ({"memory_limit": 0}, "`memory_limit` must be a positive", "memory_limit=0"),
    ({"memory_limit": -1}, "`memory_limit` must be a positive", "memory_limit=-1"),
    ({"memory_limit": 1e9}, "`memory_limit` must be an integer", "limit=1000000000.0"),
    ({"memory_limit": True}, "`memory_limit` must be an integer", "limit=True"),
    ({"memory_limit": "1G"}, "`memory_limit` must be an integer", "limit='1G'"),
    ({"normalization": "layer"}, "`normalization` must", "normalization='layer'"),
    ({"data_format": "NHWC"}, "`data_format` must", "data_format='NHWC'"),
    ({"intermediate_channels": 0}, "`intermediate_channels`", "channels=0"),
    ({"intermediate_channels": 2.5}, "`intermediate_channels`", "channels=2.5"),
    ({"intermediate_channels": True}, "`intermediate_channels`", "channels=True"),
    ({"temporal_group_size": 0}, "`temporal_group_size` must", "group_size=0"),
    ({"pool_size": 0}, "`pool_size` must", "pool_size=0"),
    ({"pool_size": (1, 0)}, "`pool_size` must", "pool_size=(1, 0)"),
    ({"pool_size": ()}, "`pool_size` must", "pool_size=()"),
    ({"pool_size": (1, 2, 2, 1)}, "`pool_size` must", "pool_size=(1, 2, 2, 1)"),
    ({"pool_size": "2"}, "`pool_size` must", "pool_size='2'"),
    ({"momentum": 1.5}, "`momentum` must be from 0 to 1", "momentum=1.5"),
    ({"epsilon": -1e-5}, "`epsilon` must be from 0 to 1", "epsilon=-1e-05"),
]

INPUTS = [
    ({}, (2, 8), "`inputs` must have rank 3, 4 or 5", "inputs.shape=(2, 8)"),
    (
        {},
        (2, 2, 2, 2, 2, 8),
        "`inputs` must have rank 3, 4 or 5",
        "inputs.shape=(2, 2, 2, 2, 2, 8)",
    ),
    ({}, (2, 4, 0), "The channel axis of `inputs`", "inputs.shape=(2, 4, 0)"),
    ({}, (2, 4, None), "The channel axis of `inputs`", "inputs.shape=(2, 4, None)"),
    (
        {"data_format": "channels_first"},
        (2, None, 4),
        "The channel axis of `inputs`",
        "data_format='channels_first'",
    ),
    ({}, (2, 0, 4), "position axes of `inputs` must not be empty", "sizes (0,)"),
    ({"scope": "space"}, (2, 4, 8), "`scope` must name axes", "inputs of rank 3"),
    ({"scope": "time"}, (2, 4, 4, 8), "`scope` must name axes", "inputs of rank 4"),
    (
        {"pool_size": (2, 2)},
        (2, 4, 4, 4, 8),
        "`pool_size` must have one entry per position axis, that is 3",
        "pool_size=(2, 2)",
    ),
    (
        {"pool_size": (2, 2, 2), "scope": "space"},
        (2, 4, 4, 4, 8),
        "`pool_size` must be 1 along the axes that the scope leaves out",
        "pool_size=(2, 2, 2) for scope='space'",
    ),
    (
        {"pool_size": 5},
        (2, 8, 4, 8, 8),
        "`pool_size` must not be larger than what it pools",
        "pool_size=5 for groups of (8, 4, 8)",
    ),
    (
        {"pool_size": (3, 1, 1), "temporal_group_size": 2},
        (2, 4, 4, 4, 8),
        "`pool_size` must not be larger than what it pools",
        "pool_size=(3, 1, 1) for groups of (2, 4, 4)",
    ),
    (
        {"temporal_group_size": 3},
        (2, 8, 4, 4, 8),
        "`temporal_group_size` must divide the number of frames",
        "temporal_group_size=3 for 8 frames",
    ),
    (
        {"temporal_group_size": 2},
        (2, 4, 4, 8),
        "`temporal_group_size` needs a scope with a time axis",
        "inputs of rank 4",
    ),
    (
        {"temporal_group_size": 2, "scope": "space"},
        (2, 4, 4, 4, 8),
        "`temporal_group_size` needs a scope with a time axis",
        "scope='space'",
    ),
]


def message(start, received):
    return f"(?s){re.escape(start)}.*Received: .*{re.escape(received)}"


@pytest.mark.parametrize(("options", "start", "received"), CONSTRUCTION)
def test_construction(options, start, received):
    with pytest.raises((TypeError, ValueError), match=message(start, received)):
        NonLocalBlock(**options)


def test_momentum_of_another_type():
    with pytest.raises(TypeError, match=r"`momentum` must be a number.*'0.9'"):
        NonLocalBlock(momentum="0.9")


def test_misspelt_argument():
    with pytest.raises(ValueError, match="pool_sizes"):
        NonLocalBlock(pool_sizes=2)


@pytest.mark.parametrize(("options", "shape", "start", "received"), INPUTS)
def test_build(options, shape, start, received):
    with pytest.raises(ValueError, match=message(start, received)):
        NonLocalBlock(**options).build(shape)


@pytest.mark.parametrize(("options", "shape", "start", "received"), INPUTS)
def test_symbolic_call(options, shape, start, received):
    with pytest.raises(ValueError, match=message(start, received)):
        NonLocalBlock(**options)(keras.KerasTensor(shape))


@pytest.mark.parametrize(
    ("options", "shape", "start"),
    [
        ({"pool_size": 5}, (1, 8, 4, 8, 4), "`pool_size` must not be larger"),
        ({"temporal_group_size": 3}, (1, 8, 4, 4, 4), "`temporal_group_size` must div"),
    ],
)
def test_inputs_that_come_after_the_build(options, shape, start):
    block = NonLocalBlock(**options)
    block.build((None, None, None, None, 4))
    with pytest.raises(ValueError, match=start):
        block(np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match=start):
        block(keras.KerasTensor(shape))


def test_other_number_of_channels_after_the_build():
    block = NonLocalBlock()
    block.build((None, None, 4))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have"):
        block(np.zeros((1, 3, 6), "float32"))


OPERATION = [
    ({"mode": "softmax"}, {}, "`mode` must be one of", "mode='softmax'"),
    ({"route": "sorted"}, {}, "`route` must be one of", "route='sorted'"),
    ({"memory_limit": 0}, {}, "`memory_limit` must be a positive", "memory_limit=0"),
    ({"mode": "concatenation"}, {}, "`w_f` must be given with", "w_f=None"),
    ({"w_f": np.zeros(8)}, {}, "`w_f` must be given with", "w_f=a tensor"),
    (
        {"mode": "concatenation", "w_f": np.zeros(6)},
        {},
        "`w_f` must have the shape",
        "w_f.shape=(6,)",
    ),
    (
        {"mode": "dot_product", "scale": 0.5},
        {},
        "`scale` belongs to the modes",
        "scale=0.5",
    ),
    ({}, {"theta": (2, 4)}, "`theta` must have rank 3, 4 or 5", "theta.shape=(2, 4)"),
    ({}, {"g": (2, 2, 3, 1, 1, 4)}, "`g` must have rank", "g.shape=(2, 2, 3, 1, 1, 4)"),
    ({}, {"phi": (2, 3, 5)}, "the same channels", "phi.shape=(2, 3, 5)"),
    ({}, {"g": (2, 4, 6)}, "the same positions", "g.shape=(2, 4, 6)"),
    ({}, {"g": (2, 3, 1, 6)}, "the same positions", "g.shape=(2, 3, 1, 6)"),
]


@pytest.mark.parametrize("symbolic", [False, True], ids=["eager", "symbolic"])
@pytest.mark.parametrize(("options", "shapes", "start", "received"), OPERATION)
def test_operation(options, shapes, start, received, symbolic):
    shapes = {"theta": (2, 5, 4), "phi": (2, 3, 4), "g": (2, 3, 6), **shapes}
    make = keras.KerasTensor if symbolic else np.zeros
    with pytest.raises(ValueError, match=message(start, received)):
        non_local_operation(**{k: make(v) for k, v in shapes.items()}, **options)
