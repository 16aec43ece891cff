"""Clips as a `tf.data.Dataset`: one epoch after another, resumable at any batch."""

import abc
import os
from typing import Any

import numpy as np

from keras_nonlocal.data._requirements import import_tensorflow
from keras_nonlocal.data.arguments import check_count
from keras_nonlocal.data.epochs import EpochCounter, EpochOrder
from keras_nonlocal.data.failures import FailurePolicy
from keras_nonlocal.data.labels import LabelTable
from keras_nonlocal.data.loading import ClipLoader, LoadedClips, ViewSampler
from keras_nonlocal.data.readers import VideoError


class ClipPipeline(abc.ABC):
    """Loads clips inside `tf.data`.

    Subclasses say what the items of an epoch are: tuples that begin with the epoch and
    the index of a video.

    Args:
        views: Takes the clips out of each video.
        failures: What happens to a video that cannot be read.
        labels: The encoded labels; `None`: no labels.
        batch_size: Videos per batch; `None`: single videos.
        drop_remainder: Whether a last batch of fewer videos is left out.
        with_info: Whether elements say where their clips come from.
    """

    def __init__(
        self,
        views: ViewSampler,
        failures: FailurePolicy,
        labels: LabelTable | None,
        batch_size: int | None,
        drop_remainder: bool = False,
        with_info: bool = False,
    ) -> None:
        self._views = views
        self._failures = failures
        self._labels = None if labels is None else labels.stacked
        self._batch_size = batch_size
        self._drop_remainder = drop_remainder
        self._with_info = with_info
        self._counter = EpochCounter()
        self._left_out: set[int] = set()
        self._tf = import_tensorflow()

    @property
    @abc.abstractmethod
    def _length(self) -> int | None:
        """Number of videos in an epoch, if it is known."""

    @abc.abstractmethod
    def _items(self, epoch: Any) -> Any:
        """Returns the dataset of the items of an epoch, of which none is loaded."""

    @abc.abstractmethod
    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        """Loads the clips of an item."""

    @abc.abstractmethod
    def _path(self, index: int) -> str:
        """Names the video with that index."""

    def _row(self, index: Any, *content: Any) -> Any:
        """Returns the row of the labels of an item."""
        return index

    def _first_item(self, epoch: int, batch: int) -> int:
        """Returns how many items of an epoch come before a batch."""
        return batch * (self._batch_size or 1)

    def dataset(self) -> Any:
        """Returns the `tf.data.Dataset` that goes through one epoch after another."""
        tf = self._tf

        def begin(_: Any) -> Any:
            epoch = tf.numpy_function(self._counter.begin, [], tf.int64)
            return self._items(tf.ensure_shape(epoch, ()))

        items = tf.data.Dataset.range(1).flat_map(self._as_is(begin))
        dataset = self._clips(items, self._length)
        dataset.resume = self._resume
        return dataset

    def _resume(self, epoch: int, batch: int = 0) -> Any:
        """Returns what is left of an epoch; the dataset goes on after it.

        With `batch=0`, nothing was taken from the epoch yet, and the dataset itself
        goes on with it.
        """
        check_count("epoch", epoch)
        check_count("batch", batch)
        self._counter.set_next(epoch + (batch > 0))
        first = self._first_item(epoch, batch)
        items = self._items(self._tf.constant(epoch, self._tf.int64)).skip(first)
        length = None if self._length is None else max(self._length - first, 0)
        return self._clips(items, length)

    def _clips(self, items: Any, length: int | None) -> Any:
        tf = self._tf
        if length is not None:
            items = items.apply(tf.data.experimental.assert_cardinality(length))
        dataset = items.map(
            self._as_is(self._loaded), num_parallel_calls=tf.data.AUTOTUNE
        )
        if self._failures.leaves_out:
            dataset = dataset.filter(self._as_is(lambda is_read, _: is_read))
            dataset = dataset.concatenate(self._report_at_end(dataset))
        dataset = dataset.map(self._as_is(lambda _, element: element))
        if self._batch_size is not None:
            dataset = dataset.batch(self._batch_size, self._drop_remainder)
        options = tf.data.Options()
        # The elements are indices, not files that `tf.data` could deal out to workers.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
        dataset.failures = self._failures
        return dataset

    def _loaded(self, epoch: Any, index: Any, *content: Any) -> Any:
        """Returns whether an item could be read, and the element that it becomes."""
        tf = self._tf
        is_read, clips, times, is_mirrored = tf.numpy_function(
            self._try_to_load,
            [epoch, index, *content],
            (tf.bool, tf.uint8, tf.float64, tf.bool),
        )
        element = [tf.ensure_shape(clips, self._views.shape)]
        if self._labels is not None:
            row = tf.cast(self._row(index, *content), tf.int64)
            row = 2 * row + tf.cast(tf.ensure_shape(is_mirrored, ()), tf.int64)
            element.append(tf.gather(self._labels, row))
        if self._with_info:
            element.append(self._info(index, times))
        is_read = tf.ensure_shape(is_read, ())
        return is_read, tuple(element) if len(element) > 1 else element[0]

    def _info(self, index: Any, times: Any) -> dict[str, Any]:
        tf = self._tf
        num_views = self._views.num_views
        path = tf.numpy_function(
            lambda index: os.fsencode(self._path(int(index))), [index], tf.string
        )
        return {
            "path": tf.ensure_shape(path, ()),
            "times": tf.ensure_shape(times, self._views.times_shape),
            "view": tf.constant(0) if num_views is None else tf.range(num_views),
        }

    def _try_to_load(
        self, epoch: np.int64, index: np.int64, *content: Any
    ) -> tuple[Any, ...]:
        try:
            return np.True_, *self._load(int(epoch), int(index), *content)
        except VideoError as error:
            self._failures.handle(error, int(index))
            self._left_out.add(int(index))
            return np.False_, *self._views.nothing()

    def _report_at_end(self, like: Any) -> Any:
        """Returns a dataset without elements that reports when it is reached."""
        tf = self._tf

        def report(_: Any) -> Any:
            num_elements = tf.numpy_function(self._report, [], tf.int64)
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


class ListPipeline(ClipPipeline):
    """Loads the clips of a list of videos.

    Args:
        loader: Loads the clips.
        order: The order of the videos in each epoch.
        settings: The further arguments of `ClipPipeline`.
    """

    def __init__(self, loader: ClipLoader, order: EpochOrder, **settings: Any) -> None:
        super().__init__(loader.views, **settings)
        self._loader = loader
        self._order = order

    @property
    def _length(self) -> int:
        return self._order.length

    def _items(self, epoch: Any) -> Any:
        tf = self._tf
        turns = tf.numpy_function(self._order.turns, [epoch], tf.int64)
        turns = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(turns, (None,)))
        return turns.map(self._as_is(lambda index: (epoch, index)))

    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        return self._loader.load_with_times(index, epoch)

    def _path(self, index: int) -> str:
        return self._loader.videos.paths[index]

    def _clips(self, items: Any, length: int | None) -> Any:
        dataset = super()._clips(items, length)
        # As on the datasets of `keras.utils.image_dataset_from_directory`.
        videos = self._loader.videos
        dataset.class_names = [*(videos.class_names or ())] or None
        dataset.file_paths = [*videos.paths]
        dataset.batch_paths = self._batch_paths
        return dataset

    def _first_item(self, epoch: int, batch: int) -> int:
        turns, kept = self._turns(epoch)
        first = super()._first_item(epoch, batch)
        if batch == 0 or len(kept) == len(turns):
            return first
        return int(kept[first]) if first < len(kept) else len(turns)

    def _batch_paths(self, epoch: int, batch: int) -> list[str]:
        """Returns the files of a batch, given what was left out so far."""
        turns, kept = self._turns(epoch)
        first = super()._first_item(epoch, batch)
        batch_turns = turns[kept[first:][: self._batch_size or 1]]
        return [self._path(index) for index in batch_turns]

    def _turns(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The videos of an epoch, and which places hold one that was not left out."""
        turns = self._order.turns(epoch)
        is_left_out = np.isin(turns, [*self._left_out.copy()])
        return turns, np.flatnonzero(~is_left_out)
