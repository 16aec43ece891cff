"""From a list of videos to a `tf.data.Dataset` of clips."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.data._requirements import import_tensorflow
from keras_nonlocal.data.arguments import check_count
from keras_nonlocal.data.epochs import EpochOrder
from keras_nonlocal.data.failures import FailurePolicy
from keras_nonlocal.data.readers import (
    OpenVideo,
    TimelineChangedError,
    VideoError,
)
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import FramingSampler

LABEL_MODES = ("int", "categorical", "binary", "multi_hot", None)


@dataclass(frozen=True)
class ClipLoader:
    """Loads the clips of one video after the other.

    What is drawn at random depends on the seed, the epoch and the place of the video
    in the list alone: the order and the number of threads make no difference.

    Args:
        videos: The videos.
        open_video: Opens one of them.
        clips: Chooses the frames.
        framings: Chooses the part of the picture.
        seed: Seed of the random choices; `None` makes none.
    """

    videos: VideoList
    open_video: OpenVideo
    clips: ClipSampler
    framings: FramingSampler
    seed: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what `load` returns."""
        clip = (self.clips.num_frames, *self.framings.crop_size, 3)
        num_views = self._num_views
        return clip if num_views is None else (num_views, *clip)

    def load(self, index: int, epoch: int = 0) -> np.ndarray:
        """Returns the clips of video `index` as they are in an epoch, as bytes."""
        path = self.videos.paths[index]
        with self.open_video(path) as video:
            try:
                clips = self._read(video, index, epoch)
            except TimelineChangedError:
                clips = self._read(video, index, epoch)
        # (clips, frames, crops, …) -> (views, frames, …)
        return np.moveaxis(clips, 2, 1).reshape(self.shape)

    def _read(self, video: Any, index: int, epoch: int) -> np.ndarray:
        rng = None
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, epoch, index))
        framing = self.framings.framing(rng)
        frames = self._frames_of_segment(video.times, index)
        indices = self.clips.frame_indices(video.times[frames], rng)
        return video.read(frames[indices], framing)

    def _frames_of_segment(self, times: np.ndarray, index: int) -> np.ndarray:
        segment = self.videos.segments[index] if self.videos.segments else None
        if segment is None:
            return np.arange(len(times))
        begin, end = segment
        frames = np.flatnonzero((times >= begin) & (times < end))
        if not len(frames):
            raise VideoError(
                self.videos.paths[index], f"it has no frames from {begin} s to {end} s"
            )
        return frames

    @property
    def _num_views(self) -> int | None:
        num_clips, num_crops = self.clips.num_clips, self.framings.num_crops
        if num_clips is None and num_crops is None:
            return None
        return (num_clips or 1) * (num_crops or 1)


class ClipPipeline:
    """Runs a loader inside `tf.data`.

    Args:
        loader: Loads the clips.
        order: The order of the videos in each epoch.
        failures: What happens to a video that cannot be read.
        label_mode: How labels are encoded; `None`: clips alone.
        batch_size: Videos per batch; `None`: single videos.
    """

    def __init__(
        self,
        loader: ClipLoader,
        order: EpochOrder,
        failures: FailurePolicy,
        label_mode: str | None,
        batch_size: int | None,
    ) -> None:
        self._loader = loader
        self._order = order
        self._failures = failures
        self._labels = _encoded_labels(loader.videos, label_mode)
        self._batch_size = batch_size
        self._tf = import_tensorflow()

    def dataset(self) -> Any:
        """Returns the `tf.data.Dataset` that goes through one epoch after another."""
        tf = self._tf

        def begin(_: Any) -> Any:
            turns = tf.numpy_function(self._order.begin, [], tf.int64)
            return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(turns, (None, 2)))

        turns = tf.data.Dataset.range(1).flat_map(self._as_is(begin))
        turns = turns.apply(
            tf.data.experimental.assert_cardinality(self._order.num_videos)
        )
        dataset = self._clips(turns)
        dataset.resume = self._resume
        return dataset

    def _resume(self, epoch: int, batch: int = 0) -> Any:
        """Returns what is left of an epoch; the dataset goes on after it.

        With `batch=0`, nothing was taken from the epoch yet, and the dataset itself
        goes on with it.
        """
        check_count("epoch", epoch)
        check_count("batch", batch)
        self._order.set_next(epoch + (batch > 0))
        first = batch * (self._batch_size or 1)
        turns = self._order.turns(epoch)[first:]
        return self._clips(self._tf.data.Dataset.from_tensor_slices(turns))

    def _clips(self, turns: Any) -> Any:
        tf = self._tf
        dataset = turns.map(
            self._as_is(self._load), num_parallel_calls=tf.data.AUTOTUNE
        )
        if self._failures.leaves_out:
            dataset = dataset.filter(self._as_is(lambda is_read, *_: is_read))
            dataset = dataset.concatenate(self._report_at_end())
        dataset = dataset.map(self._as_is(self._select))
        if self._batch_size is not None:
            dataset = dataset.batch(self._batch_size)
        options = tf.data.Options()
        # The elements are indices, not files that `tf.data` could deal out to workers.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
        # As on the datasets of `keras.utils.image_dataset_from_directory`.
        videos = self._loader.videos
        dataset.class_names = [*(videos.class_names or ())] or None
        dataset.file_paths = [*videos.paths]
        dataset.failures = self._failures
        return dataset

    def _load(self, turn: Any) -> Any:
        tf = self._tf
        is_read, clips = tf.numpy_function(
            self._try_to_load, [turn], (tf.bool, tf.uint8)
        )
        return (
            tf.ensure_shape(is_read, ()),
            tf.ensure_shape(clips, self._loader.shape),
            turn[1],
        )

    def _try_to_load(self, turn: np.ndarray) -> tuple[np.bool_, np.ndarray]:
        epoch, index = (int(number) for number in turn)
        try:
            return np.True_, self._loader.load(index, epoch)
        except VideoError as error:
            self._failures.handle(error)
            return np.False_, np.zeros(self._loader.shape, np.uint8)

    def _select(self, _: Any, clips: Any, index: Any) -> Any:
        if self._labels is None:
            return clips
        return clips, self._tf.gather(self._labels, index)

    def _report_at_end(self) -> Any:
        """Returns a dataset without elements that reports when it is reached."""
        tf = self._tf

        def report(_: Any) -> Any:
            nothing = tf.numpy_function(self._no_turns_after_report, [], tf.int64)
            return tf.data.Dataset.from_tensor_slices(
                tf.ensure_shape(nothing, (None, 2))
            )

        dataset = tf.data.Dataset.range(1).flat_map(self._as_is(report))
        return dataset.map(self._as_is(self._load))

    def _no_turns_after_report(self) -> np.ndarray:
        self._failures.report()
        return np.empty((0, 2), np.int64)

    def _as_is(self, function: Any) -> Any:
        return self._tf.autograph.experimental.do_not_convert(function)


def _encoded_labels(videos: VideoList, label_mode: str | None) -> np.ndarray | None:
    if videos.labels is None or label_mode is None:
        return None
    if label_mode == "multi_hot":
        return _multi_hot(videos)
    labels = np.array(videos.labels, np.int32)
    if label_mode == "int":
        return labels
    if label_mode == "binary":
        return labels.astype(np.float32)[:, np.newaxis]
    num_classes = max(len(videos.class_names or ()), labels.max() + 1)
    return np.eye(num_classes, dtype=np.float32)[labels]


def _multi_hot(videos: VideoList) -> np.ndarray:
    lists = [
        label if isinstance(label, tuple) else (label,) for label in videos.labels or ()
    ]
    largest = max((index for labels in lists for index in labels), default=-1)
    num_classes = max(len(videos.class_names or ()), largest + 1)
    encoded = np.zeros((len(lists), num_classes), np.float32)
    for row, labels in zip(encoded, lists, strict=True):
        row[list(labels)] = 1
    return encoded
