"""Converts scores to class names."""

from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.tensors import Tensor


@cache
def kinetics400_names() -> tuple[str, ...]:
    """Returns the 400 class names of Kinetics-400, in alphabetical order.

    Returns:
        Names such as `"abseiling"`, one per score of the released networks.

    References:
        `process_data/kinetics/classids.json` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    text = resources.files(__package__).joinpath("kinetics400.txt").read_text("utf-8")
    return tuple(text.splitlines())


def decode_predictions(
    preds: Tensor, top: int = 5, class_names: Sequence[str] | None = None
) -> list[list[tuple[str, float]]]:
    """Names the classes with the highest scores.

    Args:
        preds: Scores `(num_videos, classes)`, as returned by `model.predict` or
            `predict_videos`, or `(classes,)` for one video. The scores of a model with
            one sigmoid unit, `(num_videos, 1)`, are the probabilities of the second of
            two classes.
        top: Number of classes to return for each video, the best first. If there are
            fewer classes, all of them are returned. Defaults to `5`.
        class_names: Names of the classes, such as the `class_names` of a dataset or of
            `model.clip_info`. Defaults to the names of Kinetics-400.

    Returns:
        A list of `(class_name, score)` for each video.

    Raises:
        TypeError: If `top` is not an integer.
        ValueError: If the number of scores is not that of the names, or `top` is not
            positive.

    Example:

    >>> scores = np.array([[0.2, 0.7, 0.1]])
    >>> keras_nonlocal.decode_predictions(scores, 2, ["jump", "run", "walk"])
    [[('run', 0.7), ('jump', 0.2)]]
    >>> keras_nonlocal.decode_predictions(np.array([[0.75]]), 2, ["rest", "move"])
    [[('move', 0.75), ('rest', 0.25)]]
    """
    top = check_positive_integer("top", top)
    # The scores of quantized models may be unsigned, and have no opposite.
    scores = np.atleast_2d(_as_array(preds)).astype("float64")
    names = kinetics400_names() if class_names is None else tuple(class_names)
    if scores.ndim == 2 and scores.shape[1] == 1 and len(names) == 2:
        scores = both_scores(scores)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ValueError(
            f"`preds` must have the shape (num_videos, {len(names)}), one score per "
            f"class name. Received: shape={scores.shape}"
        )
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [
        [(names[index], float(row[index])) for index in indices]
        for row, indices in zip(scores, best, strict=True)
    ]


def _as_array(scores: Tensor) -> np.ndarray:
    if isinstance(scores, np.ndarray):
        return scores
    # Scores of exported files are arrays, and need no Keras.
    import keras

    return keras.ops.convert_to_numpy(scores)


def both_scores(scores: np.ndarray) -> np.ndarray:
    """Converts the probability of one class, `(…, 1)`, to those of two, `(…, 2)`."""
    return np.concatenate([1 - scores, scores], axis=-1)
