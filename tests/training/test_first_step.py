"""The first step is traced once: the time to it is mostly that of tracing."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nonlocal.training import ReplicatedModel

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow traces"
)


class TracedLayer(layers.Layer):
    """Counts how often it is called in training."""

    calls = 0

    def call(self, x, training=None):
        if training:
            TracedLayer.calls += 1
        return x


def traced_model():
    TracedLayer.calls = 0
    inputs = keras.Input((4,))
    x = layers.BatchNormalization()(TracedLayer()(inputs))
    return ReplicatedModel(inputs, layers.Dense(3, activation="softmax")(x))


def batches():
    rng = np.random.default_rng()
    return np.float32(rng.normal(size=(6, 4))), rng.integers(3, size=6)


@pytest.mark.parametrize("labels", ["arrays", "dataset"])
def test_fit_traces_once(labels):
    import tensorflow as tf

    model = traced_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = batches()
    if labels == "dataset":
        taken = []

        def generate():
            for clip, label in zip(x, y, strict=True):
                taken.append(label)
                yield clip, label

        signature = (tf.TensorSpec((4,)), tf.TensorSpec((), tf.int64))
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(6))
        history = model.fit(dataset.batch(2), epochs=2, shuffle=False, verbose=0)
        # No clip is read for its shape alone.
        assert len(taken) == 12
    else:
        history = model.fit(x, y, batch_size=2, epochs=2, verbose=0)
    assert TracedLayer.calls == 1
    assert set(history.history) == {"accuracy", "loss"}


def test_train_on_batch_traces_once():
    model = traced_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(3):
        model.train_on_batch(*batches())
    assert TracedLayer.calls == 1


class OwnLoss(ReplicatedModel):
    """A model with its own losses, as detectors are."""

    def compute_loss(self, x=None, y=None, y_pred=None, *others, **kwargs):
        return keras.ops.mean(keras.ops.square(y_pred))


def test_a_model_with_its_own_loss_is_traced_once():
    traced_model()
    inputs = keras.Input((4,))
    model = OwnLoss(inputs, layers.Dense(3)(TracedLayer()(inputs)))
    model.compile("adam")
    x, y = batches()
    model.fit(x, y, batch_size=2, epochs=2, verbose=0)
    assert TracedLayer.calls == 1


def test_the_steps_are_those_of_keras():
    x, y = batches()
    model = traced_model()
    plain = keras.Model(model.inputs, model.outputs)
    copy = keras.models.clone_model(plain)
    copy.set_weights(model.get_weights())
    logs = []
    for each in (model, copy):
        each.compile(
            keras.optimizers.SGD(0.1, momentum=0.9),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
        )
        history = each.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
        logs.append(history.history)
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-5)
    assert logs[0]["accuracy"] == logs[1]["accuracy"]
    for a, b in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_batches_without_labels_or_of_odd_kinds():
    inputs = keras.Input((4,))
    outputs = layers.Dense(4, activity_regularizer="l2")(inputs)
    model = ReplicatedModel(inputs, outputs)
    model.compile("sgd")
    x, _ = batches()
    before = model.get_weights()[0]
    model.fit(x, verbose=0)
    assert np.abs(model.get_weights()[0] - before).max() > 0
    model.compile("sgd", "mse", metrics=["mae"], run_eagerly=True)
    assert set(model.fit(x, x, verbose=0).history) == {"loss", "mae"}
