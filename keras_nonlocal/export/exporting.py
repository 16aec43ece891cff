"""`export_saved_model`: exports a trained model for TensorFlow Serving."""

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
    pair_of_sizes,
)
from keras_nonlocal.data.framing import Framing, FramingSampler
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.export.detectors import detector_writer
from keras_nonlocal.export.pixel_scoring import (
    check_backend,
    pixel_scoring,
)
from keras_nonlocal.export.versions import write_version
from keras_nonlocal.files import local_path
from keras_nonlocal.models.clip_model import ClipShape
from keras_nonlocal.tensors import Tensor


@named_elsewhere(image_size="crop_size")
def export_saved_model(
    model: keras.Model,
    directory: str | os.PathLike[str],
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
    format: Literal["saved_model"] = "saved_model",
) -> Path:
    """Writes a model for TensorFlow Serving.

    The SavedModel takes pixels from 0 to 255, needs neither Keras nor this package,
    and has these signatures, with `clip` for `num_frames, height, width, 3`:

    | signature | input | meaning |
    |---|---|---|
    | `serving_default` | `clips` `(batch, clip)` uint8 | one view each |
    | `views` | `views` `(batch, views, clip)` uint8 | the mean over views |
    | `encoded_clips` | `frames` `(batch, num_frames)` string | JPEG or PNG pictures |
    | `encoded_views` | `frames` `(batch, views, num_frames)` string | both |
    | `encoded_clips_with_status`, `encoded_views_with_status` | the same | see below |

    All signatures return `scores` `(batch, classes)`. If `class_names` is given, they
    also return `top_names` and `top_scores` `(batch, top)`. The numbers of clips and
    views are variable. Frames, height and width are variable if the model's input has
    `None` there.

    In the graph, encoded pictures are rotated according to their EXIF orientation,
    scaled and cropped as in `keras_nonlocal.data`. Size and position of the crop are
    identical. The pixels of a PNG are identical if the picture is not scaled and
    otherwise differ by rounding only. The pixels of JPEGs depend on the decoder: the
    mean difference is 0.2 levels of 255, or 0.2 to 1.3 for pictures with subsampled
    colors. Pictures of more than 2²⁶ pixels, stored or scaled, are rejected before they
    are decoded.

    A picture that cannot be decoded raises an error that names its position, such as
    `frames[3, 0] is damaged`, before anything is scored. The signatures with a status
    score the rest of the batch. Their output `status`, in the shape of `frames`, is
    `ok` or describes the problem with a picture. Their output `is_scored` `(batch,)` is
    false for elements with such a picture, whose scores are 0 and whose names are
    empty. Empty inputs raise an error.

    A detector is exported with these signatures:

    | signature | input |
    |---|---|
    | `serving_default` | `images` `(batch, height, width, 3)` uint8, of any size |
    | `padded_images` | also `image_sizes` `(batch, 2)` int32, as for `predict` |
    | `encoded_images` | `images` `(batch,)` string, JPEG or PNG pictures |
    | `encoded_images_with_status` | the same |

    They return the outputs of `predict`, padded to the same number of detections,
    and with `names` if there are class names. Encoded pictures are scaled as by
    `keras_nonlocal.data.coco_dataset`, their boxes are in pixels of the upright
    picture, and `image_sizes` is its height and width.

    A version appears in `directory` only when it is complete.

    Args:
        model: A `keras_nonlocal.detection.RegionModel`, or a model that takes RGB clips
            `(batch, num_frames, height, width, 3)` (channels first if that is Keras's
            image data format) and returns scores `(batch, classes)`.
            Keras must run on the TensorFlow backend, which can load `.keras` files from
            any backend.
        directory: Local folder with the versions of the model, to which the server is
            pointed.
        class_names: Names of the classes, saved in `assets/labels.txt`, one per line.
            Names that a plain line cannot hold are JSON strings. Defaults to those of
            `model.clip_info`, if any.
        top: Number of class names to return. Defaults to `5`, or to all if there are
            fewer.
        version: Version number, which names the new folder. Defaults to one more than
            the highest number in `directory`.
        crop_size: Side of the square crop of encoded pictures, or `(height, width)`, in
            pixels. Defaults to that of the model's input. A model with variable height
            or width needs either `crop_size` or `short_side`, and `short_side` alone
            keeps the whole picture.
        short_side: Length in pixels to which the shorter side of encoded pictures is
            scaled. Defaults to 8/7 of the longer side of the crop, and to that of the
            model's `picture_sides` for detectors.
        long_side: For detectors only, the maximum length of the longer side of encoded
            pictures, in pixels. Pictures also fit into the height and width of the
            model's input if these are fixed. Defaults to that of `picture_sides`.
        num_crops: Number of crops of encoded pictures: 1 (the center) or 3 (side by
            side along the longer side). Their scores are averaged. Defaults to `1`.
        preprocessing: Function applied to the pixels before the model, built from
            `keras.ops`. Defaults to the identity if the model was built with
            `include_preprocessing=True`, otherwise to `keras_nonlocal.preprocess_input`
            with the normalization of `model.clip_info`.
        activation: Activation applied to the model's outputs before any averaging, such
            as `"softmax"` for a model that returns logits. It must be `None` if the
            model already ends in a softmax or sigmoid. Defaults to `None`.
        fold_batch_norm: Whether to fold batch normalizations into the convolutions
            before them; see `keras_nonlocal.export.fold_batch_norm`. Detectors keep
            theirs. Defaults to `True`.
        warm_up: Whether to write one request for each signature to
            `assets.extra/tf_serving_warmup_requests`, which saves the first client from
            waiting. Defaults to `True`.
        format: Must be `"saved_model"`. For other formats, see
            `keras_nonlocal.export_model`. Defaults to `"saved_model"`.

    Returns:
        The folder of the version, `directory/version`.

    Raises:
        ValueError: If an argument has an invalid value, or the model does not take
            clips.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4, include_preprocessing=True)
    >>> keras_nonlocal.export_saved_model(
    ...     model, "gestures", class_names=["clap", "wave"]).name
    '1'

    References:
        [SavedModel warm-up](https://www.tensorflow.org/tfx/serving/saved_model_warmup).
    """
    if format != "saved_model":
        raise ValueError(
            "`export_saved_model` writes SavedModels; for other formats call "
            f"`keras_nonlocal.export_model(model, path, {format!r})`. "
            f"Received: format={format!r}"
        )
    check_backend()
    given_top, top = top, 5 if top is None else top
    check_positive_integer("top", top)
    if version is not None:
        check_positive_integer("version", version)
    folder = local_path("directory", directory)
    if isinstance(model, RegionModel):
        check_not_given(
            "a clip model",
            crop_size=crop_size,
            num_crops=num_crops,
            preprocessing=preprocessing,
            activation=activation,
            top=given_top,
        )
        return write_version(
            folder,
            version,
            detector_writer(model, class_names, short_side, long_side, warm_up),
        )
    check_not_given("a detector", long_side=long_side)
    scoring = pixel_scoring(
        model, preprocessing, activation, fold_batch_norm, class_names
    )
    num_crops = 1 if num_crops is None else num_crops
    from keras_nonlocal.export.saved_model import write_saved_model

    write = partial(
        write_saved_model,
        scoring=scoring,
        framing=_framing(scoring.clips, crop_size, short_side, num_crops),
        top=top,
        warm_up=warm_up is None or warm_up,
    )
    return write_version(folder, version, write)


def check_not_given(kind: str, **arguments: Any) -> None:
    """Raises where an argument is about models of another kind."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has an effect for {kind} alone. Received: {name}={value!r}"
            )


def _framing(
    clips: ClipShape,
    crop_size: int | tuple[int, int] | None,
    short_side: int | None,
    num_crops: int,
) -> Framing:
    """Returns how encoded pictures are framed for the model."""
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
