"""The fastest route within a limit of memory, for batches of any size."""

import json
import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest

from keras_nonlocal.layers import NonLocalBlock, memory_limit
from keras_nonlocal.layers.route_choice import (
    ROUTES,
    choose_route,
    pairs_that_fit,
    rows_that_fit,
)
from tests.layers.gradients import (
    as_numpy,
    assert_gradients_are_close,
    block_value_and_gradients,
    variable_name,
)
from tests.layers.random_blocks import random_block
from tests.layers.reference import reference_block, reference_gradients

BACKEND = keras.backend.backend()
MODES = tuple(ROUTES)
MIB = 2**20

# Input shape, scope, pool size, and N·M of one element of the batch and of a group.
LAYOUTS = {
    "signal": ((3, 12, 4), "time", None, 144),
    "video": ((3, 4, 2, 2, 4), "spacetime", (1, 2, 1), 128),
    "video-space": ((2, 2, 4, 4, 4), "space", (1, 2, 2), 64),
}
# All pairs of the batch, some of its rows, and one row of one element.
SHARES = {"all": 1.0, "rows": 0.6, "row": 0.0}


def limit_for(pairs):
    """The least limit within which the weights of so many pairs are kept."""
    return max(1, round(MIB / pairs_that_fit(MIB, "float32", False) * pairs) + 1)


def close(value, expected, tolerance):
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * scale)


def assert_exact(rng, block, differentiate, weights, shape, **options):
    x, upstream = (0.7 * rng.normal(size=shape) for _ in range(2))
    x = np.float32(x)
    value, gradients = differentiate(x, np.float32(upstream))
    expected = reference_block(x, weights, mode=block.mode, **options)
    assert np.max(np.abs(expected - x)) > 0.1 * np.max(np.abs(x))
    close(value - x, expected - x, 1e-5)
    expected = reference_gradients(x, weights, upstream, mode=block.mode, **options)
    assert_gradients_are_close(gradients, expected, 1e-4)


def differentiated_in_a_graph(block, shape, jit_compile):
    """`block_value_and_gradients` as one TensorFlow graph for batches of all sizes."""
    import tensorflow as tf

    variables = {variable_name(v): v.value for v in block.trainable_variables}
    open_shape = tf.TensorSpec((None, *shape[1:]))

    @tf.function(input_signature=[open_shape] * 2, jit_compile=jit_compile)
    def differentiate(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = block(x, training=False)
        sources = {"inputs": x, **variables}
        return value, tape.gradient(
            value,
            sources,
            upstream,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    def call(x, upstream):
        return keras.tree.map_structure(as_numpy, differentiate(x, upstream))

    return call


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_fixed_batch(rng, mode, layout, share):
    shape, scope, pool_size, pairs = LAYOUTS[layout]
    groups = shape[0] * (shape[1] if scope == "space" else 1)
    options = {"scope": scope, "pool_size": pool_size}
    block, weights = random_block(
        rng,
        shape,
        mode=mode,
        memory_limit=limit_for(SHARES[share] * pairs * groups),
        intermediate_channels=3,
        **options,
    )
    differentiate = partial(block_value_and_gradients, block)
    assert_exact(rng, block, differentiate, weights, shape, **options)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="other backends know all sizes")
@pytest.mark.parametrize(
    ("layout", "jit_compile"),
    [*((layout, False) for layout in LAYOUTS), ("video-space", True)],
)
@pytest.mark.parametrize("mode", ["gaussian", "embedded_gaussian"])
def test_open_batch(rng, mode, layout, jit_compile):
    """In batches of 1, 2 and 7, all, some or few rows are within the same limit."""
    shape, scope, pool_size, pairs = LAYOUTS[layout]
    options = {"scope": scope, "pool_size": pool_size}
    groups = shape[1] if scope == "space" else 1
    block, weights = random_block(
        rng,
        shape,
        mode=mode,
        memory_limit=limit_for(1.2 * pairs * groups),
        intermediate_channels=3,
        **options,
    )
    differentiate = differentiated_in_a_graph(block, shape, jit_compile)
    for batch in (1, 2, 7):
        size = (batch, *shape[1:])
        assert_exact(rng, block, differentiate, weights, size, **options)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("mode", MODES)
def test_masked_keys(rng, mode, share):
    shape = (3, 12, 4)
    block, _ = random_block(
        rng, shape, mode=mode, memory_limit=limit_for(SHARES[share] * 3 * 144)
    )
    naive, _ = random_block(rng, shape, mode=mode, route="naive")
    naive.set_weights(block.get_weights())
    x = np.float32(rng.normal(size=shape))
    mask = rng.random((3, 12)) < 0.6
    expected = as_numpy(naive(x, mask=mask))
    close(as_numpy(block(x, mask=mask)) - x, expected - x, 1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="graphs of TensorFlow")
def test_the_graph_does_not_grow_with_the_number_of_chunks(rng):
    import tensorflow as tf

    def num_operations(limit):
        block, _ = random_block(rng, (None, 64, 4), memory_limit=limit)
        function = tf.function(block).get_concrete_function(
            tf.TensorSpec((None, 64, 4))
        )
        definition = function.graph.as_graph_def()
        inner = (len(f.node_def) for f in definition.library.function)
        return len(definition.node) + sum(inner)

    few, many = num_operations(2**20), num_operations(2**10)
    assert abs(many - few) < 0.1 * few


@pytest.mark.parametrize(
    ("mode", "batch", "fit", "route"),
    [
        ("gaussian", 2, 2 * 784 * 196, "naive"),
        ("gaussian", 2, 2 * 784 * 196 - 1, "mixed"),
        ("gaussian", None, 2**40, "mixed"),
        ("concatenation", 2, 2**40, "naive"),
        ("concatenation", 2, 1000, "sorted"),
        ("concatenation", 4, 2**40, "sorted"),
        ("concatenation", None, 2**40, "sorted"),
        ("dot_product", 2, 2**40, "naive"),
        ("dot_product", 2, 1000, "associative"),
        ("dot_product", None, 1000, "naive"),
    ],
)
def test_choice(mode, batch, fit, route):
    theta, phi = (batch, 784, 512), (batch, 196, 512)
    assert choose_route(mode, theta, phi, 256, fit) == route


def test_many_positions_are_associated_and_sorted():
    for batch in (None, 1):
        shape = (batch, None, 64)
        assert choose_route("dot_product", shape, shape, 64, 1) == "associative"
        assert choose_route("concatenation", shape, shape, 64, 1) == "sorted"


def test_rows_that_fit():
    theta, phi = (np.zeros((4, count, 1), "float32") for count in (10, 5))
    theta, phi = map(keras.ops.convert_to_tensor, (theta, phi))
    assert rows_that_fit(theta, phi, 200, 50) == 10
    assert rows_that_fit(theta, phi, 199, 50) == 7
    assert rows_that_fit(theta, phi, 199, 199) == 0


@pytest.mark.parametrize(
    ("dtype", "has_mask", "more"),
    [("float32", False, 1), ("float64", False, 2), ("bfloat16", False, 4 / 3)],
)
def test_pairs_that_fit(dtype, has_mask, more):
    plain = pairs_that_fit(12 * MIB, "float32", False)
    assert plain == {"jax": 0.75 * MIB}.get(BACKEND, MIB)
    if BACKEND != "tensorflow" and dtype == "bfloat16":
        more = 1
    assert pairs_that_fit(12 * MIB, dtype, has_mask) == plain // more
    assert pairs_that_fit(12 * MIB, dtype, True) < plain // more


def test_the_default_is_a_share_of_the_device(monkeypatch):
    x = keras.ops.zeros((1,))
    found = memory_limit.default_memory_limit(x)
    assert found > 2**20
    clear = (memory_limit._memory_of_device, memory_limit._memory_with_torch)
    try:
        for memory, expected in ((2**34, 2**30), (2**30, 2**26), (None, 2**30)):
            for function in clear:
                function.cache_clear()
            monkeypatch.setattr(memory_limit, "memory_of_process", lambda m=memory: m)
            assert memory_limit.default_memory_limit(x) == expected
    finally:
        for function in clear:
            function.cache_clear()


@pytest.mark.parametrize("limit", [None, 12345])
def test_saved_limit(limit, tmp_path):
    """A limit that was left to the machine is left to the next one."""
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, NonLocalBlock(memory_limit=limit)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].memory_limit == limit


def test_configurations_without_a_limit_still_load():
    config = NonLocalBlock(memory_limit=5).get_config()
    del config["memory_limit"]
    assert NonLocalBlock.from_config(config).memory_limit is None


KINDS = {
    "tensorflow": ["plain", pytest.param("jit", marks=pytest.mark.slow)],
    "jax": ["jit"],
    "torch": ["plain"],
}[BACKEND]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a process")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["gaussian", "concatenation"])
def test_peak_memory(mode, kind):
    """Weights and gradients of 64 signals of 1024 steps need three times 256 MiB."""
    limit = 64
    small, large = measure({"mode": mode, "memory_limit": limit * MIB}, kind)
    # The rest grows with the number of positions: 2 MiB for each tensor of 8 channels.
    assert small < 48
    assert large < limit + 48
    if mode == "gaussian" and kind == "plain":
        _, unlimited = measure({"mode": mode, "memory_limit": 2**40}, kind)
        assert unlimited > 600


def measure(options, kind):
    environment = {
        **os.environ,
        "KERAS_BACKEND": BACKEND,
        # What is free is not in the peak.
        "MALLOC_MMAP_THRESHOLD_": "65536",
    }
    command = [sys.executable, "-m", "tests.layers.block_memory", json.dumps(options)]
    done = subprocess.run(
        [*command, kind, "1", "64"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
