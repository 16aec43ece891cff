"""A SavedModel with one signature for every form in which clips are sent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from keras_nonlocal.data.transforms import Framing
from keras_nonlocal.export.encoded_frames import decode_views
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.warm_up import write_warm_up_requests

# In the place of sizes that are open, for the warm-up.
_SOME_FRAMES = 8
_SOME_SIDE = 224
_GREY = 128


class Signature(NamedTuple):
    """An entry of the SavedModel.

    Args:
        name: Of the signature.
        compute: From the input to a mapping of outputs.
        spec: Name, shape and dtype of the input.
    """

    name: str
    compute: Callable[[Any], dict[str, Any]]
    spec: Any


def write_saved_model(
    folder: Path,
    scoring: PixelScoring,
    framing: Framing,
    class_names: Sequence[str] | None,
    top: int,
    warm_up: bool,
) -> None:
    """Fills a folder with a SavedModel; see `export_saved_model` for the arguments."""
    module = tf.Module()
    module.model_variables = [variable.value for variable in scoring.model.variables]
    if class_names is not None:
        labels = folder / "labels.txt"
        labels.write_text("".join(f"{name}\n" for name in class_names), "utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
    signatures = _signatures(scoring, framing, _answer(class_names, top))
    functions = {
        signature.name: _graph(signature.compute, signature.spec)
        for signature in signatures
    }
    tf.saved_model.save(module, str(folder), signatures=functions)
    if class_names is not None:
        labels.unlink()  # its copy is in `assets`
    if warm_up:
        write_warm_up_requests(folder, _requests(signatures, framing))


def _graph(compute: Callable[[Any], Any], spec: Any) -> Any:
    return tf.function(
        compute, input_signature=[spec], autograph=False
    ).get_concrete_function()


def _signatures(
    scoring: PixelScoring, framing: Framing, answer: Callable[[Any], dict[str, Any]]
) -> list[Signature]:
    num_frames = scoring.clips.num_frames
    clip = (*scoring.clips, 3)
    clips_spec = tf.TensorSpec((None, *clip), tf.uint8, "clips")
    score = _graph(scoring, clips_spec)  # one network for all signatures

    def score_views(views: Any) -> Any:
        """`(batch, views, *clip)` → the mean over the views."""
        shape = tf.shape(views)
        clips = tf.reshape(views, tf.concat([[-1], shape[2:]], 0))
        scores = score(tf.ensure_shape(clips, (None, *views.shape[2:])))
        scores = tf.reshape(scores, tf.concat([shape[:2], [scoring.num_classes]], 0))
        return tf.reduce_mean(scores, 1)

    def score_encoded_views(frames: Any) -> Any:
        """`(batch, views, num_frames)` → the mean over views and crops."""
        shape = tf.shape(frames)
        flat = tf.ensure_shape(
            tf.reshape(frames, tf.concat([[-1], shape[2:]], 0)), (None, num_frames)
        )
        scores = score_views(decode_views(flat, framing))
        scores = tf.reshape(scores, tf.concat([shape[:2], [scoring.num_classes]], 0))
        return tf.reduce_mean(scores, 1)

    return [
        Signature(
            "serving_default",
            lambda clips: answer(score(clips)),
            clips_spec,
        ),
        Signature(
            "views",
            lambda views: answer(score_views(views)),
            tf.TensorSpec((None, None, *clip), tf.uint8, "views"),
        ),
        Signature(
            "encoded_clips",
            lambda frames: answer(score_views(decode_views(frames, framing))),
            tf.TensorSpec((None, num_frames), tf.string, "frames"),
        ),
        Signature(
            "encoded_views",
            lambda frames: answer(score_encoded_views(frames)),
            tf.TensorSpec((None, None, num_frames), tf.string, "frames"),
        ),
    ]


def _answer(
    class_names: Sequence[str] | None, top: int
) -> Callable[[Any], dict[str, Any]]:
    """Makes the named outputs of a signature from scores `(batch, classes)`."""
    if class_names is None:
        return lambda scores: {"scores": scores}

    def answer(scores: Any) -> dict[str, Any]:
        best, indices = tf.math.top_k(scores, min(top, len(class_names)))
        names = tf.gather(tf.constant([*class_names]), indices)
        return {"scores": scores, "top_names": names, "top_scores": best}

    return answer


def _requests(
    signatures: Sequence[Signature], framing: Framing
) -> dict[str, dict[str, Any]]:
    """One grey clip for each signature."""
    height, width = framing.crop_size or (framing.short_side,) * 2
    picture = tf.io.encode_jpeg(tf.fill((height, width, 3), tf.cast(_GREY, tf.uint8)))
    requests = {}
    for signature in signatures:
        spec = signature.spec
        sizes = [_SOME_FRAMES]
        if spec.dtype != tf.string:
            sizes += [height, width, 3]
        sizes = [1] * (len(spec.shape) - len(sizes)) + sizes
        sizes = [
            usual if size is None else size
            for size, usual in zip(spec.shape, sizes, strict=True)
        ]
        value = picture.numpy() if spec.dtype == tf.string else _GREY
        # One value stands for all of the tensor.
        tensor = tf.make_tensor_proto(value, spec.dtype, sizes)
        requests[signature.name] = {spec.name: tensor}
    return requests
