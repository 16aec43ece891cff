"""OpenVINO files of models and detectors, in float32 or quantized to int8.

The graph of the model is converted as TensorFlow traces it. `keras.Model.export` does
the same, but leaves the outputs without names and the file without facts. Conversion
from a SavedModel or from ONNX gives the same scores, but takes longer.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal.detection import RegionModel
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.portable import DetectingModel, write_labels
from keras_nonlocal.export.portable_layers import with_portable_layers
from keras_nonlocal.models.clip_model import ClipShape
from keras_nonlocal.models.exported_facts import FACTS_KEY
from keras_nonlocal.optional_packages import import_nncf, import_openvino

FILE_NAME = "model.xml"

# An array of clips, or batches of clips with or without labels.
CalibrationClips = np.ndarray | Iterable[Any]


def write_openvino(
    folder: Path,
    scoring: PixelScoring,
    calibration_clips: CalibrationClips | None = None,
) -> None:
    """Writes the model file, its weights and the labels to a folder.

    Args:
        folder: The folder to write to.
        scoring: The model.
        calibration_clips: See `export_model`.

    Raises:
        ImportError: If OpenVINO, or NNCF for quantization, is not installed.
        ValueError: If the calibration clips are not clips of the model.
    """
    openvino = import_openvino()
    clips = []
    if calibration_clips is not None:
        import_nncf()
        clips = _single_clips(calibration_clips, scoring.clips)
    import tensorflow as tf

    scoring = replace(scoring, model=with_portable_layers(scoring.model, "openvino"))
    spec = tf.TensorSpec((None, *scoring.clips, 3), tf.uint8, "clips")
    model = _converted(lambda clips: {"scores": scoring(clips)}, [spec])
    if clips:
        model = _quantized(model, clips)
    model.set_rt_info(scoring.facts.to_json(), [FACTS_KEY])
    openvino.save_model(model, folder / FILE_NAME, compress_to_fp16=False)
    write_labels(folder, scoring.class_names)


def write_detector_openvino(
    folder: Path, model: RegionModel, class_names: Sequence[str] | None
) -> None:
    """Writes the file of a detector, its weights and the labels to a folder.

    Its inputs are `images`, uint8 pixels, and `image_sizes`, int32. Its outputs have
    the names of those of the model.

    Args:
        folder: The folder to write to.
        model: The detector.
        class_names: Names of the classes, if known.

    Raises:
        ImportError: If OpenVINO is not installed.
    """
    openvino = import_openvino()
    import tensorflow as tf

    detecting = DetectingModel(model)
    images = (None, *model.pyramid.input_shape[1:3], 3)
    specs = [
        tf.TensorSpec(images, tf.uint8, "images"),
        tf.TensorSpec((None, 2), tf.int32, "image_sizes"),
    ]
    converted = _converted(lambda images, sizes: detecting(images, sizes), specs)
    openvino.save_model(converted, folder / FILE_NAME, compress_to_fp16=False)
    write_labels(folder, class_names)


def _converted(compute: Callable[..., dict[str, Any]], specs: list[Any]) -> Any:
    """Returns an `openvino.Model` with the names of the inputs and outputs alone."""
    import tensorflow as tf

    graph = tf.function(compute, input_signature=specs, autograph=False)
    function = graph.get_concrete_function()
    model = import_openvino().convert_model(function)
    names = {spec.name for spec in specs} | {*function.structured_outputs}
    for port in (*model.inputs, *model.outputs):
        port.tensor.set_names(port.tensor.names & names)
    return model


def _quantized(model: Any, clips: Sequence[np.ndarray]) -> Any:
    """Returns the model with weights and activations in int8.

    Args:
        model: An `openvino.Model`.
        clips: From which the ranges of the activations are measured, one at a time.
    """
    nncf = import_nncf()
    # It prints its progress, which is not what a program outputs.
    with contextlib.redirect_stdout(sys.stderr):
        return nncf.quantize(model, nncf.Dataset(clips), subset_size=len(clips))


def _single_clips(
    calibration_clips: CalibrationClips, shape: ClipShape
) -> list[np.ndarray]:
    """Returns clips `(1, num_frames, height, width, 3)`."""
    batches = (
        [calibration_clips]
        if hasattr(calibration_clips, "__array__")
        else calibration_clips
    )
    found = []
    for batch in batches:
        clips = np.asarray(batch[0] if isinstance(batch, tuple | list) else batch)
        fits = len(clips.shape) == 5 and all(
            want in (None, have)
            for want, have in zip((*shape, 3), clips.shape[1:], strict=True)
        )
        if not fits or clips.dtype != np.uint8:
            raise ValueError(
                "`calibration_clips` must be pixels from 0 to 255 of the model's clips,"
                f" a uint8 array (clips, {_sizes(shape)}, 3), or batches of them. "
                f"Received: an array of shape {clips.shape} and type {clips.dtype}"
            )
        found += np.split(clips, len(clips)) if len(clips) else []
    if not found:
        raise ValueError(
            "`calibration_clips` must hold at least one clip. Received: none"
        )
    return found


def _sizes(shape: ClipShape) -> str:
    return ", ".join(
        name if size is None else str(size) for name, size in shape._asdict().items()
    )
