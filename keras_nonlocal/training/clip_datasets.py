"""Transformed clip datasets that can still be resumed."""

from collections.abc import Callable
from typing import Any

_ATTRIBUTES = (
    *("class_names", "category_ids", "clip_info", "file_paths", "batch_paths"),
    *("num_shards", "share", "elements_per_step", "failures", "wrong_objects"),
)


def transform_clips(
    clips: Any, function: Callable[[Any], Any], *, per_clip: bool = False
) -> Any:
    """Applies a function to a clip dataset and keeps its attributes.

    The result of `map` has neither `resume` nor the file names. The dataset returned
    here has both, as `fit_resumably`, `ClipEpochs` and `StopOnNonFiniteLoss` require.

    Args:
        clips: A dataset of `keras_nonlocal.data`.
        function: Takes a `tf.data.Dataset` and returns one with the same batches: one
            element for each, in the same order. It is called again for every resumed
            epoch. The state of its own random generators is not restored, so draw
            random numbers in the model instead.
        per_clip: Whether `function` does with each clip what it would do in another
            batch, or alone. Each worker of a `tf.distribute` strategy then loads only
            the clips that it trains on; see `fit_resumably`. Its part of a batch may
            have no clips. Defaults to `False`.

    Returns:
        The result of `function`, with the attributes of `clips`.

    Example:

    >>> train = keras_nonlocal.training.transform_clips(
    ...     train, lambda clips: clips.map(lambda x, y: (x / 255, y)), per_clip=True
    ... )  # doctest: +SKIP
    """
    transformed = function(clips)
    for name in _ATTRIBUTES:
        if hasattr(clips, name):
            setattr(transformed, name, getattr(clips, name))
    if hasattr(clips, "resume"):

        def resume(epoch: int, batch: int = 0) -> Any:
            rest = clips.resume(epoch, batch)
            return transform_clips(rest, function, per_clip=per_clip)

        transformed.resume = resume
    if per_clip and hasattr(clips, "part_of_worker"):
        transformed.batch_size = clips.batch_size

        def part_of_worker(*place: int) -> Any:
            return transform_clips(
                clips.part_of_worker(*place), function, per_clip=True
            )

        transformed.part_of_worker = part_of_worker
    return transformed
