"""Clips of record files, decoded in operations of TensorFlow."""

import contextlib
import os
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.data.datasets.clip_plan import Batches
from keras_nonlocal.data.datasets.elements import ElementLoader
from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.datasets.list_pipeline import ListPipeline
from keras_nonlocal.data.datasets.loading import ClipLoader
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.data.records.tensorflow_pictures import (
    Sizes,
    TensorFraming,
    framed_pictures,
    sizes_of,
)
from keras_nonlocal.data.records.tensorflow_records import (
    stored_pictures,
    stored_times,
)
from keras_nonlocal.python_calls import numpy_function

# Videos for which Python chooses the clips at a time.
_AT_ONCE = 64
# Most pictures to read for each one of a clip. The reader can leave out the others.
_MOST_SPAN = 4


class RecordPipeline(ListPipeline):
    """Loads the clips of a list of record files.

    Python chooses frames and crops, of many videos at a time. Operations of TensorFlow
    read and decode them, on as many threads as there are. Where these fail,
    `RecordReader` reads the video, or says what is wrong with it.

    Args:
        loader: Loads clips of records.
        order, elements, batches: As in `ListPipeline`.
    """

    def __init__(
        self,
        loader: ClipLoader,
        order: EpochOrder,
        elements: ElementLoader,
        batches: Batches,
    ) -> None:
        super().__init__(loader, order, elements, batches)
        self._segments = loader.videos.segments

    def _load_all(self, items: Any) -> Any:
        at_once = self._tf.data.AUTOTUNE
        named = items.batch(_AT_ONCE).map(self._as_is(self._named)).unbatch()
        timed = named.map(self._as_is(self._timed), num_parallel_calls=at_once)
        chosen = timed.ragged_batch(_AT_ONCE).map(self._as_is(self._chosen)).unbatch()
        return chosen.map(self._as_is(self._element), num_parallel_calls=at_once)

    def _named(self, epochs: Any, indices: Any) -> tuple[Any, ...]:
        """Adds the paths to items."""
        tf = self._tf
        paths = numpy_function(self._paths, [indices], tf.string)
        return epochs, indices, tf.ensure_shape(paths, (None,))

    def _paths(self, indices: np.ndarray) -> np.ndarray:
        return np.array([os.fsencode(self._path(index)) for index in indices], object)

    def _timed(self, epoch: Any, index: Any, path: Any) -> tuple[Any, ...]:
        """Adds the times of all frames to an item."""
        return epoch, index, path, *stored_times(path)

    def _chosen(
        self,
        epochs: Any,
        indices: Any,
        paths: Any,
        are_read: Any,
        times: Any,
        starts: Any,
    ) -> tuple[Any, ...]:
        """Replaces the times of items by the choice of frames and crops."""
        tf = self._tf
        nothing = self._nothing()
        choices = numpy_function(
            self._choices,
            [epochs, indices, are_read, times.values, starts.values, times.row_splits],
            [value.dtype for value in nothing],
        )
        chosen = _Chosen(
            *(
                tf.ensure_shape(values, (None, *value.shape))
                for values, value in zip(choices, nothing, strict=True)
            )
        )
        return epochs, indices, paths, chosen

    def _choices(
        self,
        epochs: np.ndarray,
        indices: np.ndarray,
        are_read: np.ndarray,
        microseconds: np.ndarray,
        starts: np.ndarray,
        splits: np.ndarray,
    ) -> list[np.ndarray]:
        choices = []
        for number, is_read in enumerate(are_read):
            choice = self._nothing()
            if is_read:
                frames = slice(*splits[number : number + 2])
                index, epoch = int(indices[number]), int(epochs[number])
                # A video without such frames is left to the reader, and its error.
                with contextlib.suppress(VideoError, ValueError):
                    choice = self._choice(
                        microseconds[frames] / 1e6, starts[frames], index, epoch
                    )
            choices.append(choice)
        return [np.stack(values) for values in zip(*choices, strict=True)]

    def _choice(
        self, times: np.ndarray, starts: np.ndarray, index: int, epoch: int
    ) -> "_Chosen":
        segment = self._segments[index] if self._segments else None
        choice = self._views.choose(times, self._path(index), index, epoch, segment)
        first = int(choice.frames.min())
        span = int(choice.frames.max()) + 1 - first
        if span > _MOST_SPAN * choice.frames.size:
            return self._nothing()
        framing, encoder = choice.framing, self._elements.labels
        label = np.zeros(())
        if encoder is not None:
            label = encoder.encode(self._label(index), framing.flip)
        return _Chosen(
            np.bool_(True),
            choice.frames.astype(np.int64),
            starts[first],
            choice.times,
            np.int64(framing.short_side),
            np.array(framing.anchors, np.float64),
            np.bool_(framing.flip),
            np.bool_(framing.anchors_are_drawn),
            label,
        )

    def _nothing(self) -> "_Chosen":
        """Returns the placeholder for a video that the reader has to read."""
        views, encoder = self._views, self._elements.labels
        clips = (views.clips.num_clips or 1, views.clips.num_frames)
        label = np.zeros(())
        if encoder is not None:
            label = np.zeros(encoder.shape, encoder.dtype)
        return _Chosen(
            np.bool_(False),
            np.zeros(clips, np.int64),
            np.int64(0),
            np.zeros(views.times_shape),
            np.int64(0),
            np.zeros((views.framings.num_crops or 1, 2)),
            np.bool_(False),
            np.bool_(False),
            label,
        )

    def _element(self, epoch: Any, index: Any, path: Any, chosen: Any) -> Any:
        """Returns whether an item could be read, and its element."""
        tf = self._tf
        frames = tf.reshape(chosen.frames, [-1])
        crop_size = self._views.framings.crop_size

        def by_reader() -> Any:
            return self._loaded(epoch, index)

        def from_record() -> Any:
            are_read, contents = stored_pictures(path, frames, chosen.start)
            return tf.cond(are_read, lambda: from_pictures(contents), by_reader)

        def from_pictures(contents: Any) -> Any:
            sizes = sizes_of(contents, chosen.short_side, crop_size)
            return tf.cond(
                sizes.is_usable,
                lambda: self._decoded(contents, sizes, path, chosen),
                by_reader,
            )

        return tf.cond(chosen.is_chosen, from_record, by_reader)

    def _decoded(self, contents: Any, sizes: Sizes, path: Any, chosen: Any) -> Any:
        tf = self._tf
        framing = TensorFraming(
            chosen.short_side, chosen.anchors, chosen.flip, chosen.anchors_are_drawn
        )
        crop_size = self._views.framings.crop_size
        crops = framed_pictures(contents, sizes, framing, crop_size)
        if crops.shape[0] > 1:
            # (crops, clips · frames, …) → (clips, crops, frames, …)
            shape = [crops.shape[0], *chosen.frames.shape, *crops.shape[2:]]
            crops = tf.transpose(tf.reshape(crops, shape), [1, 0, 2, 3, 4, 5])
        element = [tf.reshape(crops, self._views.shape)]
        if self._elements.labels is not None:
            element.append(chosen.label)
        if self._batches.with_info:
            element.append(self._origin(path, chosen.times))
        return tf.constant(True), tuple(element) if len(element) > 1 else element[0]


class _Chosen(NamedTuple):
    """The choice of frames and crops of a video, as arrays or tensors.

    Args:
        is_chosen: Whether there is one.
        frames, times: As in `Choice`.
        start: The byte at which the record of the first frame begins.
        short_side, anchors, flip, anchors_are_drawn: As in `Framing`.
        label: Encoded label; 0 without labels.
    """

    is_chosen: Any
    frames: Any
    start: Any
    times: Any
    short_side: Any
    anchors: Any
    flip: Any
    anchors_are_drawn: Any
    label: Any
