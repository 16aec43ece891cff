"""Batches of clips as a `keras.utils.PyDataset`, without TensorFlow."""

from typing import Any, Self

import numpy as np

from keras_nonlocal.data.batches_ahead import BatchesAhead
from keras_nonlocal.data.datasets.clip_loader import Loader
from keras_nonlocal.data.datasets.clip_plan import Batches
from keras_nonlocal.data.datasets.elements import Element, ElementLoader
from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.readers.video_reader import VideoError


class ClipPyDataset(BatchesAhead):
    """Batches of clips for Keras on any backend.

    A video that cannot be read is left out of its batch.

    Args:
        loader: Loads the clips.
        order: The order of the videos in each epoch.
        elements: Handles failures and encodes labels.
        batches: How videos become elements.
        **place: The other arguments of `BatchesAhead`.
    """

    def __init__(
        self,
        loader: Loader,
        order: EpochOrder,
        elements: ElementLoader,
        batches: Batches,
        **place: Any,
    ) -> None:
        size = batches.size
        assert size is not None
        whole, rest = divmod(order.length, size)
        keeps_rest = rest > 0 and not batches.drop_remainder
        if whole + keeps_rest == 0:
            raise ValueError(
                "`batch_size` must not be larger than the number of videos with "
                f"`drop_remainder=True`. Received: batch_size={size} for "
                f"{order.length} videos"
            )
        num_threads = 1 if loader.in_order else None
        super().__init__(whole + keeps_rest, num_threads, **place)
        self._loader = loader
        self._order = order
        self._elements = elements
        self._batches = batches
        self._size = size
        self.failures = elements.failures
        self.num_shards = order.shard.count

    def batch_paths(self, epoch: int, batch: int) -> list[str]:
        """Returns the files of a batch, without the videos left out so far."""
        return [
            self._loader.videos.paths[index]
            for index in self._turns(epoch, batch)
            if index not in self._elements.left_out
        ]

    def _turns(self, epoch: int, batch: int) -> list[int]:
        turns = self._order.turns(epoch)[batch * self._size :][: self._size]
        return turns.tolist()

    def _load(self, epoch: int, number: int) -> Any:
        loaded = [(i, self._element(epoch, i)) for i in self._turns(epoch, number)]
        kept = [(index, element) for index, element in loaded if element.is_read]
        return self._batch(*zip(*kept, strict=True)) if kept else None

    def _element(self, epoch: int, index: int) -> Element:
        videos = self._loader.videos
        return self._elements.load(
            index,
            lambda: self._loader.load_with_times(index, epoch),
            lambda: videos.labels[index] if videos.labels is not None else 0,
        )

    def _batch(self, indices: tuple[int, ...], elements: tuple[Element, ...]) -> Any:
        parts: list[Any] = [np.stack([element.loaded.pixels for element in elements])]
        if self._elements.labels is not None:
            parts.append(np.stack([element.label for element in elements]))
        if self._batches.with_info:
            parts.append(
                {
                    "path": np.array(
                        [self._loader.videos.paths[index] for index in indices]
                    ),
                    "times": np.stack([element.loaded.times for element in elements]),
                    "view": np.stack([self._elements.views_of_clip() for _ in indices]),
                }
            )
        # Keras takes tuples only.
        return tuple(parts)

    def _rest(self, epoch: int, first: int) -> Self:
        rest = type(self)(
            self._loader,
            self._order,
            self._elements,
            self._batches,
            epoch=epoch,
            first=first,
            is_rest=True,
        )
        for name in ("class_names", "clip_info", "file_paths"):
            setattr(rest, name, getattr(self, name))
        return rest

    def _nothing(self) -> Exception:
        path = self._loader.videos.paths[0]
        return VideoError(path, "neither it nor any other video can be read")

    def _report(self) -> None:
        self.failures.report()
