"""Trainings on replicas and on one device, run in a process of their own.

TensorFlow divides a CPU into logical devices only before its first use, so tests start
`python -m tests.training.replica_scenarios REPLICAS SEED SCENARIO …`, which prints a
JSON object: scenario → its results. With TF_CONFIG in the environment, this is one of
several workers, and the replicas are those of this one.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_nonlocal
from keras_nonlocal.replicas.sublayers import seed_states
from keras_nonlocal.training import ReplicatedModel
from tests.data.videos import moving_pictures, write_video
from tests.shallow import use_shallow_networks

# The last batch has one sample more on the first of two replicas than on the second.
SAMPLES = 19
BATCH = 8
SHAPE = (2, 6, 6, 3)
CLASSES = 3

Results = dict[str, Any]


class Setting:
    """Random data and weights, and the strategy, shared by the scenarios."""

    def __init__(self, strategy: tf.distribute.Strategy, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        keras.utils.set_random_seed(seed)
        self.strategy = strategy
        self.x = rng.normal(size=(SAMPLES, *SHAPE)).astype("float32")
        self.y = rng.integers(0, CLASSES, SAMPLES)
        self.sample_weight = rng.uniform(0.2, 2, SAMPLES).astype("float32")

    def dataset(self, samples: int = SAMPLES, weighted: bool = True) -> tf.data.Dataset:
        arrays = (self.x, self.y, self.sample_weight)[: 3 if weighted else 2]
        sliced = tuple(array[:samples] for array in arrays)
        return tf.data.Dataset.from_tensor_slices(sliced).batch(BATCH)


def toy_model(norm: str = "frozen") -> ReplicatedModel:
    """A small network with what a replica could get wrong."""
    regularizer = keras.regularizers.L2(0.01)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv3D(4, (1, 3, 3), kernel_regularizer=regularizer)(inputs)
    x = keras.layers.BatchNormalization(
        synchronized=norm == "synchronized", trainable=norm != "frozen", momentum=0.9
    )(x)
    x = keras.layers.Activation("relu")(x)
    x = keras_nonlocal.layers.NonLocalBlock(
        normalization="frozen_batch", gamma_initializer="ones"
    )(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    x = keras.layers.Dense(CLASSES, "softmax", kernel_regularizer=regularizer)(x)
    return ReplicatedModel(inputs, x)


def small_builder_model(**options: Any) -> keras.Model:
    use_shallow_networks()
    return keras_nonlocal.NLResNet50C2D(
        input_shape=(4, 32, 32, 3), classes=CLASSES, width=4, dropout_rate=0, **options
    )


def compare(
    setting: Setting,
    optimizer: Callable[[], Any] = lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    norm: str = "frozen",
    samples: int = SAMPLES,
    loss: Any = "sparse_categorical_crossentropy",
    weighted: bool = True,
    jit_compile: bool = False,
    known_length: bool = True,
    **compile_options: Any,
) -> Results:
    """Largest differences between training on one device and on the replicas."""
    initial = toy_model(norm).get_weights()
    outcomes = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        on_replicas = strategy is setting.strategy
        with strategy.scope():
            model = toy_model(norm)
            model.set_weights(initial)
            model.compile(
                optimizer(),
                loss,
                metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2)],
                weighted_metrics=["accuracy"],
                jit_compile=jit_compile and on_replicas,
                **compile_options,
            )
        data = setting.dataset(samples, weighted)
        if not known_length:
            data = data.filter(lambda *batch: True)
        history = model.fit(data, epochs=2, validation_data=data, verbose=0).history
        outcomes.append((model, history, model.predict(setting.x, 8, verbose=0)))
    (one, one_history, one_scores), (many, many_history, many_scores) = outcomes
    return {
        "on_replicas": [one.on_replicas, many.on_replicas],
        "jit_compile": many.jit_compile,
        "moved": largest_difference(initial, many.get_weights()),
        "weights": largest_difference(one.get_weights(), many.get_weights()),
        "optimizer": largest_difference(
            [v.numpy() for v in one.optimizer.variables],
            [v.numpy() for v in many.optimizer.variables],
        ),
        "history": largest_difference(
            [one_history[key] for key in one_history],
            [many_history[key] for key in one_history],
        ),
        "logs": sorted(many_history),
        "scores": float(np.abs(one_scores - many_scores).max()),
    }


def largest_difference(ours: list[Any], theirs: list[Any]) -> float:
    differences = [
        np.abs(np.subtract(a, b, dtype="float64")).max()
        for a, b in zip(ours, theirs, strict=True)
    ]
    # Unlike `max`, NaN if there is one.
    return float(np.max(differences))


def plain(setting: Setting) -> Results:
    return compare(setting)


def xla_steps_per_execution(setting: Setting) -> Results:
    return compare(setting, steps_per_execution=2, jit_compile=True)


def unknown_length(setting: Setting) -> Results:
    return compare(setting, known_length=False)


def empty_batches(setting: Setting) -> Results:
    """A batch without samples on all replicas changes nothing."""

    def trained(sizes: list[int]) -> list[Any]:
        def part(_: Any) -> tf.data.Dataset:
            x, y = tf.constant(setting.x), tf.constant(setting.y)
            of_replicas = np.repeat(sizes, setting.strategy.num_replicas_in_sync)
            parts = tf.data.Dataset.from_tensor_slices(of_replicas)
            return parts.map(lambda size: (x[:size], y[:size])).filter(
                lambda x, y: True
            )

        keras.utils.set_random_seed(3)
        with setting.strategy.scope():
            model = toy_model("moving")
            model.compile(
                keras.optimizers.SGD(0.1),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
        data = setting.strategy.distribute_datasets_from_function(part)
        history = model.fit(data, epochs=2, verbose=0).history
        return [*model.get_weights(), history["loss"], history["accuracy"]]

    full, gaps = trained([4, 3]), trained([0, 4, 0, 3, 0])
    return {"difference": largest_difference(full, gaps)}


def seeds(setting: Setting) -> Results:
    """Parts of any sizes; the states of two seeds after each step, on each replica."""
    replicas = setting.strategy.num_replicas_in_sync
    sizes = setting.rng.integers(0, 3, (6, replicas))
    # In turn, one replica has no samples, and the next one has some.
    steps = np.arange(6)
    sizes[steps, steps % replicas] = 0
    sizes[steps, (steps + 1) % replicas] = 2

    def part_of(_: Any) -> tf.data.Dataset:
        x, y = tf.constant(setting.x), tf.constant(setting.y)
        parts = tf.data.Dataset.from_tensor_slices(np.ravel(sizes))
        return parts.map(lambda size: (x[:size], y[:size]))

    with setting.strategy.scope():
        inputs = keras.Input(SHAPE)
        x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(inputs))
        x = keras.layers.Dropout(0.1)(keras.layers.Dropout(0.2)(x))
        model = ReplicatedModel(inputs, keras.layers.Dense(CLASSES, "softmax")(x))
        model.compile("sgd", "sparse_categorical_crossentropy")
    found: list[Any] = []

    def note(batch: int, logs: Any) -> None:
        found.append(
            [
                [np.array(copy).tolist() for copy in copies]
                for copies in (
                    setting.strategy.experimental_local_results(state.value)
                    for state in seed_states(model)
                )
            ]
        )

    data = setting.strategy.distribute_datasets_from_function(part_of)
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    model.fit(data, verbose=0, callbacks=[callback])
    return {"states": found, "sizes": sizes.tolist()}


def accumulation(setting: Setting) -> Results:
    return compare(
        setting, lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    )


def accumulation_adam_clip(setting: Setting) -> Results:
    return compare(
        setting,
        lambda: keras.optimizers.Adam(
            0.01, gradient_accumulation_steps=2, global_clipnorm=0.05
        ),
        steps_per_execution=2,
    )


def clipnorm(setting: Setting) -> Results:
    return compare(
        setting, lambda: keras.optimizers.SGD(0.5, clipnorm=0.02, weight_decay=0.01)
    )


def loss_scale(setting: Setting) -> Results:
    return compare(
        setting,
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1, global_clipnorm=0.05), dynamic_growth_steps=2
        ),
        jit_compile=True,
    )


def static_loss_scale(setting: Setting) -> Results:
    return compare(setting, lambda: keras.optimizers.SGD(0.1, loss_scale_factor=64.0))


def ema(setting: Setting) -> Results:
    return compare(setting, lambda: keras.optimizers.SGD(0.1, use_ema=True))


def synchronized(setting: Setting) -> Results:
    return compare(setting, norm="synchronized", samples=SAMPLES // BATCH * BATCH)


def builder_xla(setting: Setting) -> Results:
    """A network of the builders with frozen norms, forward and backward by XLA."""
    rng = setting.rng
    x = rng.normal(size=(8, 4, 32, 32, 3)).astype("float32")
    y = rng.integers(0, CLASSES, 8)
    weights = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        with strategy.scope():
            model = small_builder_model()
            keras_nonlocal.training.freeze_batch_norm(model)
            if weights:
                model.set_weights(weights[0])
            weights.append(model.get_weights())
            model.compile(
                keras.optimizers.SGD(0.05),
                "sparse_categorical_crossentropy",
                jit_compile=strategy is setting.strategy,
            )
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    return {
        "type": type(model).__name__,
        "moved": largest_difference(weights[0], weights[1]),
        "weights": largest_difference(weights[1], weights[3]),
    }


def overflow_on_last_replica(setting: Setting) -> Results:
    """float16: what overflows on one replica keeps all of them from the update."""
    keras.config.set_dtype_policy("mixed_float16")
    with setting.strategy.scope():
        model = toy_model()
        model.compile(
            keras.optimizers.SGD(0.1),
            "sparse_categorical_crossentropy",
            jit_compile=True,
        )
    keras.config.set_dtype_policy("float32")
    x, y = setting.x[:BATCH].copy(), setting.y[:BATCH]
    model.train_on_batch(x, y)
    before = model.get_weights()
    scale = float(model.optimizer.dynamic_scale.numpy())
    x[-1] = 1e6
    model.train_on_batch(x, y)
    after = model.get_weights()
    halved = float(model.optimizer.dynamic_scale.numpy()) / scale
    model.train_on_batch(setting.x[:BATCH], y)
    return {
        "optimizer": type(model.optimizer).__name__,
        "scale": halved,
        "skipped": largest_difference(before, after),
        "next_update": largest_difference(after, model.get_weights()),
        "finite": all(bool(np.isfinite(w).all()) for w in model.get_weights()),
    }


def batches(setting: Setting) -> Results:
    """`train_on_batch` and `test_on_batch`, of a size that does not divide."""
    initial = toy_model().get_weights()
    logs, weights = [], []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        with strategy.scope():
            model = toy_model()
            model.set_weights(initial)
            model.compile(
                "sgd",
                "sparse_categorical_crossentropy",
                weighted_metrics=["accuracy"],
                jit_compile=False,
            )
        for size in (3, 7):
            batch = setting.x[:size], setting.y[:size], setting.sample_weight[:size]
            logs.append(model.train_on_batch(*batch))
            logs.append(model.test_on_batch(*batch))
        weights.append(model.get_weights())
    half = len(logs) // 2
    return {
        "logs": largest_difference(logs[:half], logs[half:]),
        "weights": largest_difference(*weights),
    }


def predictions(setting: Setting) -> Results:
    """`predict_on_batch` of sizes that do not divide, and `predict_video`."""
    models = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        with strategy.scope():
            models.append(toy_model())
    one, many = models
    one.set_weights(many.get_weights())
    sizes = (1, 3, 8, 5)
    pairs = [[m.predict_on_batch(setting.x[:size]) for m in models] for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, moving_pictures(8, 24, 32, int(setting.rng.integers(100))))
        views = [
            keras_nonlocal.predict_video(
                m, path, num_clips=3, num_crops=1, batch_size=2, frame_stride=1
            )
            for m in models
        ]
    return {
        "rows": [[len(scores) for scores in pair] for pair in pairs],
        "scores": max(largest_difference([a], [b]) for a, b in pairs),
        "video": largest_difference(views[:1], views[1:]),
    }


def precise_statistics(setting: Setting) -> Results:
    """The second norm sees what the first makes of the parts of each replica."""
    with setting.strategy.scope():
        inputs = keras.Input((5,))
        first = keras.layers.BatchNormalization(epsilon=1e-3)
        second = keras.layers.BatchNormalization()
        hidden = keras.layers.Activation("relu")(first(inputs))
        model = ReplicatedModel(inputs, second(hidden))
    x = setting.rng.normal(3.0, 2.0, size=(14, 5)).astype("float32")
    keras_nonlocal.training.update_batch_norm_statistics(model, [x[:8], x[8:]])
    parts = np.split(x.astype("float64"), [4, 8, 12])
    seen = np.concatenate(
        [
            np.maximum((part - part.mean(0)) / np.sqrt(part.var(0) + 1e-3), 0)
            for part in parts
        ]
    )
    found = [second.moving_mean.numpy(), second.moving_variance.numpy()]
    return {"difference": largest_difference(found, [seen.mean(0), seen.var(0)])}


def synchronized_evaluation(setting: Setting) -> Results:
    """A last batch that leaves a replica without samples, outside of training."""
    samples = BATCH + 1
    initial = toy_model("synchronized").get_weights()
    logs = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        with strategy.scope():
            model = toy_model("synchronized")
            model.set_weights(initial)
            model.compile(
                "sgd",
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
                jit_compile=False,
            )
        logs.append(model.evaluate(setting.dataset(samples), verbose=0))
        data = setting.dataset(BATCH)
        model.fit(data, validation_data=setting.dataset(samples), verbose=0)
    return {"logs": largest_difference(logs[:1], logs[1:])}


def moving_statistics(setting: Setting) -> Results:
    """Statistics of batches per replica, averaged; `norm` follows the first layer."""
    with setting.strategy.scope():
        inputs = keras.Input((5,))
        norm = keras.layers.BatchNormalization(momentum=0.9)
        model = ReplicatedModel(inputs, keras.layers.Dense(1)(norm(inputs)))
        model.compile("sgd", "mse", jit_compile=True)
    replicas = setting.strategy.num_replicas_in_sync
    x = setting.rng.normal(3.0, 2.0, size=(20, 5)).astype("float32")
    mean, variance = np.zeros(5), np.ones(5)
    # An even batch, an uneven one and one that leaves the last replica without samples.
    for batch in np.split(x, [8, 19]):
        data = tf.data.Dataset.from_tensors((batch, np.zeros((len(batch), 1))))
        model.fit(data, verbose=0)
        size = -(-len(batch) // replicas)
        parts = np.split(batch.astype("float64"), range(size, len(batch), size))
        shares = [0.1 * len(part) / len(batch) for part in parts]
        mean, variance = 0.9 * mean, 0.9 * variance
        for part, share in zip(parts, shares, strict=True):
            mean += share * part.mean(0)
            variance += share * part.var(0)
    copies = [
        [
            part.numpy().tolist()
            for part in setting.strategy.experimental_local_results(v)
        ]
        for v in (norm.moving_mean.value, norm.moving_variance.value)
    ]
    return {
        "expected": [mean.tolist(), variance.tolist()],
        "copies": copies,
    }


def refusals(setting: Setting) -> Results:
    """What is refused, with its message."""
    messages = {}
    with setting.strategy.scope():
        model = toy_model("synchronized")
        frozen = toy_model()

        class OwnStep(ReplicatedModel):
            def train_step(self, data: Any) -> Any:
                return super().train_step(data)

        own_step = OwnStep(frozen.input, frozen.output)
    mean = "sparse_categorical_crossentropy"
    attempts = {
        "synchronized": lambda: model.compile("sgd", mean, jit_compile=True),
        "reduction": lambda: frozen.compile(
            "sgd", keras.losses.SparseCategoricalCrossentropy(reduction=None)
        ),
        "overwriting": lambda: frozen.compile(
            keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=3), mean
        ),
        "accumulation": lambda: own_step.compile(
            keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), mean
        ),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except ValueError as error:
            messages[name] = str(error)
    model.compile("sgd", mean)
    try:
        model.fit(setting.dataset(BATCH + 1), verbose=0)
    except tf.errors.InvalidArgumentError as error:
        messages["empty_replica"] = str(error)
    return {"messages": messages, "auto": frozen_jit(frozen, mean)}


def frozen_jit(model: ReplicatedModel, loss: str) -> bool:
    model.compile("sgd", loss)
    return bool(model.jit_compile)


def rematerialized_xla(setting: Setting) -> Results:
    """A rematerialized network on replicas against the plain one on one device."""
    initial = toy_model().get_weights()
    weights = []
    for strategy in (tf.distribute.get_strategy(), setting.strategy):
        on_replicas = strategy is setting.strategy
        with strategy.scope():
            model = toy_model()
            model.set_weights(initial)
            trained = model
            if on_replicas:
                block = next(
                    layer.name
                    for layer in model.layers
                    if isinstance(layer, keras_nonlocal.layers.NonLocalBlock)
                )
                trained = keras_nonlocal.training.rematerialized(model, [block])
            trained.compile(
                "sgd", "sparse_categorical_crossentropy", jit_compile=on_replicas
            )
        trained.fit(setting.dataset(), epochs=2, verbose=0)
        weights.append(model.get_weights())
    return {
        "moved": largest_difference(initial, weights[1]),
        "weights": largest_difference(*weights),
    }


def derived_models(setting: Setting) -> Results:
    """Models that are made outside of the scope from one that was made in it."""
    with setting.strategy.scope():
        model = small_builder_model(nonlocal_blocks=1)
        frozen = small_builder_model(normalization="frozen_batch")
    derived = {
        "classifier": keras_nonlocal.training.replace_classifier(model, 2),
        "frames": keras_nonlocal.training.with_num_frames(model, 8),
        "rematerialized": keras_nonlocal.training.rematerialized(frozen),
    }
    return {
        name: [
            copy.on_replicas,
            min(
                len(setting.strategy.experimental_local_results(weight.value))
                for weight in copy.trainable_weights
            ),
        ]
        for name, copy in derived.items()
    }


def own_logs(setting: Setting) -> Results:
    """Logs of a `train_step` of the user's are averaged over the replicas."""

    class Ranked(ReplicatedModel):
        def train_step(self, data: Any) -> Any:
            super().train_step(data)
            rank = tf.distribute.get_replica_context().replica_id_in_sync_group
            return {"rank": tf.cast(rank, tf.float32)}

    with setting.strategy.scope():
        frozen = toy_model()
        model = Ranked(frozen.input, frozen.output)
        model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=2)
    return {"rank": model.fit(setting.dataset(), verbose=0).history["rank"][-1]}


def main() -> None:
    replicas = int(sys.argv[1])
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
    )
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        devices = [f"CPU:{index}" for index in range(replicas)]
        strategy = tf.distribute.MirroredStrategy(devices)
    setting = Setting(strategy, seed=int(sys.argv[2]))
    scenarios = scenarios_by_name()
    results = {name: scenarios[name](setting) for name in sys.argv[3:]}
    sys.stdout.write(json.dumps(results))


def scenarios_by_name() -> dict[str, Callable[[Setting], Results]]:
    from tests.training import replica_losses

    scenarios = (
        *replica_losses.SCENARIOS,
        plain,
        xla_steps_per_execution,
        unknown_length,
        empty_batches,
        seeds,
        accumulation,
        accumulation_adam_clip,
        clipnorm,
        loss_scale,
        static_loss_scale,
        ema,
        synchronized,
        builder_xla,
        overflow_on_last_replica,
        batches,
        precise_statistics,
        predictions,
        synchronized_evaluation,
        moving_statistics,
        refusals,
        derived_models,
        own_logs,
        rematerialized_xla,
    )
    return {scenario.__name__: scenario for scenario in scenarios}


if __name__ == "__main__":
    main()
