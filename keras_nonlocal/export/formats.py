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
from keras_nonlocal.export.pixel_scoring import (
    check_backend,
    checked_class_names,
    pixel_scoring,
)
from keras_nonlocal.export.portable import write_detector_onnx, write_portable
from keras_nonlocal.export.versions import write_version
from keras_nonlocal.files import local_path
from keras_nonlocal.tensors import Tensor

Format = Literal["saved_model", "onnx", "litert"]
FORMATS = ("saved_model", "onnx", "litert")


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
) -> Path:
    """Exports a model for TensorFlow Serving, or for ONNX or LiteRT runtimes.

    `"saved_model"` calls `keras_nonlocal.export_saved_model`. `"onnx"` and `"litert"`
    write `model.onnx` or `model.tflite` with `keras.Model.export`. The file has the
    input `clips`, pixels from 0 to 255 `(batch, num_frames, height, width, 3)` uint8,
    and the output `scores` `(batch, classes)`. LiteRT keeps all N×M weights of a block
    in memory at once. The ONNX file of a detector has the inputs `images`, uint8 pixels
    that are padded at the right and at the bottom, and `image_sizes`, int32 heights and
    widths without the padding, and the outputs of the detector. If a file contains
    operations that the runtime lacks, a warning to the logger `keras_nonlocal` names
    them and the requirement: the Flex delegate for LiteRT, or custom operations for
    ONNX.

    Args:
        model: As in `export_saved_model`.
        path: Local folder with the versions of the model.
        format: `"saved_model"`, `"onnx"` (needs the package `tf2onnx`) or `"litert"`.
            Defaults to `"saved_model"`.
        class_names: As in `export_saved_model`. For ONNX and LiteRT, the names are
            saved in `labels.txt` beside the model.
        version: Version number, which names the new folder. Defaults to one more than
            the highest number in `path`.
        preprocessing, activation, fold_batch_norm: As in `export_saved_model`.
        top, crop_size, short_side, long_side, num_crops, warm_up: As in
            `export_saved_model`, for SavedModels
            only.

    Returns:
        The folder of the version, `path/version`.

    Raises:
        ValueError: If an argument has an invalid value, or the model does not take
            clips.
        ImportError: If `format` is `"onnx"` and `tf2onnx` is not installed.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4, include_preprocessing=True)
    >>> folder = keras_nonlocal.export_model(model, "gestures", "litert")
    >>> [file.name for file in folder.iterdir()]
    ['model.tflite']
    """
    check_choice("format", format, FORMATS)
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
                "A detector is written as a SavedModel or as ONNX: LiteRT has no loops "
                f"of open length for its suppression. Received: format={format!r}"
            )
        check_not_given(
            "a clip model", preprocessing=preprocessing, activation=activation
        )
        names = detector_class_names(model, class_names)
        write = partial(write_detector_onnx, model=model, class_names=names)
    else:
        write = partial(
            write_portable,
            format=format,
            scoring=pixel_scoring(model, preprocessing, activation, fold_batch_norm),
            class_names=checked_class_names(model, class_names),
        )
    return write_version(local_path("path", path), version, write)


def _check_not_given(format: str, **arguments: Any) -> None:
    """Raises an error if an argument that only a SavedModel supports is given."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has an effect with format='saved_model' alone. "
                f"Received: {name}={value!r} with format={format!r}"
            )
