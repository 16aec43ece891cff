"""ONNX and LiteRT files, written by Keras's own exporters."""

import importlib
import importlib.util
import logging
import re
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras

from keras_nonlocal.data.lists.class_names import class_names_text
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.portable_layers import (
    detector_in_float32,
    with_portable_layers,
)
from keras_nonlocal.models.exported_facts import FACTS_FILE, FACTS_KEY
from keras_nonlocal.tensors import Tensor

_LOGGER = logging.getLogger("keras_nonlocal")
_ONNX_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")

FILE_NAMES = {"onnx": "model.onnx", "litert": "model.tflite"}


class _ScoringModel(keras.Model):
    """The model that Keras exports, from pixel bytes to scores."""

    def __init__(self, scoring: PixelScoring) -> None:
        super().__init__(name="scores_of_clips")
        self._inner = scoring.model
        self._scoring = scoring

    def call(self, clips: Tensor) -> Tensor:
        """Returns the scores `(batch, classes)` of clips."""
        return {"scores": self._scoring(clips)}


class DetectingModel(keras.Model):
    """The model that Keras exports of a detector, with two tensors as its inputs."""

    def __init__(self, detector: RegionModel) -> None:
        super().__init__(name="objects_of_pictures")
        self._detector = detector_in_float32(detector)

    def call(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """Returns the detections."""
        inputs = {"images": images, "image_sizes": image_sizes}
        return dict(self._detector(inputs, training=False))


def write_portable(folder: Path, format: str, scoring: PixelScoring) -> None:
    """Writes the model file and the labels to a folder.

    Args:
        folder: The folder to write to.
        format: A key of `FILE_NAMES`.
        scoring: The model.

    Raises:
        ImportError: If the converter to ONNX is not installed.
    """
    if format == "onnx":
        _check_converter()
    model = _ScoringModel(
        replace(scoring, model=with_portable_layers(scoring.model, format))
    )
    clips = (None, *scoring.clips, 3)
    model(keras.Input(batch_shape=clips, dtype="uint8"))
    path = folder / FILE_NAMES[format]
    clips_spec = keras.InputSpec(shape=clips, dtype="uint8", name="clips")
    _export(model, path, format, [clips_spec])
    _say_what_is_needed(path, format)
    _write_facts(path, format, scoring.facts.to_json())
    write_labels(folder, scoring.class_names)


def write_detector_onnx(
    folder: Path, model: RegionModel, class_names: Sequence[str] | None
) -> None:
    """Writes an ONNX file of a detector, and the labels.

    Its inputs are `images`, uint8 pixels, and `image_sizes`, int32. Its outputs have
    the names of those of the model.

    Args:
        folder: The folder to write to.
        model: The detector.
        class_names: Names of the classes, if known.

    Raises:
        ImportError: If the converter to ONNX is not installed.
    """
    _check_converter()
    detecting = DetectingModel(model)
    specs = [
        keras.InputSpec(
            shape=(None, *model.pyramid.input_shape[1:3], 3),
            dtype="uint8",
            name="images",
        ),
        keras.InputSpec(shape=(None, 2), dtype="int32", name="image_sizes"),
    ]
    detecting(
        *[keras.Input(batch_shape=spec.shape, dtype=spec.dtype) for spec in specs]
    )
    path = folder / FILE_NAMES["onnx"]
    _export(detecting, path, "onnx", specs)
    _say_what_is_needed(path, "onnx")
    write_labels(folder, class_names)


def _export(
    model: keras.Model, path: Path, format: str, specs: list[keras.InputSpec]
) -> None:
    with warnings.catch_warnings():
        # tf2onnx looks for a name that NumPy had once.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(str(path), format=format, verbose=False, input_signature=specs)


def _check_converter() -> None:
    if importlib.util.find_spec("tf2onnx") is None:
        raise ImportError("tf2onnx is needed to write ONNX: `pip install tf2onnx`.")


def _write_facts(path: Path, format: str, facts: str) -> None:
    """Writes facts into a model file."""
    if format == "litert":
        # As TensorFlow Lite's own metadata: the runtime reads the file from its
        # beginning, and an archive is read from its end.
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(FACTS_FILE, facts)
        return
    onnx = importlib.import_module("onnx")
    model = onnx.load(str(path), load_external_data=False)
    onnx.helper.set_model_props(model, {FACTS_KEY: facts})
    onnx.save(model, str(path))


def write_labels(folder: Path, class_names: Sequence[str] | None) -> None:
    """Writes `labels.txt`, if there are names."""
    if class_names is not None:
        (folder / "labels.txt").write_text(class_names_text(class_names), "utf-8")


def _say_what_is_needed(path: Path, format: str) -> None:
    """Logs a warning about operations that the runtime lacks."""
    if format == "litert":
        # The file names a TensorFlow operation by its own name after `Flex`.
        found = re.findall(rb"\0Flex([A-Z]\w*)\0", path.read_bytes())
        names = sorted({name.decode() for name in found})
        needed = "the Flex delegate (LiteRT with select TensorFlow operations)"
    else:
        names = _custom_onnx_operations(path)
        needed = "custom operations"
    if names:
        _LOGGER.warning("%s needs %s for %s", path.name, needed, ", ".join(names))


def _custom_onnx_operations(path: Path) -> list[str]:
    onnx = importlib.import_module("onnx")
    model = onnx.load(str(path), load_external_data=False)
    nodes = [*model.graph.node]
    names = set()
    while nodes:
        node = nodes.pop()
        if node.domain not in _ONNX_DOMAINS:
            names.add(f"{node.domain}.{node.op_type}")
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                nodes += graph.node
    return sorted(names)
