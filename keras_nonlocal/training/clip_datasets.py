"""Datasets made of clip datasets, which can still be resumed."""

from collections.abc import Callable
from typing import Any

_ATTRIBUTES = ("class_names", "file_paths", "batch_paths", "failures")


def transform_clips(clips: Any, function: Callable[[Any], Any]) -> Any:
    """Applies a function to a clip dataset and keeps what a training needs of it.

    What `map` and its like return has neither `resume` nor the names of the files. Here
    the result has them, for `fit_resumably`, `ClipEpochs` and `StopOnNonFiniteLoss`.

    Args:
        clips: A dataset of `keras_nonlocal.data`.
        function: Takes a `tf.data.Dataset` and returns one with the same batches: one
            element for each, in the same order. It is called anew for every resumed
            epoch. Random numbers that it draws from a state of its own are not
            restored: draw them in the model instead.

    Returns:
        What `function` returns, with the attributes of `clips`.

    Example:

    >>> train = keras_nonlocal.training.transform_clips(
    ...     train, lambda clips: clips.map(lambda x, y: (x / 255, y))
    ... )  # doctest: +SKIP
    """
    transformed = function(clips)
    for name in _ATTRIBUTES:
        if hasattr(clips, name):
            setattr(transformed, name, getattr(clips, name))
    if hasattr(clips, "resume"):

        def resume(epoch: int, batch: int = 0) -> Any:
            return transform_clips(clips.resume(epoch, batch), function)

        transformed.resume = resume
    return transformed
