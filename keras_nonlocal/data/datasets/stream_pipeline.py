"""Clips from videos that TensorFlow Datasets streams one after the other."""

from typing import Any

import numpy as np

from keras_nonlocal.data.datasets.clip_plan import ClipPlan
from keras_nonlocal.data.datasets.elements import ElementLoader
from keras_nonlocal.data.datasets.loading import LoadedClips
from keras_nonlocal.data.datasets.pipeline import ClipPipeline
from keras_nonlocal.data.lists.tfds import VideoStream
from keras_nonlocal.data.lists.video_list import Label, label_problem
from keras_nonlocal.data.random_streams import Purpose, random_stream
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.python_calls import numpy_function


class StreamPipeline(ClipPipeline):
    """Loads the clips of a stream of videos.

    Args:
        stream: The videos.
        fps: Frames per second.
        plan: How the videos become batches of clips.
        shuffle_buffer: Number of videos from which the next one is drawn.
    """

    def __init__(
        self,
        stream: VideoStream,
        fps: float,
        plan: ClipPlan,
        shuffle_buffer: int,
    ) -> None:
        labels = plan.labeling.encoder(stream.class_names)
        elements = ElementLoader(plan.views(), plan.failures, labels)
        super().__init__(elements, plan.batches)
        self._stream = stream
        self._fps = fps
        self._shard = shard = plan.shard
        self._seed = plan.order_seed()
        self._shuffle_buffer = shuffle_buffer
        self._total = int(stream.dataset.cardinality())
        if shard.is_equal and self._length is None:
            raise ValueError(
                "`source` must have a known number of videos for equal shares. "
                f"Received: source={stream.dataset!r}"
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
            seed = numpy_function(self._shuffle_seed, [epoch], tf.int64)
            seed = tf.ensure_shape(seed, ())
            videos = videos.shuffle(
                self._shuffle_buffer, seed=seed, reshuffle_each_iteration=False
            )
        return videos.map(self._as_is(lambda index, video: (epoch, index, *video)))

    def _shuffle_seed(self, epoch: np.int64) -> np.int64:
        assert self._seed is not None
        rng = random_stream(self._seed, Purpose.STREAM, epoch)
        return np.int64(rng.integers(2**63))

    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        path = self._path(index)
        pictures = content[0]
        return self._views.load(
            lambda: PicturesReader(path, pictures, self._fps), path, index, epoch
        )

    def _path(self, index: int) -> str:
        return f"{self._stream.name}/{index}"

    def _label(self, index: int, *content: Any) -> Label:
        label = int(content[1])
        problem = label_problem(label, len(self._stream.class_names or ()))
        if problem:
            raise ValueError(
                f"`source` must have {problem}. Received: the label {label} of "
                f"{self._path(index)!r}"
            )
        return label

    def _clips(self, items: Any, length: int | None, batch: int = 0) -> Any:
        dataset = super()._clips(items, length, batch)
        dataset.class_names = [*(self._stream.class_names or ())] or None
        dataset.clip_info = self._elements.clip_info(dataset.class_names)
        dataset.file_paths = None
        return dataset
