"""Datasets of clips from a list of videos."""

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_nonlocal.arguments import counted
from keras_nonlocal.data.datasets.clip_dataset import ClipDataset
from keras_nonlocal.data.datasets.clip_loader import ClipLoader, ClosableLoader, Loader
from keras_nonlocal.data.datasets.clip_plan import (
    Batches,
    ClipPlan,
    Split,
    check_seed_of_split,
    report,
)
from keras_nonlocal.data.datasets.elements import ElementLoader
from keras_nonlocal.data.datasets.epochs import EpochCounter, EpochOrder
from keras_nonlocal.data.datasets.loading import LoadedClips
from keras_nonlocal.data.datasets.pipeline import ClipPipeline
from keras_nonlocal.data.datasets.worker_parts import (
    PartOrder,
    WorkerPart,
    parts_of_batches,
)
from keras_nonlocal.data.lists.video_list import Label, VideoList
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.python_calls import numpy_function

# Clips of fewer pixels take the reader less time than operations of TensorFlow. The
# number is about that of 16 pictures of 224x224.
_MANY_PIXELS = 3 * 2**18


def datasets_of_list(
    videos: VideoList,
    open_video: OpenVideo,
    plan: ClipPlan,
    split: Split,
    verbose: bool,
) -> ClipDataset | tuple[ClipDataset, ClipDataset]:
    """Returns the dataset of a list, or the datasets of its two parts.

    Args:
        videos: The videos.
        open_video: Opens a video.
        plan: How the videos become batches of clips.
        split: The part of the list to use.
        verbose: Whether to print the number of videos and classes.
    """
    check_seed_of_split(plan.order, split)
    if not videos.paths:
        raise ValueError("`videos` must hold at least one video. Received: none")
    labels = plan.labeling.encoder_of_list(videos)
    if verbose:
        names = videos.class_names
        classes = "" if names is None else f" belonging to {len(names)} classes"
        report(f"Found {counted(len(videos.paths), 'video')}{classes}.")
    if plan.order.shuffle:
        videos = videos.shuffle(plan.order.used_seed)
    datasets = []
    for role, part in split.parts(videos).items():
        if verbose and split.subset is not None:
            report(f"Using {counted(len(part.paths), 'video')} for {role}.")
        views = plan.views(role)
        order = EpochOrder(len(part.paths), plan.order_seed(role), plan.shard)
        dataset = _dataset(
            ClipLoader(part, open_video, views),
            order,
            ElementLoader(views, plan.failures.renewed(), labels),
            plan.batches,
        )
        datasets.append(dataset)
    return (datasets[0], datasets[1]) if split.subset == "both" else datasets[0]


def _dataset(
    loader: ClipLoader, order: EpochOrder, elements: ElementLoader, batches: Batches
) -> Any:
    if batches.used_type == "tf.data":
        return _pipeline(loader, batches)(loader, order, elements, batches).dataset()
    from keras_nonlocal.data.datasets.py_dataset import ClipPyDataset

    used = _in_processes(loader, order, batches.workers)
    dataset = ClipPyDataset(used, order, elements, batches)
    _add_attributes(dataset, loader.videos, elements)
    return dataset


def _pipeline(loader: ClipLoader, batches: Batches) -> Any:
    """Returns the class that loads clips in `tf.data`."""
    from keras_nonlocal.data.records.record_file import RecordReader

    if batches.workers or loader.open_video is not RecordReader:
        return ListPipeline
    if math.prod(loader.views.shape) >= 3 * _MANY_PIXELS:
        from keras_nonlocal.data.datasets.record_pipeline import RecordPipeline

        return RecordPipeline
    return ListPipeline


def _in_processes(loader: ClipLoader, order: EpochOrder, workers: int) -> Loader:
    """Returns a loader that lets processes do the work, if there are any."""
    if workers == 0:
        return loader
    from keras_nonlocal.data.datasets.processes import ClipProcesses

    return ClipProcesses(loader, order, workers)


def _add_attributes(dataset: Any, videos: VideoList, elements: ElementLoader) -> None:
    # As on the datasets of `keras.utils.image_dataset_from_directory`.
    dataset.class_names = [*(videos.class_names or ())] or None
    dataset.clip_info = elements.clip_info(dataset.class_names)
    dataset.file_paths = [*videos.paths]


class ListPipeline(ClipPipeline):
    """Loads the clips of a list of videos.

    Args:
        loader: Loads the clips.
        order: The order of the videos in each epoch, or the parts of a worker.
        elements, batches, counter: As in `ClipPipeline`.
    """

    def __init__(
        self,
        loader: ClipLoader,
        order: EpochOrder,
        elements: ElementLoader,
        batches: Batches,
        counter: EpochCounter | None = None,
    ) -> None:
        used = _in_processes(loader, order, batches.workers)
        super().__init__(elements, batches, in_order=used.in_order, counter=counter)
        self._clip_loader = loader
        self._loader = used
        self._order = order
        self._is_divided = False

    @property
    def _length(self) -> int:
        return self._order.length

    def _items(self, epoch: Any) -> Any:
        tf = self._tf
        turns = numpy_function(self._order.turns, [epoch], tf.int64)
        turns = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(turns, (None,)))
        return turns.map(self._as_is(lambda index: (epoch, index)))

    def _load(self, epoch: int, index: int, *content: Any) -> LoadedClips:
        return self._loader.load_with_times(index, epoch)

    def _label(self, index: int, *content: Any) -> Label:
        assert self._loader.videos.labels is not None
        return self._loader.videos.labels[index]

    def _path(self, index: int) -> str:
        return self._loader.videos.paths[index]

    def _in_batches(self, loaded: Any, first: int) -> Any:
        if not isinstance(self._order, PartOrder):
            return super()._in_batches(loaded, first)
        count = max(self._order.num_batches - first, 0)
        return parts_of_batches(loaded, self._order.part, count, self._report)

    def _clips(self, items: Any, length: int | None, batch: int = 0) -> Any:
        dataset = super()._clips(items, length, batch)
        _add_attributes(dataset, self._loader.videos, self._elements)
        dataset.batch_paths = self._batch_paths
        dataset.num_shards = self._order.shard.count
        if isinstance(self._order, PartOrder):
            part = self._order.part
            dataset.share = part.size / part.batch_size
            dataset.elements_per_step = part.num_replicas
        if isinstance(self._loader, ClosableLoader):
            # TensorFlow keeps the functions of a dataset, and so the loader.
            weakref.finalize(dataset, self._loader.close)
        return dataset

    def dataset(self) -> Any:
        """Returns the dataset, each iteration of which is the next epoch."""
        dataset: Any = super().dataset()
        self._divide(dataset, lambda part: part.dataset())
        return dataset

    def _resume(self, epoch: int, batch: int = 0) -> Any:
        dataset: Any = super()._resume(epoch, batch)
        self._divide(dataset, lambda part: part._resume(epoch, batch))
        return dataset

    def _divide(self, dataset: Any, begin: Callable[["ListPipeline"], Any]) -> None:
        """Lets workers ask a dataset for their parts of its batches."""
        size, order = self._batches.size, self._order
        if size is None or order.shard.count > 1 or isinstance(order, PartOrder):
            return

        def part_of_worker(worker: int, num_workers: int, num_replicas: int) -> Any:
            self._is_divided = True
            part = WorkerPart(
                worker, num_workers, num_replicas, size, self._batches.drop_remainder
            )
            pipeline = type(self)(
                self._clip_loader,
                PartOrder(order.num_videos, order.seed, order.shard, part),
                self._elements,
                self._batches,
                self._counter,
            )
            return begin(pipeline)

        dataset.batch_size, dataset.part_of_worker = size, part_of_worker

    def _first_item(self, epoch: int, batch: int) -> int:
        if isinstance(self._order, PartOrder):
            return batch * self._order.part.size
        turns, kept = self._turns(epoch)
        first = super()._first_item(epoch, batch)
        if self._is_divided or batch == 0 or len(kept) == len(turns):
            return first
        return int(kept[first]) if first < len(kept) else len(turns)

    def _batch_paths(self, epoch: int, batch: int) -> list[str]:
        """Returns the files of a batch, without the videos left out so far."""
        turns, kept = self._turns(epoch)
        first = super()._first_item(epoch, batch)
        positions = kept[first:][: self._batches.size or 1]
        if self._is_divided:
            # Videos that are left out are missing in their batch, and no others follow.
            is_there = (kept >= first) & (kept < first + (self._batches.size or 1))
            positions = kept[is_there]
        return [self._path(index) for index in turns[positions]]

    def _turns(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the videos of an epoch and the positions of those not left out."""
        turns = self._order.turns(epoch)
        is_left_out = np.isin(turns, [*self._elements.left_out.copy()])
        return turns, np.flatnonzero(~is_left_out)
