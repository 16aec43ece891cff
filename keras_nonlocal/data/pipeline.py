"""From a list of videos to a `tf.data.Dataset` of clips."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.data._requirements import import_tensorflow
from keras_nonlocal.data.readers import OpenVideo, TimelineChangedError
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import FramingSampler

LABEL_MODES = ("int", "categorical", "binary", None)


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
        return video.read(self.clips.frame_indices(video.times, rng), framing)

    @property
    def _num_views(self) -> int | None:
        num_clips, num_crops = self.clips.num_clips, self.framings.num_crops
        if num_clips is None and num_crops is None:
            return None
        return (num_clips or 1) * (num_crops or 1)


class EpochOrder:
    """The order of the videos, epoch after epoch.

    Args:
        num_videos: Number of videos.
        seed: Seed of the order, which then differs between epochs. `None` keeps the
            order of the list.
    """

    def __init__(self, num_videos: int, seed: int | None) -> None:
        self._num_videos = num_videos
        self._seed = seed
        self._next_epoch = 0
        self._lock = threading.Lock()

    def start(self) -> np.ndarray:
        """Begins an epoch.

        Returns:
            The epoch and the index of each video, shape `(num_videos, 2)`.
        """
        with self._lock:
            epoch = self._next_epoch
            self._next_epoch += 1
        if self._seed is None:
            order = np.arange(self._num_videos)
        else:
            rng = np.random.default_rng((self._seed, epoch))
            order = rng.permutation(self._num_videos)
        return np.stack([np.full_like(order, epoch), order], axis=1).astype(np.int64)


def clip_dataset(
    loader: ClipLoader,
    order: EpochOrder,
    label_mode: str | None,
    batch_size: int | None,
) -> Any:
    """Returns the `tf.data.Dataset` of clips, with labels unless there are none."""
    tf = import_tensorflow()

    @tf.autograph.experimental.do_not_convert
    def start_epoch(_: Any) -> Any:
        turns = tf.numpy_function(order.start, [], tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(turns, (None, 2)))

    @tf.autograph.experimental.do_not_convert
    def load(turn: Any) -> Any:
        clips = tf.numpy_function(
            lambda turn: loader.load(int(turn[1]), int(turn[0])), [turn], tf.uint8
        )
        clips = tf.ensure_shape(clips, loader.shape)
        if labels is None:
            return clips
        return clips, tf.gather(labels, turn[1])

    labels = _encoded_labels(loader.videos, label_mode)
    dataset = tf.data.Dataset.range(1).flat_map(start_epoch)
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(len(loader.videos.paths))
    )
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if batch_size is not None:
        dataset = dataset.batch(batch_size)
    options = tf.data.Options()
    # Files are not the elements that `tf.data` could deal out to workers.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
    # As on the datasets of `keras.utils.image_dataset_from_directory`.
    dataset.class_names = [*(loader.videos.class_names or ())] or None
    dataset.file_paths = [*loader.videos.paths]
    return dataset


def _encoded_labels(videos: VideoList, label_mode: str | None) -> np.ndarray | None:
    if videos.labels is None or label_mode is None:
        return None
    labels = np.array(videos.labels, np.int32)
    if label_mode == "int":
        return labels
    if label_mode == "binary":
        return labels.astype(np.float32)[:, np.newaxis]
    num_classes = max(len(videos.class_names or ()), labels.max() + 1)
    return np.eye(num_classes, dtype=np.float32)[labels]
