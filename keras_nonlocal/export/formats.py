"""`export_model`: exports a trained model in any supported format."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras

from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    named_elsewhere,
)
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.export.detectors import detector_class_names
from keras_nonlocal.export.exporting import check_not_given, export_saved_model
from keras_nonlocal.export.openvino_file import (
    CalibrationClips,
    write_detector_openvino,
    write_openvino,
)
from keras_nonlocal.export.pixel_scoring import (
    check_backend,
    pixel_scoring,
)
from keras_nonlocal.export.portable import write_detector_onnx, write_portable
from keras_nonlocal.export.versions import write_version
from keras_nonlocal.files import local_path
from keras_nonlocal.tensors import Tensor

Format = Literal["saved_model", "onnx", "litert", "openvino"]
FORMATS = ("saved_model", "onnx", "litert", "openvino")


@named_elsewhere(image_size="crop_size")
def export_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    format: Format = "saved_model",
    *,
    class_names: Sequence[str] | None = None,
    top: int | None = None,
    version: int | None = None,
    crop_size: int | tuple[int, int] | None = None,
    short_side: int | None = None,
    long_side: int | None = None,
    num_crops: int | None = None,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    activation: str | Callable[[Tensor], Tensor] | None = None,
    fold_batch_norm: bool = True,
    warm_up: bool | None = None,
    calibration_clips: CalibrationClips | None = None,
) -> Path:
    """Exports a model for TensorFlow Serving, or for other runtimes.

    `"saved_model"` calls `keras_nonlocal.export_saved_model`. `"onnx"` and `"litert"`
    write `model.onnx` or `model.tflite` with `keras.Model.export`. `"openvino"` writes
    `model.xml` and its weights, `model.bin`. The file has the input `clips`, pixels
    from 0 to 255 `(batch, num_frames, height, width, 3)` uint8, and the output `scores`
    `(batch, classes)`. `keras_nonlocal.inference.ExportedModel` runs it, and
    `predict_video` and `evaluate_videos` take it in place of a model: the file holds
    the names of the classes and the facts of `model.clip_info`.

    LiteRT keeps all N×M weights of a block in memory at once. The ONNX or OpenVINO file
    of a detector has the inputs `images`, uint8 pixels that are padded at the right and
    at the bottom, and `image_sizes`, int32 heights and widths without the padding, and
    the outputs of the detector. If a file contains operations that the runtime lacks, a
    warning to the logger `keras_nonlocal` names them and the requirement: the Flex
    delegate for LiteRT, or custom operations for ONNX.

    Args:
        model: As in `export_saved_model`.
        path: Local folder with the versions of the model.
        format: `"saved_model"`, `"onnx"` (needs the package `tf2onnx`), `"litert"` or
            `"openvino"` (needs the package `openvino`). Defaults to `"saved_model"`.
        class_names: As in `export_saved_model`. For the other formats, the names are
            also saved in `labels.txt` beside the model.
        version: Version number, which names the new folder. Defaults to one more than
            the highest number in `path`.
        preprocessing, activation, fold_batch_norm: As in `export_saved_model`.
        top, crop_size, short_side, long_side, num_crops, warm_up: As in
            `export_saved_model`, for SavedModels
            only.
        calibration_clips: For clip models in OpenVINO only. If given, weights and
            activations are quantized to int8 with the package `nncf`, with ranges that
            are measured on these clips: a uint8 array `(num_clips, num_frames, height,
            width, 3)` of pixels from 0 to 255, or batches of such clips with or without
            labels, such as a dataset of `keras_nonlocal.data`. All of them are kept in
            memory; 100 to 300 clips of the training set are common. Defaults to `None`,
            float32.

    Returns:
        The folder of the version, `path/version`.

    Raises:
        ValueError: If an argument has an invalid value, or the model does not take
            clips.
        ImportError: If the package that `format` needs is not installed.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4, include_preprocessing=True)
    >>> folder = keras_nonlocal.export_model(model, "gestures", "litert")
    >>> [file.name for file in folder.iterdir()]
    ['model.tflite']
    """
    check_choice("format", format, FORMATS)
    if calibration_clips is not None and format != "openvino":
        raise ValueError(
            "`calibration_clips` has an effect with format='openvino' alone. Received: "
            f"calibration_clips of type {type(calibration_clips).__name__} with "
            f"format={format!r}"
        )
    if format == "saved_model":
        return export_saved_model(
            model,
            local_path("path", path),
            class_names=class_names,
            top=top,
            version=version,
            crop_size=crop_size,
            short_side=short_side,
            long_side=long_side,
            num_crops=num_crops,
            preprocessing=preprocessing,
            activation=activation,
            fold_batch_norm=fold_batch_norm,
            warm_up=warm_up,
        )
    check_backend()
    _check_not_given(
        format,
        top=top,
        crop_size=crop_size,
        short_side=short_side,
        long_side=long_side,
        num_crops=num_crops,
        warm_up=warm_up,
    )
    if version is not None:
        check_positive_integer("version", version)
    if isinstance(model, RegionModel):
        if format == "litert":
            raise ValueError(
                "A detector is written as a SavedModel, as ONNX or for OpenVINO: "
                "LiteRT has no loops of open length for its suppression. "
                f"Received: format={format!r}"
            )
        if calibration_clips is not None:
            raise ValueError(
                "`calibration_clips` has an effect for a clip model alone. "
                "Received: calibration_clips for a detector"
            )
        check_not_given(
            "a clip model", preprocessing=preprocessing, activation=activation
        )
        names = detector_class_names(model, class_names)
        write_detector = (
            write_detector_onnx if format == "onnx" else write_detector_openvino
        )
        write = partial(write_detector, model=model, class_names=names)
    else:
        scoring = pixel_scoring(
            model, preprocessing, activation, fold_batch_norm, class_names
        )
        if format == "openvino":
            write = partial(
                write_openvino, scoring=scoring, calibration_clips=calibration_clips
            )
        else:
            write = partial(write_portable, format=format, scoring=scoring)
    return write_version(local_path("path", path), version, write)


def _check_not_given(format: str, **arguments: Any) -> None:
    """Raises an error if an argument that only a SavedModel supports is given."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has an effect with format='saved_model' alone. "
                f"Received: {name}={value!r} with format={format!r}"
            )
