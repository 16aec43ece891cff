"""`export_saved_model`: a trained model as files that a server loads."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras

from keras_nonlocal.data.arguments import (
    check_choice,
    check_positive_integer,
    pair_of_sizes,
)
from keras_nonlocal.data.transforms import Framing, FramingSampler
from keras_nonlocal.export.batch_norm_folding import fold_batch_norm as folded
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.versions import write_version
from keras_nonlocal.models.clip_shape import ClipShape, clip_shape, num_classes
from keras_nonlocal.models.preprocessing import has_preprocessing, preprocess_input

Format = Literal["saved_model", "onnx", "litert"]
FORMATS = ("saved_model", "onnx", "litert")


def export_saved_model(
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    top: int | None = None,
    version: int | None = None,
    crop_size: int | tuple[int, int] | None = None,
    short_side: int | None = None,
    num_crops: int | None = None,
    preprocessing: Callable[[Any], Any] | None = None,
    activation: str | Callable[[Any], Any] | None = None,
    fold_batch_norm: bool = True,
    warm_up: bool | None = None,
    format: Format = "saved_model",
) -> Path:
    """Writes a model for TensorFlow Serving, or for ONNX or LiteRT runtimes.

    The SavedModel takes pixels from 0 to 255, needs neither Keras nor this package,
    and has these signatures, with `clip` for `num_frames, height, width, 3`:

    | signature | input | meaning |
    |---|---|---|
    | `serving_default` | `clips` `(batch, clip)` uint8 | one view each |
    | `views` | `views` `(batch, views, clip)` uint8 | the mean over views |
    | `encoded_clips` | `frames` `(batch, num_frames)` string | JPEG or PNG pictures |
    | `encoded_views` | `frames` `(batch, views, num_frames)` string | both |

    All answer with `scores` `(batch, classes)`, and if `class_names` are given, with
    `top_names` and `top_scores` `(batch, top)` as well. The numbers of clips and views
    are open, and frames and sides are where the model's input has `None`. Encoded
    pictures are scaled and cropped in the graph as `keras_nonlocal.data` does it. Size
    and place of the crop are equal; orientation tags, which videos' frames do not have,
    are not heeded. The pixels of a PNG are equal where nothing is
    scaled and differ by rounding elsewhere; those of JPEGs depend on the decoder, by
    0.2 levels of 255 in the mean, or 0.2 to 1.3 where their colours are subsampled.

    A version appears in `directory` only when it is complete.

    Args:
        model: From RGB clips `(batch, num_frames, height, width, 3)` (channels first if
            that is Keras's image data format) to `(batch, classes)`, on Keras's
            TensorFlow backend; a `.keras` file of any backend can be loaded on it.
        directory: Local folder that holds the versions of the model; a server is
            pointed to it.
        class_names: Name of each class. They are saved as `assets/labels.txt`, one per
            line. Defaults to `None`.
        top: Number of names in an answer. Defaults to `5`, or all if there are fewer.
        version: Number of the folder that is written. Defaults to one more than the
            highest number in `directory`.
        crop_size: Side of the square crop of encoded pictures, or `(height, width)`, in
            pixels. Defaults to that of the model's input; for a model with open height
            or width, to the whole picture if `short_side` is given. A SavedModel of
            such a model needs one of the two.
        short_side: Pixels to which the shorter side of encoded pictures is scaled.
            Defaults to 8/7 of the longer side of the crop.
        num_crops: 1 (the centre) or 3 (side by side along the longer side) crops of
            encoded pictures, whose scores are averaged. Defaults to `1`.
        preprocessing: Applied to the pixels before the model, with `keras.ops`. By
            default nothing if the model was built with `include_preprocessing=True`,
            otherwise `keras_nonlocal.preprocess_input`.
        activation: Applied to what the model puts out, before any averaging, such as
            `"softmax"` for a model with logits; not for one whose last layer is a
            softmax or sigmoid already. Defaults to `None`.
        fold_batch_norm: Whether batch normalisations become part of the convolutions
            before them; see `keras_nonlocal.export.fold_batch_norm`. Defaults to
            `True`.
        warm_up: Whether `assets.extra/tf_serving_warmup_requests` gets one request for
            each signature, so that the first client need not wait. Defaults to `True`.
        format: `"saved_model"`; `"onnx"` or `"litert"` write `model.onnx` or
            `model.tflite` by `keras.Model.export`, with the input `clips`, the output
            `scores` and `labels.txt` beside it; they have no encoded pictures, names in
            answers and warm-up, and take no arguments about them. ONNX needs the
            package `tf2onnx`; LiteRT holds all N×M weights of a block at once. Defaults
            to `"saved_model"`.

    Returns:
        The folder of the version, `directory/version`.

    Raises:
        ValueError: If an argument has a value it cannot have, or the model does not
            take clips.
        ImportError: If ONNX is asked for and `tf2onnx` is not installed.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4, include_preprocessing=True)
    >>> keras_nonlocal.export_saved_model(
    ...     model, "gestures", class_names=["clap", "wave"]).name
    '1'

    References:
        [SavedModel warm-up](https://www.tensorflow.org/tfx/serving/saved_model_warmup).
    """
    _check_backend()
    check_choice("format", format, FORMATS)
    if format != "saved_model":
        _check_not_given(
            format,
            top=top,
            crop_size=crop_size,
            short_side=short_side,
            num_crops=num_crops,
            warm_up=warm_up,
        )
    top = 5 if top is None else top
    check_positive_integer("top", top)
    if version is not None:
        check_positive_integer("version", version)
    clips = clip_shape(model)
    _check_scores(model, class_names)
    if "://" in os.fspath(directory):
        raise ValueError(
            f"`directory` must be a local folder. Received: directory={directory!r}"
        )
    if preprocessing is None and not has_preprocessing(model):
        preprocessing = preprocess_input
    scoring = PixelScoring(
        folded(model) if fold_batch_norm else model,
        clips,
        preprocessing,
        None if activation is None else keras.activations.get(activation),
    )
    write: Callable[[Path], None]
    if format == "saved_model":
        framing = _framing(
            clips, crop_size, short_side, 1 if num_crops is None else num_crops
        )
        from keras_nonlocal.export.saved_model import write_saved_model

        write = partial(
            write_saved_model,
            scoring=scoring,
            framing=framing,
            class_names=class_names,
            top=top,
            warm_up=warm_up is None or warm_up,
        )
    else:
        from keras_nonlocal.export.portable import write_portable

        write = partial(
            write_portable, format=format, scoring=scoring, class_names=class_names
        )
    return write_version(Path(directory), version, write)


def _check_not_given(format: str, **arguments: Any) -> None:
    """Raises where an argument is about what only a SavedModel has."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has an effect with format='saved_model' alone. "
                f"Received: {name}={value!r} with format={format!r}"
            )


def _check_scores(model: keras.Model, class_names: Sequence[str] | None) -> None:
    count = num_classes(model)
    if class_names is not None and len(class_names) != count:
        raise ValueError(
            f"`class_names` must name the {count} classes of the model. "
            f"Received: class_names with {len(class_names)} names"
        )


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported on Keras's TensorFlow backend: set "
            "KERAS_BACKEND=tensorflow and load the model again. "
            f"Received: backend={keras.backend.backend()!r}"
        )


def _framing(
    clips: ClipShape,
    crop_size: int | tuple[int, int] | None,
    short_side: int | None,
    num_crops: int,
) -> Framing:
    """How encoded pictures become what the model takes."""
    check_choice("num_crops", num_crops, (1, 3))
    own = (clips.height, clips.width)
    if crop_size is None and None in own:
        if short_side is None or num_crops != 1:
            raise ValueError(
                "`crop_size` must be given for the SavedModel of a model with open "
                "height or width, or `short_side` alone for whole pictures: encoded "
                "pictures are scaled in the graph. Received: crop_size=None, "
                f"short_side={short_side}, num_crops={num_crops} for clips of "
                f"height × width {own}"
            )
        check_positive_integer("short_side", short_side)
        return Framing(short_side, None)
    size = pair_of_sizes("crop_size", own if crop_size is None else crop_size)
    if any(have not in (None, want) for have, want in zip(own, size, strict=True)):
        raise ValueError(
            "`crop_size` must be what the model takes. "
            f"Received: crop_size={crop_size} for clips of height × width {own}"
        )
    return FramingSampler(size, short_side, num_crops).framing()
