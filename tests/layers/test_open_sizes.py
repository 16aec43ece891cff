"""Sizes that are known only when a graph runs: the right answer or an error."""

import keras
import numpy as np
import pytest

from tests.layers.random_blocks import random_block

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends know all sizes"
)

# Arguments, an input that suits them, and one that does not: the frames of two of its
# clips would fill whole groups together, or a pool is larger than an axis.
CASES = {
    "signal": ({"temporal_group_size": 3}, (2, 9, 4), (3, 8, 4)),
    "time": (
        {"temporal_group_size": 5, "scope": "time"},
        (2, 10, 2, 1, 4),
        (5, 6, 2, 1, 4),
    ),
    "spacetime": (
        {"temporal_group_size": 4, "pool_size": 2},
        (3, 4, 2, 3, 4),
        (2, 6, 2, 3, 4),
    ),
    "pool": ({"pool_size": (1, 3, 2)}, (2, 2, 3, 5, 4), (2, 2, 2, 5, 4)),
    "time-pool": (
        {"pool_size": (4, 1, 1), "scope": "time"},
        (1, 5, 2, 2, 4),
        (1, 3, 2, 2, 4),
    ),
}


def open_block(rng, case, **others):
    options, good, bad = CASES[case]
    block, _ = random_block(rng, good, **options, **others)
    inputs = keras.Input(batch_shape=(*(None,) * (len(good) - 1), good[-1]))
    model = keras.Model(inputs, block(inputs))
    arrays = (np.float32(rng.normal(size=shape)) for shape in (good, bad))
    return (model, *arrays)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_graph(rng, case, jit_compile):
    import tensorflow as tf

    model, good, bad = open_block(rng, case)
    call = tf.function(
        model,
        input_signature=[tf.TensorSpec(model.input.shape)],
        jit_compile=jit_compile,
    )
    np.testing.assert_allclose(call(good), model(good), rtol=1e-4, atol=1e-4)
    # XLA drops assertions; there, a reshape fails.
    message = "Input to reshape" if jit_compile else "Received: (frames|size), "
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(bad)


@pytest.mark.parametrize("case", ["time", "pool"])
def test_attention_scores_of_one_position(rng, case):
    import tensorflow as tf

    model, good, bad = open_block(rng, case)
    block = model.layers[-1]
    scores = tf.function(
        lambda x: block.attention_scores(x, (0, 0, 0)),
        input_signature=[tf.TensorSpec(model.input.shape)],
    )
    expected = block.attention_scores(good, (0, 0, 0))
    np.testing.assert_allclose(scores(good), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received: "):
        scores(bad)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_saved_model(rng, case, tmp_path):
    import tensorflow as tf

    model, good, bad = open_block(rng, case)
    model.export(tmp_path, verbose=False)
    loaded = tf.saved_model.load(tmp_path)
    served = loaded.serve
    np.testing.assert_allclose(served(good), model(good), rtol=1e-4, atol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received: "):
        served(bad)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["signal", "time", "spacetime"])
def test_litert(rng, case, tmp_path):
    """LiteRT has no assertions, and its converter joins reshapes."""
    interpreter_of = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    # The chunked route needs more than LiteRT's own operations.
    model, good, bad = open_block(rng, case, route="naive")
    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    interpreter = interpreter_of(str(tmp_path / "model.tflite"))
    (entry,), (result,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )

    def run(x):
        interpreter.resize_tensor_input(entry["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    np.testing.assert_allclose(run(good), model(good), rtol=1e-4, atol=1e-4)
    with pytest.raises((RuntimeError, ValueError), match="reshape"):
        run(bad)
