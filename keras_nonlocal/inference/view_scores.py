"""Scores the views of videos in shared batches."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.datasets.loading import ClipLoader
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.processors import num_processors
from keras_nonlocal.tensors import Tensor

# Views wait for others of the same size to fill a batch. Uncropped pictures have many
# sizes, so the number of waiting batches is limited.
_MAX_WAITING_BATCHES = 4


def scored_views(
    model: keras.Model,
    loader: ClipLoader,
    indices: Sequence[int],
    batch_size: int,
    preprocessing: Callable[[Tensor], Tensor],
) -> Iterator[tuple[int, np.ndarray | VideoError]]:
    """Scores the views of videos. Files are decoded once, a few ahead of the model.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores.
        loader: Loads the views of a video, `(num_views, num_frames, height, width, 3)`.
        indices: The videos of `loader`.
        batch_size: Number of views per step of the model.
        preprocessing: Function applied to each batch of pixels.

    Yields:
        The index of a video and its scores `(num_views, classes)` or the error, in the
        order in which videos are finished.
    """
    batches = _Batches(model, batch_size, preprocessing)
    for index, views in _loaded(loader, indices):
        if isinstance(views, VideoError):
            yield index, views
        else:
            yield from batches.add(index, views)
    yield from batches.rest()


@dataclass
class _Batches:
    """Views that wait for a full batch, and scores that wait for other views."""

    model: keras.Model
    batch_size: int
    preprocessing: Callable[[Tensor], Tensor]
    _waiting: dict[tuple[int, ...], list[tuple[int, int, np.ndarray]]] = field(
        default_factory=dict
    )
    _scores: dict[int, list[Any]] = field(default_factory=dict)

    def add(
        self, index: int, views: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray | VideoError]]:
        """Adds the views of a video and yields the videos that are complete."""
        self._scores[index] = [None] * len(views)
        group = self._waiting.setdefault(views.shape[1:], [])
        group += [(index, place, view) for place, view in enumerate(views)]
        while len(group) >= self.batch_size:
            yield from self._run(views.shape[1:])
        while sum(map(len, self._waiting.values())) > self._room:
            fullest = max(self._waiting, key=lambda shape: len(self._waiting[shape]))
            yield from self._run(fullest)

    def rest(self) -> Iterator[tuple[int, np.ndarray | VideoError]]:
        """Yields the videos that were waiting for a full batch."""
        for shape in [*self._waiting]:
            while self._waiting[shape]:
                yield from self._run(shape)

    @property
    def _room(self) -> int:
        return _MAX_WAITING_BATCHES * self.batch_size

    def _run(self, shape: tuple[int, ...]) -> Iterator[tuple[int, np.ndarray]]:
        batch = self._waiting[shape][: self.batch_size]
        del self._waiting[shape][: self.batch_size]
        pixels = np.stack([view for _, _, view in batch])
        results = self.model.predict_on_batch(self.preprocessing(pixels))
        for (index, place, _), result in zip(batch, results, strict=True):
            scores = self._scores[index]
            scores[place] = result
            if all(row is not None for row in scores):
                del self._scores[index]
                yield index, np.stack(scores)


def _loaded(
    loader: ClipLoader, indices: Sequence[int]
) -> Iterator[tuple[int, np.ndarray | VideoError]]:
    """Decodes a few videos ahead, one per processor core, and yields them in order."""

    def load(index: int) -> np.ndarray | VideoError:
        try:
            return loader.load(index)
        except VideoError as error:
            return error

    num_workers = num_processors()
    with ThreadPoolExecutor(num_workers) as pool:
        pending: deque[Any] = deque()
        try:
            for index in indices:
                pending.append((index, pool.submit(load, index)))
                if len(pending) > num_workers:
                    first, result = pending.popleft()
                    yield first, result.result()
            while pending:
                first, result = pending.popleft()
                yield first, result.result()
        finally:
            for _, result in pending:
                result.cancel()
