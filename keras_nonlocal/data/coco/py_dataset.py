"""Batches of pictures as a `keras.utils.PyDataset`, without TensorFlow."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras

from keras_nonlocal.arguments import check_count
from keras_nonlocal.data.coco.dataset import CocoDataset, add_attributes
from keras_nonlocal.data.coco.examples import Arrays
from keras_nonlocal.data.coco.list_source import ListSource
from keras_nonlocal.data.coco.picture_file import ImageError
from keras_nonlocal.data.coco.source import LoadedBatch
from keras_nonlocal.processors import num_processors


class CocoPyDataset(keras.utils.PyDataset):
    """Batches of pictures with objects for Keras on any backend.

    `fit` must not shuffle it (`shuffle=False`): the order of each epoch is drawn here.

    Args:
        source: Loads the batches.
        epoch: The first epoch.
        first: The first batch that it has of each epoch.
        is_rest: Whether it has one epoch only, and no others after it.
    """

    def __init__(
        self, source: ListSource, epoch: int = 0, first: int = 0, is_rest: bool = False
    ) -> None:
        super().__init__()
        self._source = source
        self._epoch = epoch
        self._first = first
        self._is_rest = is_rest
        self._threads = ThreadPoolExecutor(num_processors())
        self._ahead: dict[tuple[int, int], Future[LoadedBatch | None]] = {}
        add_attributes(self, source)

    def __len__(self) -> int:
        return max(self._source.num_batches - self._first, 0)

    def __getitem__(self, index: int) -> tuple[Arrays, Arrays]:
        if not 0 <= index < len(self):
            raise IndexError(f"There is no such batch. Received: index={index!r}")
        number, count = self._first + index, self._source.num_batches
        for following in range(number, count):
            batch = self._loaded(following)
            if batch is not None:
                return batch.x, batch.y
        # Keras asks for each batch, so one that cannot be read needs another.
        for other in range(number):
            batch = self._loaded(other)
            if batch is not None:
                return batch.x, batch.y
        path = self._source.pictures[0].path
        raise ImageError(path, "neither it nor any other picture can be read")

    def on_epoch_end(self) -> None:
        """Continues with the next epoch."""
        self._source.failures.report()
        self._epoch += not self._is_rest

    def cardinality(self) -> int:
        """Returns the number of batches, as `tf.data.Dataset.cardinality` does."""
        return len(self)

    def resume(self, epoch: int, batch: int = 0) -> CocoDataset:
        """Returns the rest of an epoch; see `CocoDataset.resume`."""
        check_count("epoch", epoch)
        check_count("batch", batch)
        self._epoch = epoch + (batch > 0)
        rest: Any = CocoPyDataset(self._source, epoch, batch, is_rest=True)
        return rest

    def _loaded(self, number: int) -> LoadedBatch | None:
        """Returns a batch, and begins to load those after it."""
        source, epoch = self._source, self._epoch
        last = min(number + num_processors() + 1, source.num_batches)
        wanted = [(epoch, following) for following in range(number, last)]
        ahead = {key: self._ahead[key] for key in wanted if key in self._ahead}
        for key in wanted:
            if key not in ahead:
                ahead[key] = self._threads.submit(source.load, source.task(*key))
        loaded = ahead.pop(wanted[0])
        self._ahead = ahead
        return loaded.result()
