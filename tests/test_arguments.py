"""One policy for numbers: NumPy's are welcome, `bool` and whole floats are not."""

import json

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import arguments

NOT_INTEGERS = (True, np.True_, 2.0, np.float32(2), "2", None, np.array([2]), 2j)


@pytest.mark.parametrize("integer", [7, np.int8(7), np.uint64(7), np.int64(7)])
def test_integers_become_those_of_python(integer):
    for check in (arguments.check_positive_integer, arguments.check_count):
        value = check("n", integer)
        assert (type(value), value) == (int, 7)
    assert arguments.pair_of_sizes("size", integer) == (7, 7)
    assert json.dumps(arguments.integers([integer, 3])) == "[7, 3]"


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
def test_other_types_are_no_integers(value):
    for check in (arguments.check_positive_integer, arguments.check_count):
        with pytest.raises(TypeError, match=r"must be an integer. Received: n="):
            check("n", value)
    assert not arguments.is_integer(value)
    assert arguments.integers([1, value]) is None


def test_ranges_are_value_errors():
    with pytest.raises(ValueError, match=r"positive integer. Received: n=0"):
        arguments.check_positive_integer("n", 0)
    with pytest.raises(ValueError, match=r"at least 0. Received: n=-1"):
        arguments.check_count("n", -1)
    for value in (0, -1.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"positive number. Received: x="):
            arguments.check_positive_number("x", value)
    with pytest.raises(ValueError, match=r"less than 1. Received: x=1"):
        arguments.check_fraction("x", 1, below_one=True)
    assert arguments.check_fraction("x", np.float16(0.5)) == 0.5
    for value in (True, "1", None):
        with pytest.raises(TypeError, match=r"must be a number"):
            arguments.check_positive_number("x", value)


def test_choices_are_compared_with_their_type():
    arguments.check_choice("n", np.int64(3), (None, 1, 3))
    arguments.check_choice("s", np.str_("a"), ("a", "b"))
    for value in (True, 1.0, "1"):
        with pytest.raises(ValueError, match=r"must be one of None, 1 or 3"):
            arguments.check_choice("n", value, (None, 1, 3))
    with pytest.raises(ValueError, match=r"`n` must be 2. Received: n=3"):
        arguments.check_choice("n", 3, (2,))


def test_pairs_of_sizes_come_from_arrays_too():
    assert arguments.pair_of_sizes("size", np.array([4, 9])) == (4, 9)
    for value in ((4,), (4, 0), (4, 9.0), "49", (True, 4)):
        with pytest.raises(ValueError, match=r"Received: size="):
            arguments.pair_of_sizes("size", value)


def test_positions_that_numpy_finds(rng):
    x = np.float32(rng.normal(size=(1, 3, 4, 5, 6)))
    block = keras_nonlocal.layers.NonLocalBlock(
        np.int64(3), pool_size=np.array([1, 2, 2]), temporal_group_size=np.int8(3)
    )
    block(x)
    where = np.argwhere(x[0, ..., 0] == x[0, ..., 0].max())[0]
    scores = keras.ops.convert_to_numpy(block.attention_scores(x, where))
    expected = block.attention_scores(x, tuple(map(int, where)))
    np.testing.assert_array_equal(scores, keras.ops.convert_to_numpy(expected))
    config = json.loads(json.dumps(block.get_config()))
    assert (config["pool_size"], config["intermediate_channels"]) == ([1, 2, 2], 3)
    for position in ((0, 1, True), (0, 1, 2.0), (0, 1), (3, 0, 0), 5):
        with pytest.raises(ValueError, match=r"Received: query_position="):
            block.attention_scores(x, position)


def test_networks_take_numpys_integers_and_refuse_bools():
    build = keras_nonlocal.NLResNet50C2D
    model = build(
        input_shape=(4, 32, 32, 3),
        classes=np.int64(3),
        width=np.int32(4),
        nonlocal_blocks={"res4": np.array([1, 3])},
        stem_temporal_strides=np.array([1, 1]),
    )
    assert model.output_shape == (None, 3)
    assert model.get_layer("conv4_block4_nl") is not None
    for wrong in (
        {"classes": True},
        {"classes": 3.0},
        {"width": 4.0},
        {"nonlocal_blocks": True},
        {"nonlocal_blocks": 5.0},
        {"nonlocal_blocks": {"res4": (True,)}},
        {"stem_temporal_strides": (True, 1)},
        {"dropout_rate": True},
        {"score_window": (True, 1, 1)},
    ):
        (name,) = wrong
        with pytest.raises((TypeError, ValueError), match=f"Received: {name}="):
            build(**wrong)
