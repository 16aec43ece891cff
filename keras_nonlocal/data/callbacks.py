"""Keras callbacks for clip datasets."""

from typing import Any

import keras

from keras_nonlocal.data.datasets.clip_dataset import ClipDataset


class ClipEpochs(keras.callbacks.Callback):
    """Makes epoch `e` of `fit` use the clips of epoch `e` of the dataset.

    A dataset counts its iterations, but `fit` does not always iterate once per epoch.
    It iterates once more if it builds the model first, and fewer times if it starts at
    `initial_epoch`. With this callback, interrupted and repeated runs use the clips of
    an uninterrupted run.

    Args:
        dataset: A dataset of `keras_nonlocal.data.video_dataset_from_directory`,
            `video_dataset_from_list` or `video_dataset_from_tfds`.

    Raises:
        TypeError: If `dataset` cannot be resumed, for instance because `map` has
            transformed it.

    Example:

    >>> model.fit(
    ...     train, initial_epoch=3, epochs=10, callbacks=[ClipEpochs(train)]
    ... )  # doctest: +SKIP
    """

    def __init__(self, dataset: ClipDataset) -> None:
        super().__init__()
        if not hasattr(dataset, "resume"):
            raise TypeError(
                "`dataset` must be a clip dataset of keras_nonlocal.data, without "
                f"further transformations. Received: dataset={dataset!r}"
            )
        self._dataset = dataset

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._dataset.resume(epoch)
