"""The scores of all views of each video, in batches that videos share."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.loading import ClipLoader
from keras_nonlocal.data.readers import VideoError

# Batches of views that wait for others of their size. Pictures that are not cropped
# come in many sizes.
_MAX_WAITING_BATCHES = 4


def scored_videos(
    model: keras.Model,
    loader: ClipLoader,
    indices: Sequence[int],
    batch_size: int,
    preprocessing: Callable[[Any], Any],
) -> Iterator[tuple[int, np.ndarray | VideoError]]:
    """Scores the views of videos; each file is decoded once, some ahead of the model.

    Args:
        model: From clips `(batch, num_frames, height, width, 3)` to scores.
        loader: Gives the views of a video, `(num_views, num_frames, height, width, 3)`.
        indices: The videos of `loader`.
        batch_size: Views per step of the model.
        preprocessing: Applied to each batch of pixels.

    Yields:
        The index of a video and its scores `(num_views, classes)`, or why it cannot be
        read; in the order in which they are finished.
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
    """Views that wait for a batch, and scores that wait for the rest of their video."""

    model: keras.Model
    batch_size: int
    preprocessing: Callable[[Any], Any]
    _waiting: dict[tuple[int, ...], list[tuple[int, int, np.ndarray]]] = field(
        default_factory=dict
    )
    _scores: dict[int, list[Any]] = field(default_factory=dict)

    def add(
        self, index: int, views: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray | VideoError]]:
        """Takes the views of a video, yields the videos that are finished by it."""
        self._scores[index] = [None] * len(views)
        group = self._waiting.setdefault(views.shape[1:], [])
        group += [(index, place, view) for place, view in enumerate(views)]
        while len(group) >= self.batch_size:
            yield from self._run(views.shape[1:])
        while sum(map(len, self._waiting.values())) > self._room:
            fullest = max(self._waiting, key=lambda shape: len(self._waiting[shape]))
            yield from self._run(fullest)

    def rest(self) -> Iterator[tuple[int, np.ndarray | VideoError]]:
        """Yields the videos that waited for a full batch."""
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
    """Decodes a few videos ahead, one per processor, and yields them in order."""

    def load(index: int) -> np.ndarray | VideoError:
        try:
            return loader.load(index)
        except VideoError as error:
            return error

    num_workers = os.cpu_count() or 1
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
