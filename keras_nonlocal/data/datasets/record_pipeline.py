"""Clips of record files, decoded in operations of TensorFlow."""

import contextlib
import os
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.data.datasets.clip_loader import ClipLoader
from keras_nonlocal.data.datasets.clip_plan import Batches
from keras_nonlocal.data.datasets.elements import ElementLoader
from keras_nonlocal.data.datasets.epochs import EpochCounter, EpochOrder
from keras_nonlocal.data.datasets.list_pipeline import ListPipeline
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
    read and decode them, on as many threads as there are. Where these fail, an element
    is missing: `RecordReader` reads the video, or says what is wrong with it.

    Args:
        loader: Loads clips of records.
        order, elements, batches, counter: As in `ListPipeline`.
    """

    def __init__(
        self,
        loader: ClipLoader,
        order: EpochOrder,
        elements: ElementLoader,
        batches: Batches,
        counter: EpochCounter | None = None,
    ) -> None:
        super().__init__(loader, order, elements, batches, counter)
        self._segments = loader.videos.segments

    def _load_all(self, items: Any) -> Any:
        # One element holds the items of an epoch, to find those that failed.
        every = items.batch(max(self._order.length, 1))
        return every.flat_map(self._as_is(self._load_epoch))

    def _load_epoch(self, epochs: Any, indices: Any) -> Any:
        """Returns the dataset of the elements of items, in their order."""
        tf = self._tf
        at_once = tf.data.AUTOTUNE
        count = tf.size(indices, tf.int64)
        numbers = tf.range(count)
        items = tf.data.Dataset.from_tensor_slices((numbers, epochs, indices))
        named = items.batch(_AT_ONCE).map(self._as_is(self._named)).unbatch()
        timed = named.map(self._as_is(self._timed), num_parallel_calls=at_once)
        known = timed.ignore_errors().ragged_batch(_AT_ONCE)
        chosen = known.map(self._as_is(self._chosen)).unbatch()
        decoded = chosen.map(self._as_is(self._decode), num_parallel_calls=at_once)
        decoded = decoded.ignore_errors()

        def load(number: Any, found: _Decoded) -> Any:
            """Takes what was decoded, or calls the reader."""
            is_found = found.is_decoded & (found.number == number)
            return tf.cond(
                is_found,
                lambda: (tf.constant(True), found.element),
                lambda: self._loaded(epochs[number], indices[number]),
            )

        filled = self._with_gaps(decoded, count)
        return filled.map(self._as_is(load), num_parallel_calls=at_once)

    def _with_gaps(self, decoded: Any, count: Any) -> Any:
        """Returns all numbers of items, each with the next element that there is."""
        tf = self._tf
        nothing = tf.nest.map_structure(
            lambda spec: tf.zeros(spec.shape, spec.dtype), decoded.element_spec
        )
        last = tf.data.Dataset.from_tensors(nothing._replace(number=count))

        def add_first(first: Any, found: _Decoded) -> Any:
            return found.number + 1, (first, found)

        def repeat(first: Any, found: _Decoded) -> Any:
            numbers = tf.data.Dataset.range(first, found.number + 1)
            same = tf.data.Dataset.from_tensors(found).repeat()
            return tf.data.Dataset.zip(numbers, same)

        spans = decoded.concatenate(last).scan(
            tf.constant(0, tf.int64), self._as_is(add_first)
        )
        return spans.flat_map(self._as_is(repeat)).take(count)

    def _named(self, numbers: Any, epochs: Any, indices: Any) -> tuple[Any, ...]:
        """Adds the paths to items."""
        tf = self._tf
        paths = numpy_function(self._paths, [indices], tf.string)
        return numbers, epochs, indices, tf.ensure_shape(paths, (None,))

    def _paths(self, indices: np.ndarray) -> np.ndarray:
        return np.array([os.fsencode(self._path(index)) for index in indices], object)

    def _timed(self, number: Any, epoch: Any, index: Any, path: Any) -> tuple[Any, ...]:
        """Adds the times of all frames to an item."""
        return number, epoch, index, path, *stored_times(path)

    def _chosen(
        self,
        numbers: Any,
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
        return numbers, paths, chosen

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

    def _decode(self, number: Any, path: Any, chosen: "_Chosen") -> "_Decoded":
        """Returns the element of an item, or zeros if the reader has to read it."""
        tf = self._tf
        frames = tf.reshape(chosen.frames, [-1])
        crop_size = self._views.framings.crop_size

        def nothing() -> Any:
            return False, tf.zeros(self._views.shape, tf.uint8)

        def from_record() -> Any:
            are_read, contents = stored_pictures(path, frames, chosen.start)
            return tf.cond(are_read, lambda: from_pictures(contents), nothing)

        def from_pictures(contents: Any) -> Any:
            sizes = sizes_of(contents, chosen.short_side, crop_size)
            return tf.cond(
                sizes.is_usable,
                lambda: (True, self._pixels(contents, sizes, chosen)),
                nothing,
            )

        is_decoded, pixels = tf.cond(chosen.is_chosen, from_record, nothing)
        element = [tf.ensure_shape(pixels, self._views.shape)]
        if self._elements.labels is not None:
            element.append(chosen.label)
        if self._batches.with_info:
            element.append(self._origin(path, chosen.times))
        return _Decoded(
            number, is_decoded, tuple(element) if len(element) > 1 else element[0]
        )

    def _pixels(self, contents: Any, sizes: Sizes, chosen: "_Chosen") -> Any:
        """Returns the crops of pictures, in the shape of an element."""
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
        return tf.reshape(crops, self._views.shape)


class _Decoded(NamedTuple):
    """An element of the dataset.

    Args:
        number: Number of the item.
        is_decoded: Whether the element is that of the item, and not zeros.
        element: As the dataset has it.
    """

    number: Any
    is_decoded: Any
    element: Any


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
