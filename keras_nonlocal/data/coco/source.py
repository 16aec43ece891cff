"""`CocoSource`: pictures with objects as batches, the same for every framework."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.coco.annotations import Picture
from keras_nonlocal.data.coco.categories import Categories
from keras_nonlocal.data.coco.examples import (
    Arrays,
    Example,
    Targets,
    View,
    framed,
    padded,
)
from keras_nonlocal.data.coco.objects import WrongObject
from keras_nonlocal.data.coco.picture_file import (
    ImageError,
    decode_picture,
    read_bytes,
)
from keras_nonlocal.data.coco.sizes import Bucket, Sizing
from keras_nonlocal.data.datasets.clip_plan import Order
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.parallel import Workers
from keras_nonlocal.data.random_streams import Purpose, random_stream
from keras_nonlocal.processors import num_processors


@dataclass(frozen=True)
class BatchPlan:
    """How pictures become batches, epoch after epoch.

    Args:
        sizing: How pictures are scaled and padded.
        targets: The arrays of the objects.
        order: Which picture comes when.
        batch_size: Pictures per batch.
        drop_remainder: Whether batches of fewer pictures are left out.
        horizontal_flip: Whether half of the augmented pictures are mirrored.
        augment: Whether scales are drawn and pictures mirrored; `None`: if the order is
            random.
    """

    sizing: Sizing
    targets: Targets
    order: Order
    batch_size: int = 2
    drop_remainder: bool = False
    horizontal_flip: bool = False
    augment: bool | None = None

    def __post_init__(self) -> None:
        check_positive_integer("batch_size", self.batch_size)

    def view(self, size: tuple[int, int], index: int, epoch: int) -> View:
        """Returns how a picture is shown in an epoch.

        Args:
            size: Its height and width.
            index: Its number, for what is drawn at random.
            epoch: The epoch, counted from 0.
        """
        low, high = self.sizing.short_sides
        draws = self.order.shuffle if self.augment is None else self.augment
        if not draws:
            return View(self.sizing.in_bucket(size, high))
        rng = random_stream(self.order.used_seed, Purpose.PICTURE, epoch, index)
        short_side = int(rng.integers(low, high + 1))
        is_mirrored = bool(rng.random() < 0.5) and self.horizontal_flip
        return View(self.sizing.in_bucket(size, short_side), is_mirrored)


@dataclass(frozen=True)
class Item:
    """A picture of a batch, not yet read.

    Args:
        index: Its number in the data set.
        picture: The picture with its objects.
        content: The picture, encoded or as pixels; `None`: it is read from its file.
    """

    index: int
    picture: Picture
    content: bytes | np.ndarray | None = None


class Task(NamedTuple):
    """A batch, not yet loaded.

    Args:
        epoch: Its epoch, counted from 0.
        number: Its number in the epoch, counted from 0.
        bucket: Its height and width.
        items: Its pictures.
    """

    epoch: int
    number: int
    bucket: Bucket
    items: tuple[Item, ...]


class LoadedBatch(NamedTuple):
    """A batch.

    Args:
        x: `"images"` and `"image_sizes"`.
        y: `"boxes"`, `"labels"`, and `"masks"` or `"keypoints"`, if asked for.
        pictures: The pictures that it holds.
    """

    x: Arrays
    y: Arrays
    pictures: tuple[Picture, ...]


class ReadBatch(NamedTuple):
    """The readable part of a batch.

    Args:
        arrays: `x` and `y` of `LoadedBatch`; `None` if nothing can be read.
        errors: The reason for each picture of the task that cannot be read.
    """

    arrays: tuple[Arrays, Arrays] | None
    errors: dict[int, str]


class CocoSource(abc.ABC):
    """Deals pictures into batches and loads them.

    Everything random follows from the seed, the epoch and the number of the picture.

    Args:
        plan: How pictures become batches.
        categories: The classes.
        failures: Handles pictures that cannot be read.
    """

    def __init__(
        self, plan: BatchPlan, categories: Categories, failures: FailurePolicy
    ) -> None:
        self.plan = plan
        self.categories = categories
        self.failures = failures

    @property
    @abc.abstractmethod
    def num_batches(self) -> int | None:
        """Number of batches of an epoch; `None` if it is unknown."""

    @property
    @abc.abstractmethod
    def num_pictures(self) -> int | None:
        """Number of pictures; `None` if it is unknown."""

    @abc.abstractmethod
    def checksum(self) -> str:
        """Returns a short name of the pictures, another one for other pictures."""

    @property
    def file_paths(self) -> list[str] | None:
        """The pictures, in the order of their numbers; `None` if they have no files."""
        return None

    @property
    def wrong_objects(self) -> Sequence[WrongObject]:
        """The annotations that are left out, as far as they are known."""
        return ()

    def batch_paths(self, epoch: int, batch: int) -> list[str]:
        """Returns the files of a batch; none if the epoch has no such batch."""
        raise NotImplementedError

    @abc.abstractmethod
    def tasks(self, epoch: int, first: int = 0) -> Iterator[Task]:
        """Yields the batches of an epoch, from batch `first` on."""

    @abc.abstractmethod
    def for_evaluation(self, failures: FailurePolicy) -> Self:
        """Returns all pictures, each once and unchanged but for their size."""

    @abc.abstractmethod
    def ground_truth(self) -> dict[str, Any]:
        """Returns the images, annotations and categories in COCO's format."""

    def load(self, task: Task) -> LoadedBatch | None:
        """Loads a batch, without the pictures that are left out.

        Returns:
            The batch; `None` if all of its pictures are left out.

        Raises:
            ImageError: If a picture cannot be read and is not to be left out.
        """
        return self._checked(task, self.read(task))

    def read(self, task: Task) -> ReadBatch:
        """Reads the pictures of a batch; what cannot be read is named."""
        examples, errors = [], {}
        for number, item in enumerate(task.items):
            try:
                examples.append(self._example(item, task.epoch))
            except ImageError as error:
                errors[number] = error.reason
        arrays = padded(examples, task.bucket, self.plan.targets) if examples else None
        return ReadBatch(arrays, errors)

    def batches(self, epoch: int, first: int = 0) -> Iterator[LoadedBatch]:
        """Yields the loaded batches of an epoch, read ahead by several threads."""
        workers = Workers(self.load, num_processors())
        for batch in workers.in_order(self.tasks(epoch, first)):
            if batch is not None:
                yield batch

    def _checked(self, task: Task, batch: ReadBatch) -> LoadedBatch | None:
        """Returns a batch, if its pictures can be read or left out."""
        for number, reason in batch.errors.items():
            item = task.items[number]
            self.failures.handle(ImageError(item.picture.path, reason), item.index)
        if batch.arrays is None:
            return None
        pictures = [
            item.picture
            for number, item in enumerate(task.items)
            if number not in batch.errors
        ]
        return LoadedBatch(*batch.arrays, tuple(pictures))

    def _example(self, item: Item, epoch: int) -> Example:
        picture, content = item.picture, item.content
        if content is None:
            content = read_bytes(picture.path)
        pixels = decode_picture(content, picture.path, picture.size)
        view = self.plan.view(picture.size, item.index, epoch)
        return framed(pixels, picture.objects, view, self.plan.targets)


def grouped(
    items: Iterable[tuple[int, Any]], batch_size: int, drop_remainder: bool
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Deals items into batches of one bucket each.

    Args:
        items: The bucket of each item, and the item.
        batch_size: Items per batch.
        drop_remainder: Whether batches of fewer items are left out.

    Yields:
        A bucket and its items, as soon as the batch is complete. Incomplete batches
        come last.
    """
    waiting: dict[int, list[Any]] = {}
    for bucket, item in items:
        group = waiting.setdefault(bucket, [])
        group.append(item)
        if len(group) == batch_size:
            yield bucket, tuple(waiting.pop(bucket))
    if not drop_remainder:
        for bucket in sorted(waiting):
            yield bucket, tuple(waiting[bucket])
