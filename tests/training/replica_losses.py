"""Scenarios of `replica_scenarios` with losses that divide by different numbers."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_nonlocal
from keras_nonlocal.training import ReplicatedModel

BATCH = 8
STEPS = 5
CHANNELS = 3
CLASSES = 3

Model = keras.Model
Build = Callable[[], Model]
Results = dict[str, Any]


def one_output(regularized: bool = True) -> Model:
    """A network of padded signals whose outputs have a mask."""
    inputs = keras.Input((STEPS, CHANNELS))
    x = keras.layers.Masking()(inputs)
    x = keras_nonlocal.layers.NonLocalBlock(
        normalization=None,
        kernel_initializer="he_normal",
        out_kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(0.01) if regularized else None,
    )(x)
    x = keras.layers.Dense(CLASSES, "softmax")(x)
    return ReplicatedModel(inputs, x)


def two_outputs() -> Model:
    """A masked output and one of which there is one per sample."""
    inputs = keras.Input((STEPS, CHANNELS))
    x = keras.layers.Masking()(inputs)
    x = keras.layers.Dense(4, "tanh", activity_regularizer=keras.regularizers.L2(0.1))(
        x
    )
    first = keras.layers.Dense(CLASSES, "softmax", name="first")(x)
    second = keras.layers.Dense(2, name="second")(keras.layers.Flatten()(x))
    return ReplicatedModel(inputs, {"first": first, "second": second})


class OwnLoss(ReplicatedModel):
    """Adds a penalty of the outputs, divided as Keras asks for."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        loss = super().compute_loss(x, y, y_pred, sample_weight)
        penalty = keras.ops.mean(keras.ops.square(y_pred))
        return loss + penalty / self.distribute_strategy.num_replicas_in_sync


def own_loss() -> Model:
    inputs = keras.Input((STEPS, CHANNELS))
    return OwnLoss(inputs, keras.layers.Dense(CLASSES, "softmax")(inputs))


def data_of(setting: Any, outputs: int, labels: int = CLASSES) -> tuple[Any, ...]:
    """Inputs with padding, labels and sample weights, one of each per output."""
    rng = setting.rng
    # The last batch leaves the last replica without samples.
    replicas = setting.strategy.num_replicas_in_sync
    samples = 2 * BATCH + {2: 1, 3: 4}[replicas]
    x = rng.normal(size=(samples, STEPS, CHANNELS)).astype("float32")
    lengths = rng.integers(1, STEPS + 1, samples)
    x[np.arange(STEPS) >= lengths[:, None]] = 0
    y = rng.integers(CLASSES - labels, CLASSES, (samples, STEPS))
    weight = rng.uniform(0.2, 2, (samples, STEPS)).astype("float32")
    if outputs == 1:
        return x, y, weight
    z = rng.normal(size=(samples, 2)).astype("float32")
    weights = {"first": weight, "second": weight[::-1, 0].copy()}
    return x, {"first": y, "second": z}, weights


def compare(setting: Any, how: str, build: Build, data: Any, **options: Any) -> Results:
    """Largest differences between the replicas and `keras.Model` on one device."""
    initial = build().get_weights()
    outcomes = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        on_replicas = strategy is setting.strategy
        with strategy.scope():
            model = build()
            model.set_weights(initial)
            model.compile(
                keras.optimizers.SGD(0.05, momentum=0.9),
                jit_compile=how == "xla" and on_replicas,
                # Keras weights batches by their sizes only where it knows them.
                run_eagerly=how == "eager",
                **options,
            )
        batches = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
        fitted = model.fit(batches, epochs=2, validation_data=batches, verbose=0)
        evaluation = model.evaluate(batches, verbose=0, return_dict=True)
        three = keras.tree.map_structure(lambda array: array[:3], data)
        batch = model.train_on_batch(*three, return_dict=True)
        outcomes.append((model, fitted.history, evaluation, batch))
    (one, *expected), (many, *found) = outcomes
    differences = [
        float(np.max([np.abs(np.subtract(a[key], b[key])).max() for key in a]))
        for a, b in zip(expected, found, strict=True)
    ]
    return {
        "jit_compile": many.jit_compile,
        "moved": _largest_difference(initial, many.get_weights()),
        "weights": _largest_difference(one.get_weights(), many.get_weights()),
        "history": differences[0],
        "evaluation": differences[1],
        "batch": differences[2],
        "logs": sorted(found[0]),
    }


def _largest_difference(ours: list[Any], theirs: list[Any]) -> float:
    pairs = zip(ours, theirs, strict=True)
    # Unlike `max`, NaN if there is one.
    return float(np.max([np.abs(np.subtract(a, b)).max() for a, b in pairs]))


def masked(setting: Any, how: str) -> Results:
    return compare(
        setting,
        how,
        one_output,
        data_of(setting, 1),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy()],
    )


def masked_mean_with_sample_weight(setting: Any, how: str) -> Results:
    loss = keras.losses.SparseCategoricalCrossentropy(
        reduction="mean_with_sample_weight"
    )
    return compare(setting, how, one_output, data_of(setting, 1), loss=loss)


def ignored_class(setting: Any, how: str) -> Results:
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=1)
    return compare(setting, how, one_output, data_of(setting, 1)[:2], loss=loss)


def mean_with_sample_weight(setting: Any, how: str) -> Results:
    x, y, weight = data_of(setting, 1)
    weight = weight[:, 0]
    weight[:2] = 0

    def build() -> Model:
        inputs = keras.Input((STEPS, CHANNELS))
        x = keras.layers.Dense(CLASSES)(keras.layers.Flatten()(inputs))
        return ReplicatedModel(inputs, keras.layers.Softmax()(x))

    loss = keras.losses.SparseCategoricalCrossentropy(
        reduction="mean_with_sample_weight"
    )
    return compare(setting, how, build, (x, y[:, 0], weight), loss=loss)


def several_outputs(setting: Any, how: str) -> Results:
    return compare(
        setting,
        how,
        two_outputs,
        data_of(setting, 2),
        loss={"first": "sparse_categorical_crossentropy", "second": "mse"},
        loss_weights={"first": 0.3, "second": 2.0},
        metrics={"first": "accuracy", "second": "mae"},
    )


def sum_and_mean(setting: Any, how: str) -> Results:
    loss = {
        "first": keras.losses.SparseCategoricalCrossentropy(reduction="sum"),
        "second": keras.losses.Huber(),
    }
    return compare(
        setting,
        how,
        two_outputs,
        data_of(setting, 2)[:2],
        loss=loss,
        loss_weights={"first": 0.02, "second": 1.0},
    )


def one_number_per_batch(setting: Any, how: str) -> Results:
    """Losses that are reduced already, beside a sum and a regularizer."""

    def mean_of_squares(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred))

    class Mean(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return mean_of_squares(y_true, y_pred)

    def build() -> Model:
        inputs = keras.Input((STEPS, CHANNELS))
        x = keras.layers.Flatten()(inputs)
        x = keras.layers.Dense(4, "tanh", kernel_regularizer="l1")(x)
        outputs = {
            name: keras.layers.Dense(2, name=name)(x)
            for name in ("first", "second", "third")
        }
        return ReplicatedModel(inputs, outputs)

    x, y, _ = data_of(setting, 2)
    return compare(
        setting,
        how,
        build,
        (x, dict.fromkeys(("first", "second", "third"), y["second"])),
        loss={
            "first": lambda y_true, y_pred: mean_of_squares(y_true, y_pred),
            "second": keras.losses.LogCosh(reduction="sum"),
            "third": Mean(),
        },
        loss_weights={"first": 1.0, "second": 0.05, "third": 0.5},
    )


def sum_with_regularizer(setting: Any, how: str) -> Results:
    x, y, weight = data_of(setting, 1)

    def build() -> Model:
        inputs = keras.Input((STEPS, CHANNELS))
        flat = keras.layers.Flatten()(inputs)
        outputs = keras.layers.Dense(1, kernel_regularizer="l2", use_bias=False)(flat)
        return ReplicatedModel(inputs, outputs)

    loss = keras.losses.MeanSquaredError(reduction="sum")
    data = x, y[:, :1].astype("float32"), weight[:, 0]
    return compare(setting, how, build, data, loss=loss, loss_weights=0.02)


def own_compute_loss(setting: Any, how: str) -> Results:
    x, y, weight = data_of(setting, 1)
    data = x, y, weight
    return compare(setting, how, own_loss, data, loss="sparse_categorical_crossentropy")


def frozen_statistics(setting: Any) -> Results:
    """Statistics of frozen norms, bit by bit, after steps on the replicas."""
    with setting.strategy.scope():
        inputs = keras.Input((CHANNELS,))
        frozen = keras_nonlocal.layers.FrozenBatchNormalization()
        block = keras_nonlocal.layers.NonLocalBlock(normalization="frozen_batch")
        x = keras.layers.Reshape((1, CHANNELS))(frozen(inputs))
        x = keras.layers.Flatten()(block(x))
        model = ReplicatedModel(inputs, keras.layers.Dense(1)(x))
        model.compile("sgd", "mse", jit_compile=False)
    norms = (frozen, block.norm)
    rng = setting.rng
    for norm in norms:
        norm.moving_mean.assign(rng.normal(size=CHANNELS))
        norm.moving_variance.assign(rng.uniform(0.5, 2, CHANNELS))
    before = [[v.numpy() for v in norm.non_trainable_variables] for norm in norms]
    weights = model.get_weights()
    x = rng.normal(size=(32, CHANNELS)).astype("float32")
    model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0)
    after = [[v.numpy() for v in norm.non_trainable_variables] for norm in norms]
    return {
        "moved": _largest_difference(weights, model.get_weights()),
        "changed": max(map(_largest_difference, before, after)),
    }


def _named(scenario: Callable[[Any, str], Results], how: str) -> Any:
    named = functools.partial(scenario, how=how)
    named.__name__ = f"{scenario.__name__}:{how}"  # type: ignore[attr-defined]
    return named


SCENARIOS = (
    frozen_statistics,
    *(
        _named(scenario, how)
        for how in ("graph", "xla", "eager")
        for scenario in (
            masked,
            masked_mean_with_sample_weight,
            ignored_class,
            mean_with_sample_weight,
            several_outputs,
            sum_and_mean,
            one_number_per_batch,
            sum_with_regularizer,
            own_compute_loss,
        )
    ),
)
