"""Scores to names."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import keras
import numpy as np


@cache
def kinetics400_names() -> tuple[str, ...]:
    """The 400 classes of Kinetics-400, in the alphabetical order of the labels.

    Returns:
        Names such as `"abseiling"`, one per score of the released networks.

    References:
        `process_data/kinetics/classids.json` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    text = resources.files(__package__).joinpath("kinetics400.txt").read_text("utf-8")
    return tuple(text.splitlines())


def decode_predictions(
    preds: Any, top: int = 5, class_names: Sequence[str] | None = None
) -> list[list[tuple[str, float]]]:
    """Names the classes with the highest scores.

    Args:
        preds: Scores `(num_videos, classes)`, as `model.predict` or `predict_video`
            returns them, or `(classes,)` for one video.
        top: Number of classes to return for each video, the best first. Defaults to
            `5`; no more than there are.
        class_names: Name of each class, such as the `class_names` of a dataset.
            Defaults to those of Kinetics-400.

    Returns:
        For each video a list of `(class_name, score)`.

    Raises:
        ValueError: If the number of classes is not that of the names.

    Example:

    >>> scores = np.array([[0.2, 0.7, 0.1]])
    >>> keras_nonlocal.decode_predictions(scores, 2, ["jump", "run", "walk"])
    [[('run', 0.7), ('jump', 0.2)]]
    """
    scores = np.atleast_2d(keras.ops.convert_to_numpy(preds))
    names = kinetics400_names() if class_names is None else tuple(class_names)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ValueError(
            f"`preds` must have the shape (num_videos, {len(names)}), one score per "
            f"class name. Received: shape={scores.shape}"
        )
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ValueError(f"`top` must be a positive integer. Received: top={top!r}")
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [
        [(names[index], float(row[index])) for index in indices]
        for row, indices in zip(scores, best, strict=True)
    ]
