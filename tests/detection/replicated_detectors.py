"""A detector trained on replicas and on one device, in a process of its own.

Tests start `python -m tests.detection.replicated_detectors SEED HOW`, which prints the
largest differences. Each replica divides its losses by what it sampled itself. On one
device that is what a batch per replica with accumulated gradients does.
"""

import json
import sys
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.detection.detectors import pictures, small_detector, small_recipe

REPLICAS, STEPS = 2, 2


def all_sampled() -> Any:
    """A recipe that takes all anchors and regions, so that the sampling draws none."""
    recipe = small_recipe()
    return replace(
        recipe,
        proposals=replace(recipe.proposals, num_samples=4096, foreground_share=1.0),
        regions=replace(recipe.regions, num_samples=64, foreground_share=1.0),
    )


def detector() -> Any:
    model = small_detector(recipe=all_sampled())
    for layer in model.pyramid.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model


def batches(data: Any, size: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


def main() -> None:
    seed, how = int(sys.argv[1]), sys.argv[2]
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    )
    rng = np.random.default_rng(seed)
    # A picture without objects, and one with as many as there is place for.
    counts = [2, 0, 1, 4]
    rng.shuffle(counts)
    data = pictures(rng, counts)
    initial = [rng.normal(0, 0.05, w.shape) for w in detector().trainable_weights]
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    outcomes = []
    for scope in (tf.distribute.get_strategy(), strategy):
        on_replicas = scope is strategy
        with scope.scope():
            model = detector()
            for weight, value in zip(model.trainable_weights, initial, strict=True):
                weight.assign(value)
            steps = None if on_replicas else REPLICAS
            model.compile(
                keras.optimizers.SGD(0.01, gradient_accumulation_steps=steps),
                jit_compile=how == "xla" and on_replicas,
                run_eagerly=not on_replicas,
            )
        size = REPLICAS if on_replicas else 1
        history = model.fit(batches(data, size), shuffle=False, verbose=0).history
        outcomes.append((model, history))
    (one, one_history), (many, many_history) = outcomes
    result = {
        "on_replicas": [one.on_replicas, many.on_replicas],
        "jit_compile": many.jit_compile,
        "moved": largest(initial, one.trainable_weights),
        "weights": largest(one.trainable_weights, many.trainable_weights),
        "losses": {
            name: abs(values[0] - many_history[name][0]) / max(1.0, abs(values[0]))
            for name, values in one_history.items()
        },
    }
    sys.stdout.write(json.dumps(result))


def largest(a: list[Any], b: list[Any]) -> float:
    differences = [np.asarray(x) - np.asarray(y) for x, y in zip(a, b, strict=True)]
    # Unlike `max`, NaN if there is one.
    return float(np.max([np.abs(difference).max() for difference in differences]))


if __name__ == "__main__":
    main()
