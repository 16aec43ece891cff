"""RoIAlign, non-maximum suppression and one convolution, for `detection.py`."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CONVOLUTION = "convolution 3×3 of a map 200×336, 256 channels"
PIECES: dict[str, dict[str, int]] = {
    CONVOLUTION: {"kernel": 3},
    "RoIAlign, 512 regions, 7×7": {"regions": 512, "side": 7},
    "RoIAlign, 128 regions, 14×14": {"regions": 128, "side": 14},
    "suppression of 1000 boxes": {"boxes": 1000},
    "suppression of 2000 boxes": {"boxes": 2000},
    "suppression of 4000 boxes": {"boxes": 4000},
}
MAP = (200, 336, 256)
STRIDE, THRESHOLD = 4, 0.5


def random_boxes(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, (1000, 500), (count, 2))
    sides = np.exp(rng.uniform(np.log(16), np.log(300), (count, 2)))
    return np.concatenate([corners, corners + sides], axis=1).astype("float32")


def random_map() -> np.ndarray:
    return np.random.default_rng(0).normal(size=MAP).astype("float32")


def seconds_of(step: Callable[[], Any], repeats: int) -> float:
    step()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def own_piece(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a piece in this package, in a graph of TensorFlow."""
    import tensorflow as tf

    settings, jit, repeats = PIECES[case["piece"]], case["jit"], case["repeats"]
    if "boxes" in settings:
        from keras_nonlocal.detection.suppression import suppress

        boxes = tf.constant(random_boxes(settings["boxes"])[None])
        is_box = tf.ones(boxes.shape[:2], "bool")

        @tf.function(jit_compile=jit)
        def kept() -> Any:
            return suppress(boxes, is_box, THRESHOLD)

        seconds = seconds_of(lambda: kept().numpy(), repeats)
        return {"forward": seconds, "gradients": None}
    if "kernel" in settings:
        return _convolution(settings["kernel"], repeats, case["is_plain"], jit)
    from keras_nonlocal.detection.roi_align import RoIAlign

    side = settings["side"]
    align = RoIAlign((side, side), (STRIDE,), is_aligned=False)
    features = tf.constant(random_map()[None])
    boxes = tf.constant(random_boxes(settings["regions"])[None])
    levels = tf.zeros(boxes.shape[:2], "int32")

    @tf.function(jit_compile=jit)
    def forward(features: Any) -> Any:
        return align([features], boxes, levels)

    @tf.function(jit_compile=jit)
    def gradients(features: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(align([features], boxes, levels) ** 2)
        return tf.convert_to_tensor(tape.gradient(loss, features))

    return {
        "forward": seconds_of(lambda: forward(features).numpy(), repeats),
        "gradients": seconds_of(lambda: gradients(features).numpy(), repeats),
    }


def _convolution(size: int, repeats: int, is_plain: bool, jit: bool) -> dict[str, Any]:
    """Seconds of the layer of the pyramid, or of the one of Keras."""
    import keras
    import tensorflow as tf

    from keras_nonlocal.layers.map_convolution import MapConv2D

    kind = keras.layers.Conv2D if is_plain else MapConv2D
    layer = kind(MAP[-1], size, padding="same")
    features = tf.constant(random_map()[None])
    options = {} if is_plain else {"training": True}
    layer(features)

    @tf.function(jit_compile=jit)
    def forward(features: Any) -> Any:
        return layer(features)

    @tf.function(jit_compile=jit)
    def gradients(features: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(layer(features, **options) ** 2)
        variables = [variable.value for variable in layer.trainable_variables]
        return tape.gradient(loss, [features, *variables])

    return {
        "forward": seconds_of(lambda: forward(features).numpy(), repeats),
        "gradients": seconds_of(lambda: gradients(features)[1].numpy(), repeats),
    }
