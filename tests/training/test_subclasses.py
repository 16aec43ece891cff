"""Subclasses of `ReplicatedModel` against the same subclasses of `keras.Model`."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_nonlocal.training import ReplicatedModel


def own_call(base):
    class OwnCall(base):
        def __init__(self, units, name=None):
            super().__init__(name=name)
            self.first = keras.layers.Dense(units, "relu")
            self.second = keras.layers.Dense(2)

        def call(self, inputs):
            return self.second(self.first(inputs))

        def get_config(self):
            return {"units": self.first.units, "name": self.name}

    return OwnCall(5)


def own_functional(base):
    class OwnFunctional(base):
        def __init__(self, units):
            inputs = keras.Input((3,))
            x = keras.layers.Dense(units, "relu")(inputs)
            super().__init__(inputs, keras.layers.Dense(2)(x))

    return OwnFunctional(5)


def own_compute_loss(base):
    class OwnLoss(base):
        calls = 0

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            type(self).calls += 1
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            return loss + keras.ops.mean(keras.ops.abs(y_pred))

    inputs = keras.Input((3,))
    return OwnLoss(inputs, keras.layers.Dense(2)(inputs))


def own_compile(base):
    class OwnCompile(base):
        def compile(self, optimizer, factor=1.0, **kwargs):
            super().compile(optimizer=optimizer, **kwargs)
            self.factor = factor

        def compute_loss(self, *args, **kwargs):
            return self.factor * super().compute_loss(*args, **kwargs)

    inputs = keras.Input((3,))
    return OwnCompile(inputs, keras.layers.Dense(2)(inputs))


def own_metrics(base):
    class OwnMetrics(base):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**logs, "one": 1.0}

    inputs = keras.Input((3,))
    return OwnMetrics(inputs, keras.layers.Dense(2)(inputs))


BUILDERS = (own_call, own_functional, own_compute_loss, own_compile, own_metrics)


def random_data(rng):
    return (
        np.float32(rng.normal(size=(10, 3))),
        np.float32(rng.normal(size=(10, 2))),
    )


@pytest.mark.parametrize("build", BUILDERS)
def test_they_train_alike(rng, build):
    # A functional instance changes no class for the others.
    inputs = keras.Input((3,))
    ReplicatedModel(inputs, keras.layers.Dense(1)(inputs))
    x, y = random_data(rng)
    outcomes = []
    for base in (keras.Model, ReplicatedModel):
        model = build(base)
        assert isinstance(model, base)
        model(x[:1])
        if outcomes:
            model.set_weights(outcomes[0][0])
        weights = model.get_weights()
        options = {"factor": 3.0} if build is own_compile else {}
        model.compile(
            keras.optimizers.SGD(0.1), loss="mse", jit_compile=False, **options
        )
        history = model.fit(
            x, y, batch_size=4, epochs=2, shuffle=False, verbose=0
        ).history
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
        scores = model.predict(x, verbose=0)
        calls = getattr(type(model), "calls", 0)
        outcomes.append((weights, model.get_weights(), history, logs, scores, calls))
    for ours, theirs in zip(*(outcome[1] for outcome in outcomes), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    _, _, *expected = outcomes[0]
    _, _, *found = outcomes[1]
    assert found[0].keys() == expected[0].keys()
    for name in expected[0]:
        np.testing.assert_allclose(found[0][name], expected[0][name], rtol=1e-5)
    assert found[1] == pytest.approx(expected[1], rel=1e-5)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4, atol=1e-5)
    assert found[3] == expected[3]


def test_own_train_steps_are_called(rng):
    class OwnStep(ReplicatedModel):
        def train_step(self, *args):
            result = super().train_step(*args)
            self.steps = getattr(self, "steps", 0) + 1
            return result

    inputs = keras.Input((3,))
    model = OwnStep(inputs, keras.layers.Dense(2)(inputs))
    model.compile("sgd", "mse", run_eagerly=True, jit_compile=False)
    x, y = random_data(rng)
    model.fit(x, y, batch_size=5, verbose=0)
    assert model.steps == 2


def test_a_compiled_subclass_with_an_own_compile_says_who_compiles(tmp_path, rng):
    model = own_compile(ReplicatedModel)
    model.compile("sgd", factor=2.0, loss="mse", jit_compile=False)
    model.fit(*random_data(rng), verbose=0)
    model.save(tmp_path / "model.keras")
    objects = {type(model).__name__: type(model)}
    with pytest.warns(UserWarning, match="`compile\\(\\)` was not called"):
        loaded = keras.saving.load_model(tmp_path / "model.keras", objects)
    assert getattr(loaded, "optimizer", None) is None


def test_an_own_call_is_saved(tmp_path, rng):
    model = own_call(ReplicatedModel)
    x, _ = random_data(rng)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    objects = {type(model).__name__: type(model)}
    loaded = keras.saving.load_model(tmp_path / "model.keras", objects)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow is deterministic so"
)
@pytest.mark.slow
def test_auto_respects_determinism():
    code = """
import keras, tensorflow as tf
from unittest import mock
from keras_nonlocal.training import ReplicatedModel
inputs = keras.Input((3,))
model = ReplicatedModel(inputs, keras.layers.Dense(2)(inputs))
with mock.patch.object(tf.config, "list_logical_devices", lambda kind: [kind]):
    model.compile("sgd", "mse")
    print(model.jit_compile)
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    model.compile("sgd", "mse")
    print(model.jit_compile)
"""
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split()[-2:] == ["True", "False"]
