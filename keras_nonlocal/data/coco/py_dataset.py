"""Batches of pictures as a `keras.utils.PyDataset`, without TensorFlow."""

from typing import Any, Self

from keras_nonlocal.data.batches_ahead import BatchesAhead
from keras_nonlocal.data.coco.dataset import add_attributes
from keras_nonlocal.data.coco.examples import Arrays
from keras_nonlocal.data.coco.list_source import ListSource
from keras_nonlocal.data.coco.picture_file import ImageError


class CocoPyDataset(BatchesAhead):
    """Batches of pictures with objects for Keras on any backend.

    Args:
        source: Loads the batches.
        **place: The other arguments of `BatchesAhead`.
    """

    def __init__(self, source: ListSource, **place: Any) -> None:
        # Processes return one batch after the other.
        num_threads = 1 if source.workers else None
        super().__init__(source.num_batches, num_threads, **place)
        self._source = source
        add_attributes(self, source)

    def _load(self, epoch: int, number: int) -> tuple[Arrays, Arrays] | None:
        batch = self._source.load_number(epoch, number)
        return None if batch is None else (batch.x, batch.y)

    def _rest(self, epoch: int, first: int) -> Self:
        return type(self)(self._source, epoch=epoch, first=first, is_rest=True)

    def _nothing(self) -> Exception:
        path = self._source.pictures[0].path
        return ImageError(path, "neither it nor any other picture can be read")

    def _report(self) -> None:
        self._source.failures.report()
