"""`BatchesAhead`: batches that threads load ahead, as a `keras.utils.PyDataset`."""

import abc
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import keras

from keras_nonlocal.arguments import check_count
from keras_nonlocal.processors import num_processors


class BatchesAhead(keras.utils.PyDataset, abc.ABC):
    """The batches of epoch after epoch for Keras on any backend, without TensorFlow.

    `fit` must not shuffle it (`shuffle=False`): the order of each epoch is drawn here.

    Args:
        num_batches: Number of batches of an epoch, the same in each.
        num_threads: Number of threads. Defaults to `None`, one for each processor.
        epoch: The first epoch, counted from 0.
        first: The first batch that it has of each epoch.
        is_rest: Whether it has one epoch only, and no others after it.
    """

    def __init__(
        self,
        num_batches: int,
        num_threads: int | None = None,
        *,
        epoch: int = 0,
        first: int = 0,
        is_rest: bool = False,
    ) -> None:
        super().__init__()
        self._num_batches = num_batches
        self._epoch = epoch
        self._first = first
        self._is_rest = is_rest
        self._has_begun = self._is_through = False
        self._threads = ThreadPoolExecutor(num_threads or num_processors())
        self._ahead: dict[tuple[int, int], Future[Any]] = {}

    @abc.abstractmethod
    def _load(self, epoch: int, number: int) -> Any:
        """Returns a batch, or `None` if nothing of it can be read."""

    @abc.abstractmethod
    def _rest(self, epoch: int, first: int) -> Self:
        """Returns the batches of one epoch from the batch `first` on."""

    @abc.abstractmethod
    def _nothing(self) -> Exception:
        """Returns the error to raise if no batch can be read."""

    @abc.abstractmethod
    def _report(self) -> None:
        """Reports, at the end of an epoch, what could not be read."""

    def __len__(self) -> int:
        return max(self._num_batches - self._first, 0)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"There is no such batch. Received: index={index!r}")
        self._is_through |= index == len(self) - 1
        number = self._first + index
        # Keras asks for each batch, so one that cannot be read needs another.
        for other in (*range(number, self._num_batches), *range(number)):
            batch = self._loaded(other)
            if batch is not None:
                return batch
        raise self._nothing()

    def on_epoch_begin(self) -> None:
        """Begins an epoch."""
        self._has_begun, self._is_through = True, False

    def on_epoch_end(self) -> None:
        """Continues with the next epoch, if this one has come to its last batch.

        Keras also looks at the first batches before it begins, and calls this method.
        """
        self._report()
        if self._has_begun and self._is_through:
            self._epoch += not self._is_rest
        self._has_begun = self._is_through = False

    def cardinality(self) -> int:
        """Returns the number of batches, as `tf.data.Dataset.cardinality` does."""
        return len(self)

    def resume(self, epoch: int, batch: int = 0) -> Self:
        """Returns the rest of an epoch; the dataset itself continues with the next.

        Args:
            epoch: The epoch, counted from 0.
            batch: The first batch to return, counted from 0. With `0`, the epoch has
                not begun, and the dataset itself has this epoch next.
        """
        check_count("epoch", epoch)
        check_count("batch", batch)
        self._epoch = epoch + (batch > 0)
        return self._rest(epoch, batch)

    def _loaded(self, number: int) -> Any:
        """Returns a batch, and begins to load those after it."""
        last = min(number + num_processors() + 1, self._num_batches)
        wanted = [(self._epoch, following) for following in range(number, last)]
        ahead = {key: self._ahead[key] for key in wanted if key in self._ahead}
        for key in wanted:
            if key not in ahead:
                ahead[key] = self._threads.submit(self._load, *key)
        loaded = ahead.pop(wanted[0])
        self._ahead = ahead
        return loaded.result()
