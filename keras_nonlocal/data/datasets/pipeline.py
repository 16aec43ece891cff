"""Clips as a `tf.data.Dataset` that can be resumed at any batch."""

import abc
import os
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_count
from keras_nonlocal.data.datasets.clip_dataset import ClipDataset
from keras_nonlocal.data.datasets.clip_plan import Batches
from keras_nonlocal.data.datasets.elements import ElementLoader
from keras_nonlocal.data.datasets.epochs import EpochCounter
from keras_nonlocal.data.datasets.loading import LoadedClips
from keras_nonlocal.data.lists.video_list import Label
from keras_nonlocal.optional_packages import import_tensorflow
from keras_nonlocal.python_calls import numpy_function


class ClipPipeline(abc.ABC):
    """Loads clips in `tf.data`.

    Each iteration over a dataset takes the number of its epoch from a counter. All
    random choices are determined by the seed, this number and the index of the video.
    An epoch can therefore be resumed at any batch by skipping items before they are
    loaded.

    Subclasses define the items of an epoch: tuples that begin with the epoch and the
    index of a video.

    Args:
        elements: Handles failures and encodes labels.
        batches: How videos become elements.
        in_order: Whether one video is loaded after the other, instead of several at a
            time.
        counter: Numbers the epochs. Defaults to a new one.
    """

    def __init__(
        self,
        elements: ElementLoader,
        batches: Batches,
        *,
        in_order: bool = False,
        counter: EpochCounter | None = None,
    ) -> None:
        self._in_order = in_order
        self._elements = elements
        self._views = elements.views
        self._failures = elements.failures
        self._batches = batches
        self._counter = counter or EpochCounter()
        self._tf = import_tensorflow()

    @property
    @abc.abstractmethod
    def _length(self) -> int | None:
        """Number of videos in an epoch, or `None` if it is unknown."""

    @abc.abstractmethod
    def _items(self, epoch: Any) -> Any:
        """Returns the dataset of an epoch's items, which are not loaded yet."""

    @abc.abstractmethod
    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        """Loads the clips of an item."""

    @abc.abstractmethod
    def _path(self, index: int) -> str:
        """Returns the name of a video."""

    @abc.abstractmethod
    def _label(self, index: int, *content: Any) -> Label:
        """Returns the label of an item, a class index or a tuple of them."""

    def _first_item(self, epoch: int, batch: int) -> int:
        """Returns the number of an epoch's items before a batch."""
        return batch * (self._batches.size or 1)

    def dataset(self) -> ClipDataset:
        """Returns the dataset, each iteration of which is the next epoch."""
        tf = self._tf

        def begin(_: Any) -> Any:
            epoch = numpy_function(self._counter.begin, [], tf.int64)
            return self._items(tf.ensure_shape(epoch, ()))

        items = tf.data.Dataset.range(1).flat_map(self._as_is(begin))
        return self._clips(items, self._length)

    def _resume(self, epoch: int, batch: int = 0) -> ClipDataset:
        """Returns the rest of an epoch; see `ClipDataset.resume`."""
        check_count("epoch", epoch)
        check_count("batch", batch)
        self._counter.set_next(epoch + (batch > 0))
        first = self._first_item(epoch, batch)
        items = self._items(self._tf.constant(epoch, self._tf.int64)).skip(first)
        length = None if self._length is None else max(self._length - first, 0)
        return self._clips(items, length, batch)

    def _clips(self, items: Any, length: int | None, batch: int = 0) -> Any:
        tf = self._tf
        dataset = self._load_all(items)
        if length is not None:
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
        dataset = self._in_batches(dataset, batch)
        options = tf.data.Options()
        # The graph contains no files that `tf.data` could distribute to workers.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
        dataset.failures = self._failures
        dataset.resume = self._resume
        return dataset

    def _in_batches(self, loaded: Any, first: int) -> Any:
        """Returns batches of the elements that could be read, from number `first`."""
        if self._failures.leaves_out:
            loaded = loaded.filter(self._as_is(lambda is_read, _: is_read))
            loaded = loaded.concatenate(self._report_at_end(loaded))
        dataset = loaded.map(self._as_is(lambda _, element: element))
        if self._batches.size is None:
            return dataset
        return dataset.batch(self._batches.size, self._batches.drop_remainder)

    def _load_all(self, items: Any) -> Any:
        """Returns whether each item could be read, and its element."""
        at_once = None if self._in_order else self._tf.data.AUTOTUNE
        return items.map(self._as_is(self._loaded), num_parallel_calls=at_once)

    def _loaded(self, epoch: Any, index: Any, *content: Any) -> Any:
        """Returns whether an item could be read, and its element."""
        tf = self._tf
        encoder = self._elements.labels
        label_type = () if encoder is None else (tf.as_dtype(encoder.dtype),)
        is_read, clips, times, *labels = numpy_function(
            self._try_to_load,
            [epoch, index, *content],
            (tf.bool, tf.uint8, tf.float64, *label_type),
        )
        element = [tf.ensure_shape(clips, self._views.shape)]
        if encoder is not None:
            element.append(tf.ensure_shape(labels[0], encoder.shape))
        if self._batches.with_info:
            element.append(self._info(index, times))
        is_read = tf.ensure_shape(is_read, ())
        return is_read, tuple(element) if len(element) > 1 else element[0]

    def _info(self, index: Any, times: Any) -> dict[str, Any]:
        tf = self._tf
        path = numpy_function(
            lambda index: os.fsencode(self._path(int(index))), [index], tf.string
        )
        return self._origin(tf.ensure_shape(path, ()), times)

    def _origin(self, path: Any, times: Any) -> dict[str, Any]:
        """Returns what elements say about their origin."""
        return {
            "path": path,
            "times": self._tf.ensure_shape(times, self._views.times_shape),
            "view": self._tf.constant(self._elements.views_of_clip()),
        }

    def _try_to_load(
        self, epoch: np.int64, index: np.int64, *content: Any
    ) -> tuple[Any, ...]:
        """Returns whether an item could be read, its pixels, times and label."""
        is_read, loaded, label = self._elements.load(
            int(index),
            lambda: self._load(int(epoch), int(index), *content),
            lambda: self._label(int(index), *content),
        )
        values = np.bool_(is_read), loaded.pixels, loaded.times
        return values if label is None else (*values, label)

    def _report_at_end(self, like: Any) -> Any:
        """Returns an empty dataset that reports the failures when it is reached."""
        tf = self._tf

        def report(_: Any) -> Any:
            num_elements = numpy_function(self._report, [], tf.int64)
            element = tf.nest.map_structure(
                lambda spec: tf.zeros(spec.shape, spec.dtype), like.element_spec
            )
            dataset = tf.data.Dataset.from_tensors(element)
            return dataset.repeat(tf.ensure_shape(num_elements, ()))

        return tf.data.Dataset.range(1).flat_map(self._as_is(report))

    def _report(self) -> np.int64:
        self._failures.report()
        return np.int64(0)

    def _as_is(self, function: Any) -> Any:
        return self._tf.autograph.experimental.do_not_convert(function)
