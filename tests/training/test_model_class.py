"""`ReplicatedModel` as a Keras model, on every backend."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.training import ReplicatedModel
from tests.training.processes import ROOT

SHAPE = (4, 32, 32, 3)
LOAD_AND_SCORE = """
import sys, keras, numpy as np, keras_nonlocal
model = keras.saving.load_model(sys.argv[1])
assert type(model).__name__ == "ReplicatedModel", type(model)
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


def own_model() -> ReplicatedModel:
    backbone = keras_nonlocal.NLResNet50C2D(
        include_top=False, pooling="avg", input_shape=SHAPE, width=4, nonlocal_blocks=1
    )
    scores = keras.layers.Dense(3, activation="softmax")(backbone.output)
    return ReplicatedModel(backbone.input, scores, name="own")


def random_clips(size: int = 2) -> np.ndarray:
    return np.random.default_rng().normal(size=(size, *SHAPE)).astype("float32")


@pytest.mark.parametrize(
    "builder",
    [
        lambda: keras_nonlocal.NLResNet50(
            include_top=False, input_shape=(32, 32, 3), width=4
        ),
        lambda: keras_nonlocal.ResNet50C2D(input_shape=SHAPE, width=4, classes=2),
    ],
    ids=["image", "video"],
)
def test_builders_return_it(builder):
    model = builder()
    assert type(model) is ReplicatedModel
    assert isinstance(model, keras.Model)


def test_parts_of_it_are_models():
    model = own_model()
    x = random_clips()
    part = keras.Model(model.input, model.get_layer("conv4_block5_nl").output)
    features = keras.ops.convert_to_numpy(part(x))
    assert features.shape == (2, 2, 2, 2, 64)
    whole = keras.Model(model.input, model.output)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(whole(x)), keras.ops.convert_to_numpy(model(x))
    )


def test_it_clones_and_sums_itself_up():
    model = own_model()
    copy = keras.models.clone_model(model)
    assert type(copy) is ReplicatedModel
    assert [layer.name for layer in copy.layers] == [
        layer.name for layer in model.layers
    ]
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "conv1_conv" in "\n".join(lines)


@pytest.mark.slow
def test_a_compiled_model_round_trips_with_its_optimizer(tmp_path):
    model = own_model()
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    x, y = random_clips(), np.array([0, 2])
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is ReplicatedModel
    assert loaded.compiled
    assert loaded.jit_compile is False
    for ours, theirs in zip(
        loaded.optimizer.variables, model.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)
        )
    np.testing.assert_allclose(
        loaded.test_on_batch(x, y), model.test_on_batch(x, y), rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        "tensorflow",
        "torch",
        pytest.param("jax", marks=pytest.mark.thorough),
    ],
)
def test_it_crosses_to_other_backends(backend, tmp_path):
    for package in ("jax", "torch"):
        if backend == package:
            pytest.importorskip(package)
    model = own_model()
    x = random_clips()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "clips.npy", x)
    arguments = [tmp_path / name for name in ("model.keras", "clips.npy", "scores.npy")]
    subprocess.run(
        [sys.executable, "-c", LOAD_AND_SCORE, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    scores = np.load(tmp_path / "scores.npy")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


def test_fit_takes_the_step_of_the_gradient():
    """On every backend: one step of SGD on a frozen network, its head by formula."""
    model = own_model()
    keras_nonlocal.training.freeze_batch_norm(model)
    model.compile(
        keras.optimizers.SGD(0.5),
        "sparse_categorical_crossentropy",
        # XLA is slow on CPUs.
        jit_compile=keras.backend.backend() == "jax",
    )
    head = model.layers[-1]
    kernel, bias = (weight.astype("float64") for weight in head.get_weights())
    x, y = random_clips(4), np.array([0, 2, 1, 2])
    features = keras.ops.convert_to_numpy(
        keras.Model(model.input, head.input)(x, training=False)
    )
    logits = features @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    history = model.fit(x, y, batch_size=4, verbose=0).history
    loss = -np.log(probabilities[np.arange(4), y]).mean()
    np.testing.assert_allclose(history["loss"][0], loss, rtol=1e-4)
    error = (probabilities - np.eye(3)[y]) / 4
    after = head.get_weights()
    np.testing.assert_allclose(
        after[0], kernel - 0.5 * features.T @ error, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(
        after[1], bias - 0.5 * error.sum(0), rtol=1e-3, atol=1e-5
    )
