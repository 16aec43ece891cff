"""Batches of the pictures of a JSON file."""

import copy
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.coco.annotations import CocoAnnotations, read_json
from keras_nonlocal.data.coco.ground_truth import ground_truth
from keras_nonlocal.data.coco.objects import PictureObjects, WrongObject
from keras_nonlocal.data.coco.sizes import bucket_numbers
from keras_nonlocal.data.coco.source import (
    BatchPlan,
    CocoSource,
    Item,
    LoadedBatch,
    ReadBatch,
    Task,
    grouped,
)
from keras_nonlocal.data.datasets.clip_plan import Order
from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.in_processes import InProcesses

# Batches that wait in a process until they are needed.
_BATCHES_AHEAD = 2

_Groups = tuple[tuple[int, tuple[int, ...]], ...]


class ListSource(CocoSource):
    """The pictures of a JSON file in COCO's format.

    Args:
        annotations: The pictures with their objects.
        plan: How they become batches.
        failures: Handles pictures that cannot be read.
        keep_empty: Whether pictures without objects are kept and, with keypoints, those
            without visible keypoints.
        workers: Number of processes that read pictures, or 0 for threads.
    """

    def __init__(
        self,
        annotations: CocoAnnotations,
        plan: BatchPlan,
        failures: FailurePolicy,
        keep_empty: bool = True,
        workers: int = 0,
    ) -> None:
        super().__init__(plan, annotations.categories, failures)
        self.annotations = annotations
        self.pictures = tuple(
            picture
            for picture in annotations.pictures
            if keep_empty or not _is_empty(picture.objects)
        )
        self._buckets = bucket_numbers(
            plan.sizing, [picture.size for picture in self.pictures]
        )
        seed = plan.order.used_seed if plan.order.shuffle else None
        self._order = EpochOrder(len(self.pictures), seed)
        self._groups = lru_cache(2)(self._groups_of)
        self.workers = workers
        self._read: InProcesses | None = None
        if workers:
            turns = EpochOrder(self.num_batches, seed=None)
            self._read = InProcesses(_Read(self), turns, workers, _BATCHES_AHEAD)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_groups": None, "_read": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._groups = lru_cache(2)(self._groups_of)

    @property
    def num_batches(self) -> int:
        """Number of batches of an epoch, the same in each."""
        return len(self._groups(0))

    @property
    def num_pictures(self) -> int:
        """Number of pictures that are kept."""
        return len(self.pictures)

    def checksum(self) -> str:
        """Returns a short hash of the pictures' ids, names, sizes and file lengths."""
        named = []
        for picture in self.pictures:
            found = files.state(picture.path)
            length = None if found is None else found[0]
            name = os.path.basename(picture.path)
            named.append((picture.id, name, picture.size, length))
        return f"{zlib.crc32(repr(named).encode()):08x}"

    @property
    def file_paths(self) -> list[str]:
        """The pictures, in the order of their numbers."""
        return [picture.path for picture in self.pictures]

    @property
    def wrong_objects(self) -> tuple[WrongObject, ...]:
        """The annotations that are left out."""
        return self.annotations.wrong_objects

    def task(self, epoch: int, number: int) -> Task:
        """Returns a batch of an epoch."""
        bucket, indices = self._groups(epoch)[number]
        items = tuple(Item(index, self.pictures[index]) for index in indices)
        return Task(epoch, number, self.plan.sizing.shapes[bucket], items)

    def tasks(self, epoch: int, first: int = 0) -> Iterator[Task]:
        """Yields the batches of an epoch, from batch `first` on."""
        for number in range(first, self.num_batches):
            yield self.task(epoch, number)

    def load_number(self, epoch: int, number: int) -> LoadedBatch | None:
        """Loads a batch of an epoch, as `load` does."""
        task = self.task(epoch, number)
        if self._read is None:
            return self.load(task)
        return self._checked(task, ReadBatch(*self._read(epoch, number)))

    def batches(self, epoch: int, first: int = 0) -> Iterator[LoadedBatch]:
        """Yields the loaded batches of an epoch, read ahead."""
        if self._read is None:
            yield from super().batches(epoch, first)
            return
        for number in range(first, self.num_batches):
            batch = self.load_number(epoch, number)
            if batch is not None:
                yield batch

    def close(self) -> None:
        """Ends the processes, until batches are asked for again."""
        if self._read is not None:
            self._read.close()

    def batch_paths(self, epoch: int, batch: int) -> list[str]:
        """Returns the files of a batch; none if the epoch has no such batch."""
        if batch >= self.num_batches:
            return []
        return [item.picture.path for item in self.task(epoch, batch).items]

    def for_evaluation(self, failures: FailurePolicy) -> "ListSource":
        """Returns all pictures, each once and unchanged but for their size."""
        plan = replace(
            self.plan,
            order=Order(shuffle=False),
            drop_remainder=False,
            augment=False,
        )
        return ListSource(self.annotations, plan, failures, workers=self.workers)

    def ground_truth(self) -> dict[str, Any]:
        """Returns the images, annotations and categories in COCO's format."""
        own = self.annotations
        sizes = {picture.id: picture.size for picture in own.pictures}
        targets = self.plan.targets
        return ground_truth(
            read_json(own.source),
            sizes,
            own.categories,
            targets.mask_size is not None,
            targets.keypoints,
        )

    def _groups_of(self, epoch: int) -> _Groups:
        """The bucket and the pictures of each batch of this worker."""
        turns = self._order.turns(epoch)
        dealt = zip(self._buckets[turns].tolist(), turns.tolist(), strict=True)
        groups = [*grouped(dealt, self.plan.batch_size, self.plan.drop_remainder)]
        shard = self.plan.order.shard(is_equal=self.plan.drop_remainder)
        length = shard.num_videos(len(groups))
        return tuple(groups[shard.index :: shard.count][:length])


class _Read:
    """Reads a batch, in a process that handles no failures."""

    def __init__(self, source: ListSource) -> None:
        # What the processes refer to must not refer to them. A failure that was raised
        # does, by its traceback.
        self._source = copy.copy(source)
        del self._source.failures

    def __call__(self, epoch: int, number: int) -> ReadBatch:
        return self._source.read(self._source.task(epoch, number))


def _is_empty(objects: PictureObjects) -> bool:
    points = objects.keypoints
    return not len(objects.labels) or (points is not None and not points[..., 2].any())


def describe(source: ListSource) -> str:
    """Returns a sentence about the pictures, and one about what is left out."""
    annotations = source.annotations
    objects = sum(len(picture.objects.labels) for picture in source.pictures)
    lines = [
        f"Found {len(source.pictures)} pictures with {objects} objects belonging to "
        f"{len(annotations.categories.names)} classes."
    ]
    if annotations.wrong_objects:
        lines.append(f"{len(annotations.wrong_objects)} wrong objects are left out.")
    return "\n".join(lines)


def num_crowded(source: ListSource) -> int:
    """Returns how many pictures have more objects than a batch has places."""
    counts = np.array([len(picture.objects.labels) for picture in source.pictures])
    return int((counts > source.plan.targets.max_boxes).sum())
