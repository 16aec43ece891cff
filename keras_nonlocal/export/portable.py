"""ONNX and LiteRT files, written by Keras's own exporters."""

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.portable_layers import with_portable_layers

FILE_NAMES = {"onnx": "model.onnx", "litert": "model.tflite"}


class _ScoringModel(keras.Model):
    """Bytes of pixels in, scores out, as the model that Keras exports."""

    def __init__(self, scoring: PixelScoring) -> None:
        super().__init__(name="scores_of_clips")
        self._inner = scoring.model
        self._scoring = scoring

    def call(self, clips: Any) -> Any:
        """`scores` `(batch, classes)` of clips."""
        return {"scores": self._scoring(clips)}


def write_portable(
    folder: Path,
    format: str,
    scoring: PixelScoring,
    class_names: Sequence[str] | None,
) -> None:
    """Fills a folder with one file for another runtime, and the labels.

    Args:
        folder: Where to write.
        format: A key of `FILE_NAMES`.
        scoring: The model.
        class_names: Names of the classes, if known.

    Raises:
        ImportError: If the converter to ONNX is not installed.
    """
    if format == "onnx" and importlib.util.find_spec("tf2onnx") is None:
        raise ImportError("tf2onnx is needed to write ONNX: `pip install tf2onnx`.")
    model = _ScoringModel(
        replace(scoring, model=with_portable_layers(scoring.model, format))
    )
    clips = (None, *scoring.clips, 3)
    model(keras.Input(batch_shape=clips, dtype="uint8"))
    model.export(
        str(folder / FILE_NAMES[format]),
        format=format,
        verbose=False,
        input_signature=[keras.InputSpec(shape=clips, dtype="uint8", name="clips")],
    )
    if class_names is not None:
        text = "".join(f"{name}\n" for name in class_names)
        (folder / "labels.txt").write_text(text, "utf-8")
