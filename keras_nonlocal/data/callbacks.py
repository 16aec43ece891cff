"""Keras callbacks for clip datasets."""

from typing import Any

import keras


class ClipEpochs(keras.callbacks.Callback):
    """Gives epoch `e` of `fit` the clips of epoch `e` of the dataset.

    A dataset counts how often it was iterated over, and `fit` iterates more often
    than it has epochs if it builds the model first, or less often if it starts at
    `initial_epoch`. With this callback, interrupted and repeated runs see the clips
    that an uninterrupted run sees.

    Args:
        dataset: What `keras_nonlocal.data.video_dataset_from_directory` returned.

    Example:

    >>> model.fit(
    ...     train, initial_epoch=3, epochs=10, callbacks=[ClipEpochs(train)]
    ... )  # doctest: +SKIP
    """

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        if not hasattr(dataset, "resume"):
            raise TypeError(
                "`dataset` must be a clip dataset of keras_nonlocal.data, without "
                f"further transformations. Received: dataset={dataset!r}"
            )
        self._dataset = dataset

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._dataset.resume(epoch)
