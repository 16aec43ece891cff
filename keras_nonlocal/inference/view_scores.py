"""Scores the views of videos in shared batches, while threads decode the next ones."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.data.datasets.clip_loader import ClipLoader
from keras_nonlocal.data.datasets.loading import SomeViews
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.data.streams_ahead import streams_ahead
from keras_nonlocal.processors import num_processors
from keras_nonlocal.tensors import Tensor

# Views wait for others of the same size to fill a batch. Uncropped pictures have many
# sizes, so the number of waiting batches is limited.
_MAX_WAITING_BATCHES = 4
# Decoded pixels that wait for the model.
_MAX_BYTES_AHEAD = 2**30

_Shape = tuple[int, ...]
_Scored = tuple[int, np.ndarray | VideoError]


def scored_views(
    model: Any,
    loader: ClipLoader,
    indices: Sequence[int],
    batch_size: int,
    preprocessing: Callable[[Tensor], Tensor],
    errors_end: bool = False,
) -> Iterator[_Scored]:
    """Scores the views of videos. Files are decoded once, ahead of the model.

    Threads, one per processor, decode the next clips of a video and the next videos
    while the model computes. Not more videos than threads are begun ahead of the one
    whose views the model needs, and at most 1 GiB of pixels waits for it. The scores do
    not depend on the threads: batches are those of videos that are decoded one after
    the other, and the model is called in the thread of the caller.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores: a
            Keras model or an `ExportedModel`.
        loader: Loads the views of a video, `(num_views, num_frames, height, width, 3)`.
        indices: The videos of `loader`.
        batch_size: Number of views per step of the model.
        preprocessing: Function applied to each batch of pixels.
        errors_end: Whether the caller ends with the first error. Views of the videos
            before it do not wait for a full batch then, so that their scores come
            before the error.

    Yields:
        The index of a video and its scores `(num_views, classes)` or the error, in the
        order in which videos are finished.
    """

    def views_of(index: int) -> Generator[SomeViews | VideoError | None]:
        try:
            yield from loader.load_views(index)
        except VideoError as error:
            yield error
        else:
            yield None

    batches = _Batches(model, batch_size, preprocessing)
    decoded = streams_ahead(
        views_of,
        indices,
        num_threads=num_processors(),
        room=_MAX_BYTES_AHEAD,
        size=_num_bytes,
    )
    try:
        for index, views in decoded:
            if isinstance(views, SomeViews):
                if views.first == 0:
                    batches.begin(index)
                batches.add(views.pixels)
            elif views is None:
                yield from batches.complete()
            else:
                batches.drop()
                if errors_end:
                    yield from batches.rest()
                yield index, views
        yield from batches.rest()
    finally:
        decoded.close()


def _num_bytes(views: SomeViews | VideoError | None) -> int:
    return views.pixels.nbytes if isinstance(views, SomeViews) else 0


class _View(NamedTuple):
    """A view that waits for a full batch."""

    video: int
    place: int
    pixels: np.ndarray


@dataclass
class _Batches:
    """Views that wait for a full batch, and scores that wait for other views.

    The batches are those of complete videos, one after the other. One that has only
    views of the video that is being decoded is scored before that is complete.
    """

    model: Any
    batch_size: int
    preprocessing: Callable[[Tensor], Tensor]
    # Views of complete videos, fewer than a batch of each shape.
    _waiting: dict[_Shape, list[_View]] = field(default_factory=dict)
    _num_views: dict[int, int] = field(default_factory=dict)
    _scores: dict[int, dict[int, Any]] = field(default_factory=dict)
    # The video that is being decoded. Its first views share a batch with others.
    _index: int | None = None
    _num_added: int = 0
    _shared: list[_View] = field(default_factory=list)
    _own: list[_View] = field(default_factory=list)

    def begin(self, index: int) -> None:
        """Begins a video, or begins it anew."""
        self.drop()
        self._index = index

    def drop(self) -> None:
        """Forgets the video that is being decoded."""
        if self._index is not None:
            self._scores.pop(self._index, None)
        self._index = None
        self._num_added = 0
        self._shared, self._own = [], []

    def add(self, views: np.ndarray) -> None:
        """Adds views to the video that is being decoded."""
        assert self._index is not None
        for pixels in views:
            view = _View(self._index, self._num_added, pixels)
            self._num_added += 1
            num_waiting = len(self._waiting.get(pixels.shape, ()))
            if num_waiting and num_waiting + len(self._shared) < self.batch_size:
                self._shared.append(view)
                continue
            self._own.append(view)
            if len(self._own) == self.batch_size:
                self._score(self._own)
                self._own = []

    def complete(self) -> Iterator[_Scored]:
        """Completes the video, and yields the videos that have all scores."""
        assert self._index is not None
        index, views = self._index, [*self._shared, *self._own]
        self._num_views[index] = self._num_added
        self._index = None
        self.drop()
        if not views:
            yield from self._finished([index])
            return
        shape = views[0].pixels.shape
        self._waiting.setdefault(shape, []).extend(views)
        if len(self._waiting[shape]) >= self.batch_size:
            yield from self._run(shape)
        while sum(map(len, self._waiting.values())) > self._room:
            fullest = max(self._waiting, key=lambda shape: len(self._waiting[shape]))
            yield from self._run(fullest)

    def rest(self) -> Iterator[_Scored]:
        """Yields the complete videos that were waiting for a full batch."""
        for shape in [*self._waiting]:
            while self._waiting[shape]:
                yield from self._run(shape)

    @property
    def _room(self) -> int:
        return _MAX_WAITING_BATCHES * self.batch_size

    def _run(self, shape: _Shape) -> Iterator[_Scored]:
        batch = self._waiting[shape][: self.batch_size]
        del self._waiting[shape][: self.batch_size]
        self._score(batch)
        yield from self._finished(dict.fromkeys(view.video for view in batch))

    def _score(self, batch: Sequence[_View]) -> None:
        pixels = np.stack([view.pixels for view in batch])
        results = self.model.predict_on_batch(self.preprocessing(pixels))
        for view, result in zip(batch, results, strict=True):
            self._scores.setdefault(view.video, {})[view.place] = result

    def _finished(self, indices: Iterable[int]) -> Iterator[_Scored]:
        """Yields those of these videos that have all scores."""
        for index in indices:
            scores = self._scores.get(index, {})
            if len(scores) == self._num_views.get(index):
                del self._scores[index], self._num_views[index]
                yield index, np.stack([scores[place] for place in range(len(scores))])
