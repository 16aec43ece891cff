"""Scores whole videos by this package, for whole_videos.py, and compares views."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import numpy as np
from devices import backend_version, device_name

FRAMES, STRIDE, SIDE, CLASSES = 8, 8, 256, 400
# What is not the usual way.
FORMER = "whole videos ahead"
IN_TURN = "one after the other"
BFLOAT16 = "bfloat16"


def main() -> None:
    case = json.loads(sys.argv[sys.argv.index("--case") + 1])
    steps = {"test": test, "views": compare}
    print(json.dumps(steps[case["step"]](case)))


def test(case: dict[str, Any]) -> dict[str, Any]:
    """Scores all videos, and returns the seconds and the versions."""
    import keras

    from keras_nonlocal import predict_videos
    from keras_nonlocal.data import PyAVReader
    from keras_nonlocal.inference import view_scores

    if case["configuration"] == IN_TURN:
        view_scores.streams_ahead = in_turn
    model = own_model(case) if case["wait"] is None else waiting_model(case)
    reader = WholeVideos if case["configuration"] == FORMER else PyAVReader
    clips = (case["batch"], FRAMES, SIDE, SIDE, 3)
    model.predict_on_batch(np.zeros(clips, "float32"))
    start = time.perf_counter()
    predict_videos(
        model,
        case["paths"],
        case["clips"],
        case["crops"],
        frame_stride=STRIDE,
        short_side=SIDE,
        batch_size=case["batch"],
        open_video=reader,
    )
    seconds = time.perf_counter() - start
    versions = f"Keras {keras.__version__}, {backend_version()}"
    return {"seconds": [seconds], "versions": versions, "device": device_name()}


def own_model(case: dict[str, Any]) -> Any:
    import keras

    import keras_nonlocal

    if case["configuration"] == BFLOAT16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    return keras_nonlocal.NLResNet(
        case["depth"],
        case["variant"],
        weights=case["weights"],
        input_shape=(FRAMES, SIDE, SIDE, 3),
        classes=CLASSES,
        score_window=(FRAMES // 2, 7, 7),
    )


def waiting_model(case: dict[str, Any]) -> Any:
    """A model that only waits."""
    import keras

    clips = keras.Input((FRAMES, SIDE, SIDE, 3))
    mean = keras.layers.GlobalAveragePooling3D()(clips)
    scores = keras.layers.Dense(CLASSES, activation="softmax")(mean)
    model = keras.Model(clips, scores)

    def predict_on_batch(x: np.ndarray) -> np.ndarray:
        time.sleep(1e-3 * case["wait"] * len(x))
        return np.zeros((len(x), CLASSES), "float32")

    model.predict_on_batch = predict_on_batch
    return model


def in_turn(
    function: Callable[[Any], Iterator[Any]], items: Sequence[Any], **limits: Any
) -> Iterator[tuple[Any, Any]]:
    """Decodes in the thread of the network."""
    for item in items:
        for value in function(item):
            yield item, value


class WholeVideos:
    """A reader that has no clip of a video before all of them."""

    def __init__(self, path: str) -> None:
        from keras_nonlocal.data import PyAVReader

        self._video = PyAVReader(path)

    def __enter__(self) -> "WholeVideos":
        return self

    def __exit__(self, *error: object) -> None:
        self._video.close()

    @property
    def times(self) -> np.ndarray:
        return self._video.times

    def read(self, indices: np.ndarray, framing: Any) -> np.ndarray:
        return self._video.read(indices, framing)


def compare(case: dict[str, Any]) -> dict[str, float]:
    """Scores views that PySlowFast has decoded and scored."""
    from keras_nonlocal import preprocess_input
    from keras_nonlocal.data import FramingSampler, PyAVReader

    model = own_model(case)
    with np.load(case["views"]) as views:
        pixels, scores = views["pixels"], views["scores"]
    with PyAVReader(case["paths"][0]) as video:
        framing = FramingSampler((SIDE, SIDE), SIDE, case["crops"]).framing()
        own = np.moveaxis(video.read(peer_frames(), framing), 1, 0)
    own_scores = model.predict_on_batch(preprocess_input(own))
    differences = np.abs((pixels * 0.225 + 0.45) * 255 - own)
    return {
        "scores": float(np.abs(model.predict_on_batch(pixels) - scores).max()),
        "largest": float(scores.max()),
        "pixels": float(differences.max()),
        "mean": float(differences.mean()),
        "decoded": float(np.abs(own_scores - scores).max()),
    }


def peer_frames() -> np.ndarray:
    """The frames of the first clip in PySlowFast.

    Of the frames between the first and the last of a clip, and the one after, it takes
    some at equal distances over `FRAMES * STRIDE` frames, or else the last one.
    """
    last = (FRAMES - 1) * STRIDE
    steps = np.linspace(0, FRAMES * STRIDE - 1, FRAMES).astype(int)
    return np.minimum(steps, last)


if __name__ == "__main__":
    main()
