"""The signatures of a SavedModel, one for each form of input."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.export.encoded_frames import check_status, decode_views, is_ok
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.tensors import Tensor

Outputs = dict[str, Tensor]
Answer = Callable[[Tensor], Outputs]


class Signature(NamedTuple):
    """A signature of the SavedModel.

    Args:
        name: Name of the signature.
        compute: Takes the input and returns a mapping from names to outputs.
        spec: Name, shape and dtype of the input.
    """

    name: str
    compute: Callable[[Tensor], Outputs]
    spec: Any

    def graph(self) -> Any:
        """Returns the function to save.

        It rejects empty inputs, on which some TensorFlow kernels crash.
        """

        def compute(inputs: Tensor) -> Outputs:
            with tf.control_dependencies([self._check(inputs)]):
                return self.compute(tf.identity(inputs))

        return as_graph(compute, self.spec)

    def _check(self, inputs: Tensor) -> Tensor:
        shape = tf.shape(inputs)
        message = f"`{self.spec.name}` must hold at least one element. Received: shape"
        return tf.debugging.Assert(tf.reduce_all(shape > 0), [message, shape])


def signatures(
    scoring: PixelScoring,
    framing: Framing,
    class_names: Sequence[str] | None,
    top: int,
) -> list[Signature]:
    """Returns all signatures; see `export_saved_model` for the arguments."""
    clip = (*scoring.clips, 3)
    scores = _Scores(scoring, framing)
    answer = _answer(class_names, top)
    frames = (None, scoring.clips.num_frames)
    encoded_clips = tf.TensorSpec(frames, tf.string, "frames")
    encoded_views = tf.TensorSpec((None, *frames), tf.string, "frames")

    def strict(frames: Tensor) -> Outputs:
        return answer(scores.of_encoded(frames, is_strict=True)[0])

    def with_status(frames: Tensor) -> Outputs:
        return _with_status(answer, *scores.of_encoded(frames, is_strict=False))

    return [
        Signature(
            "serving_default",
            lambda clips: answer(scores.of_clips(clips)),
            scores.clips_spec,
        ),
        Signature(
            "views",
            lambda views: answer(scores.of_views(views)),
            tf.TensorSpec((None, None, *clip), tf.uint8, "views"),
        ),
        Signature("encoded_clips", strict, encoded_clips),
        Signature("encoded_views", strict, encoded_views),
        Signature("encoded_clips_with_status", with_status, encoded_clips),
        Signature("encoded_views_with_status", with_status, encoded_views),
    ]


def as_graph(compute: Callable[[Tensor], Tensor], spec: Any) -> Any:
    """Traces a function of one tensor."""
    return tf.function(
        compute, input_signature=[spec], autograph=False
    ).get_concrete_function()


class _Scores:
    """Scores clips in each form of input.

    Args:
        scoring: Takes pixels and returns scores.
        framing: The part of encoded pictures to keep.
    """

    def __init__(self, scoring: PixelScoring, framing: Framing) -> None:
        self.clips_spec = tf.TensorSpec((None, *scoring.clips, 3), tf.uint8, "clips")
        # All signatures share one network and one decoder.
        self.of_clips = as_graph(scoring, self.clips_spec)
        self._num_classes = scoring.num_classes
        self._frames_shape = (None, scoring.clips.num_frames)
        self._decode = as_graph(
            lambda frames: decode_views(frames, framing),
            tf.TensorSpec(self._frames_shape, tf.string, "frames"),
        )

    def of_views(self, views: Tensor) -> Tensor:
        """`(batch, views, *clip)` → the mean over the views."""
        shape = tf.shape(views)
        clips = tf.reshape(views, tf.concat([[-1], shape[2:]], 0))
        scores = self.of_clips(tf.ensure_shape(clips, (None, *views.shape[2:])))
        return self._mean(scores, shape)

    def of_encoded(self, frames: Tensor, is_strict: bool) -> tuple[Tensor, Tensor]:
        """Scores clips of encoded pictures and returns the status of each picture.

        Args:
            frames: `(batch, num_frames)` or `(batch, views, num_frames)`.
            is_strict: Whether to raise an error for the first picture that cannot be
                decoded, before any clip is scored.

        Returns:
            The mean over views and crops, `(batch, classes)`, and the status of each
            picture, in the shape of `frames`.
        """
        shape = tf.shape(frames)
        clips = tf.reshape(frames, tf.stack([-1, shape[-1]]))
        views = self._decode(tf.ensure_shape(clips, self._frames_shape))
        pixels, status = views.pixels, tf.reshape(views.status, shape)
        with tf.control_dependencies([check_status(status)] if is_strict else []):
            scores = self.of_views(tf.identity(pixels))
        return scores if frames.shape.rank == 2 else self._mean(scores, shape), status

    def _mean(self, scores: Tensor, shape: Tensor) -> Tensor:
        by_view = tf.concat([shape[:2], [self._num_classes]], 0)
        return tf.reduce_mean(tf.reshape(scores, by_view), 1)


def _with_status(answer: Answer, scores: Tensor, status: Tensor) -> Outputs:
    """Returns zeros and empty names for elements with a picture that is not ok."""
    is_scored = is_ok(status)
    outputs = {
        name: tf.where(is_scored[:, tf.newaxis], value, tf.zeros_like(value))
        for name, value in answer(scores).items()
    }
    return {**outputs, "status": status, "is_scored": is_scored}


def _answer(class_names: Sequence[str] | None, top: int) -> Answer:
    """Returns the named outputs of a signature for scores `(batch, classes)`."""
    if class_names is None:
        return lambda scores: {"scores": scores}
    # As the commands print a name with bytes that are not UTF-8.
    encoded = [name.encode("utf-8", "backslashreplace") for name in class_names]

    def answer(scores: Tensor) -> Outputs:
        ranked = scores
        if scores.shape[-1] == 1 < len(encoded):  # one sigmoid unit for two classes
            ranked = tf.concat([1 - scores, scores], -1)
        best, indices = tf.math.top_k(ranked, min(top, len(encoded)))
        names = tf.gather(tf.constant(encoded), indices)
        return {"scores": scores, "top_names": names, "top_scores": best}

    return answer
