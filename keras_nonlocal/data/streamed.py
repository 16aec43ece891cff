"""`video_dataset_from_tfds`: a builder of TensorFlow Datasets to clips and labels."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from keras_nonlocal.data.arguments import (
    check_choice,
    check_count,
    check_positive_integer,
    check_positive_number,
)
from keras_nonlocal.data.epochs import Shard, shard_of
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.frames import PicturesReader
from keras_nonlocal.data.labels import FlipLabels, label_table
from keras_nonlocal.data.listed import check_shares
from keras_nonlocal.data.loading import LoadedClips, ViewSampler
from keras_nonlocal.data.pipeline import ClipPipeline
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.streams import VideoStream, video_stream
from keras_nonlocal.data.transforms import FramingSampler


def video_dataset_from_tfds(
    source: Any,
    split: str | None = None,
    label_mode: Literal["int", "categorical", "binary"] | None = "int",
    batch_size: int | None = 8,
    num_frames: int = 8,
    frame_stride: int = 8,
    crop_size: int | tuple[int, int] = 224,
    shuffle: bool = True,
    seed: int | None = None,
    *,
    video_key: str = "video",
    label_key: str = "label",
    class_names: Sequence[str] | None = None,
    fps: float = 30.0,
    shuffle_buffer: int = 128,
    augment: bool | None = None,
    short_side: int | tuple[int, int] | None = None,
    horizontal_flip: bool = False,
    flip_labels: FlipLabels | None = None,
    num_clips: int | None = None,
    num_crops: Literal[1, 3] | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    on_error: OnError = "raise",
    max_errors: int = 100,
    with_info: bool = False,
    shard: tuple[int, int] | None = None,
    drop_remainder: bool = False,
) -> Any:
    """Generates a `tf.data.Dataset` of clips from TensorFlow Datasets.

    The videos are streamed in the order in which they are stored. Of a builder's videos
    only the pictures that a clip needs are decoded.

    Args:
        source: A builder with a `tfds.features.Video` feature, or a `tf.data.Dataset`
            of decoded videos: dictionaries, or pairs of a video of shape
            `(frames_in_video, height, width, 1 or 3)` and a class index.
        split: Which part of a builder's data set, for instance `"train[:80%]"`. Only
            for builders, which need it.
        label_mode: As in `video_dataset_from_directory`.
        batch_size, num_frames, frame_stride, crop_size: As in
            `video_dataset_from_directory`.
        shuffle: Whether to shuffle the videos within a buffer, anew in each epoch.
            Defaults to `True`.
        seed: Seed of the order and of all random choices. With it, and with the same
            `tf.random.set_seed` if any, epoch `e` has the same clips in the same order
            in every run.
        video_key: Name of the feature with the video. Defaults to `"video"`.
        label_key: Name of the feature with the class. Defaults to `"label"`.
        class_names: Names of the classes. Defaults to those of the builder.
        fps: Frames per second, as the stored videos do not tell. Defaults to `30`.
        shuffle_buffer: Videos among which the next one is drawn. They are held in
            memory as they are stored. Defaults to `128`.
        augment, short_side, horizontal_flip, flip_labels, num_clips, num_crops: As in
            `video_dataset_from_directory`.
        target_fps, short_videos, on_error, max_errors: As in
            `video_dataset_from_directory`.
        with_info, shard, drop_remainder: As in `video_dataset_from_directory`; the
            path is the name of the data set, the split and the number of the video.

    Returns:
        What `video_dataset_from_directory` returns, without `file_paths`.

    Raises:
        ValueError: If an argument does not fit, in one sentence.

    Example:

    >>> builder = tfds.builder("ucf101")  # doctest: +SKIP
    >>> builder.download_and_prepare()  # doctest: +SKIP
    >>> train = video_dataset_from_tfds(builder, "train", fps=25)  # doctest: +SKIP
    """
    check_choice("label_mode", label_mode, ("int", "categorical", "binary", None))
    check_positive_integer("shuffle_buffer", shuffle_buffer)
    check_positive_number("fps", fps)
    if batch_size is not None:
        check_positive_integer("batch_size", batch_size)
    if seed is not None:
        check_count("seed", seed)
    check_shares(shard, shuffle, seed, drop_remainder, on_error)
    stream = video_stream(
        source, split, video_key, label_mode and label_key, class_names
    )
    classes = _classes(label_mode, stream.class_names)
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    random_views = shuffle and num_clips is None and num_crops is None
    pipeline = StreamPipeline(
        stream,
        ViewSampler(
            ClipSampler(num_frames, frame_stride, num_clips, target_fps, short_videos),
            FramingSampler(crop_size, short_side, num_crops, horizontal_flip),
            seed if (random_views if augment is None else augment) else None,
        ),
        fps,
        shard_of(shard, is_equal=drop_remainder),
        seed if shuffle else None,
        shuffle_buffer,
        failures=FailurePolicy(on_error, max_errors),
        labels=label_table(classes, label_mode, flip_labels),
        batch_size=batch_size,
        drop_remainder=drop_remainder,
        with_info=with_info,
    )
    return pipeline.dataset()


class StreamPipeline(ClipPipeline):
    """Loads the clips of a stream of videos.

    Args:
        stream: The videos.
        views: Takes the clips out of each video.
        fps: Frames per second.
        shard: The share of this worker.
        seed: Seed of the order; `None` keeps the order of the stream.
        shuffle_buffer: Videos among which the next one is drawn.
        settings: The further arguments of `ClipPipeline`.
    """

    def __init__(
        self,
        stream: VideoStream,
        views: ViewSampler,
        fps: float,
        shard: Shard,
        seed: int | None,
        shuffle_buffer: int,
        **settings: Any,
    ) -> None:
        super().__init__(views, **settings)
        self._stream = stream
        self._fps = fps
        self._shard = shard
        self._seed = seed
        self._shuffle_buffer = shuffle_buffer
        self._total = int(stream.dataset.cardinality())
        if shard.is_equal and self._length is None:
            raise ValueError(
                "`source` must have a known number of videos to be dealt out in equal "
                f"shares. Received: source={stream.dataset!r}"
            )

    @property
    def _length(self) -> int | None:
        return self._shard.num_videos(self._total) if self._total >= 0 else None

    def _items(self, epoch: Any) -> Any:
        tf = self._tf
        videos = self._stream.dataset.enumerate()
        videos = videos.shard(self._shard.count, self._shard.index)
        if self._shard.is_equal:
            videos = videos.take(self._length)
        if self._seed is not None:
            # Consecutive epochs of one run must not be those of another seed.
            seed = tf.constant(self._seed, tf.int64) * 1_000_003 + epoch
            videos = videos.shuffle(
                self._shuffle_buffer, seed=seed, reshuffle_each_iteration=False
            )
        return videos.map(self._as_is(lambda index, video: (epoch, index, *video)))

    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        path = self._path(index)
        pictures = content[0]
        return self._views.load(
            lambda: PicturesReader(path, pictures, self._fps), path, index, epoch
        )

    def _path(self, index: int) -> str:
        return f"{self._stream.name}/{index}"

    def _row(self, index: Any, *content: Any) -> Any:
        return content[1]

    def _clips(self, items: Any, length: int | None) -> Any:
        dataset = super()._clips(items, length)
        dataset.class_names = [*(self._stream.class_names or ())] or None
        return dataset


def _classes(label_mode: str | None, class_names: tuple[str, ...] | None) -> VideoList:
    """Returns a list with one entry per class, so that its labels can be encoded."""
    if label_mode is None:
        return VideoList(())
    if class_names is None:
        raise ValueError(
            "`class_names` must be given if the source does not name its classes. "
            f"Received: class_names=None, label_mode={label_mode!r}"
        )
    if label_mode == "binary" and len(class_names) != 2:
        raise ValueError(
            '`label_mode="binary"` needs exactly two classes. '
            f"Received: the classes {[*class_names]}"
        )
    return VideoList(class_names, tuple(range(len(class_names))), class_names)
