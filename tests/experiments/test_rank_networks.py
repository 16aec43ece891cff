"""The small networks for signals and images, before training."""

import keras
import numpy as np
import pytest

from keras_nonlocal.experiments.rank_networks import (
    BETWEEN,
    copy_first_half,
    rank_complexity_of,
    rank_network_of,
    single_network_of,
)
from keras_nonlocal.experiments.rank_tables import APPLIANCES, IMAGES, SEQUENCES

TABLES = (SEQUENCES, IMAGES, APPLIANCES)
NAMES = [table.name for table in TABLES]


def networks(table, seed=1):
    return {
        row.name: rank_network_of(training, seed) for row, training in table.trainings()
    }


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_all_networks_start_as_the_same_function(table, rng):
    inputs = rng.normal(size=(2, *table.task.input_shape)).astype("float32")
    built = networks(table)
    expected = built["no block"](inputs, training=False)
    for name, model in built.items():
        if not name.startswith("hidden"):
            outputs = model(inputs, training=False)
            np.testing.assert_allclose(outputs, expected, atol=1e-6, err_msg=name)
    again = networks(table)
    other = networks(table, seed=2)
    for name, model in built.items():
        values = model.get_weights()
        for one, two in zip(values, again[name].get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        assert np.any(values[0] != other[name].get_weights()[0])


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_the_convolution_costs_as_much_as_the_block(table):
    counts = {name: rank_complexity_of(net) for name, net in networks(table).items()}
    base = counts["no block"]
    added = {
        name: (each.parameters - base.parameters, each.multiply_adds)
        for name, each in counts.items()
    }
    block, convolution = added["embedded Gaussian"], added["convolution"]
    assert 1 < convolution[0] / block[0] < 3
    assert 0.95 < convolution[1] / block[1] < 1.05
    # The same projections and normalization.
    assert added["MultiHeadAttention"] == block


@pytest.mark.parametrize(
    ("table", "gap"),
    [(SEQUENCES, SEQUENCES.task.gap), (IMAGES, IMAGES.task.gap)],
    ids=NAMES[:2],
)
def test_no_window_shows_both_things(table, gap):
    """A position of the convolution's output depends on fewer steps than the gap."""
    model = networks(table)["convolution"]
    first_half = keras.Model(model.input, model.get_layer(BETWEEN).output)
    size = table.task.input_shape[0]
    inputs = np.zeros((size, *table.task.input_shape), "float32")
    for step in range(size):
        inputs[step, step] = 1
    outputs = np.array(first_half(np.abs(inputs) * 1e3))
    base = np.array(first_half(np.zeros_like(inputs[:1])))
    depends = np.any(outputs != base, axis=tuple(range(2, outputs.ndim)))
    for column in depends.T:
        touched = np.flatnonzero(column)
        assert np.ptp(touched) + 1 <= gap


def test_the_projections_of_attention_start_differently():
    layer = networks(SEQUENCES)["MultiHeadAttention"].get_layer(BETWEEN)
    kernels = [
        np.array(weight) for weight in layer.weights if weight.shape == (32, 1, 16)
    ]
    assert len(kernels) == 3
    assert len({kernel.tobytes() for kernel in kernels}) == 3


def test_networks_for_images_start_from_single_digits():
    (_, training), *_ = IMAGES.trainings()
    source = single_network_of(IMAGES.task, 5)
    target = rank_network_of(training, 1)
    copy_first_half(source, target)
    inputs = IMAGES.task.draw("training", 2, 1, 0)[0]
    features = [
        keras.Model(model.input, model.get_layer("first_half_2").output)(inputs)
        for model in (source, target)
    ]
    np.testing.assert_array_equal(*features)
