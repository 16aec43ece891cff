"""Batches of the pictures that TensorFlow Datasets streams."""

import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_nonlocal.data.coco.annotations import Picture
from keras_nonlocal.data.coco.categories import Categories
from keras_nonlocal.data.coco.ground_truth import ground_truth
from keras_nonlocal.data.coco.objects import ObjectReader, WrongObject
from keras_nonlocal.data.coco.picture_file import ImageError, encoded_size
from keras_nonlocal.data.coco.source import (
    BatchPlan,
    CocoSource,
    Item,
    Task,
    grouped,
)
from keras_nonlocal.data.coco.tfds_pictures import PictureStream
from keras_nonlocal.data.datasets.clip_plan import Order
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.random_streams import Purpose, random_stream


class StreamSource(CocoSource):
    """Pictures that come one after the other, with boxes but without masks.

    Batches before the first one that is wanted are read, but not decoded.

    Args:
        stream: The pictures.
        plan: How they become batches.
        categories: The classes.
        failures: Handles pictures that cannot be read.
        shuffle_buffer: Number of pictures from which the next one is drawn.
        keep_empty: Whether pictures without objects are kept.
    """

    def __init__(
        self,
        stream: PictureStream,
        plan: BatchPlan,
        categories: Categories,
        failures: FailurePolicy,
        shuffle_buffer: int,
        keep_empty: bool = True,
    ) -> None:
        super().__init__(plan, categories, failures)
        self._stream = stream
        self._shuffle_buffer = shuffle_buffer
        self._keep_empty = keep_empty
        self._reader = ObjectReader(categories, masks=False, keypoints=None)
        self._wrong: list[WrongObject] = []
        self._seen: set[int] = set()
        self._lock = threading.Lock()

    @property
    def num_batches(self) -> int | None:
        """Number of batches, known if all pictures are in one bucket and kept."""
        total = self.num_pictures
        if total is None or len(self.plan.sizing.shapes) > 1 or not self._keep_empty:
            return None
        size = self.plan.batch_size
        return total // size if self.plan.drop_remainder else -(-total // size)

    @property
    def num_pictures(self) -> int | None:
        """Number of pictures; `None` if it is unknown."""
        total = int(self._stream.dataset.cardinality())
        return total if total >= 0 else None

    @property
    def wrong_objects(self) -> Sequence[WrongObject]:
        """The objects left out so far; the list grows in the first epoch."""
        return self._wrong

    def checksum(self) -> str:
        """Returns a short name of the pictures, another one for other pictures."""
        named = (self._stream.name, self.num_pictures)
        return f"{zlib.crc32(repr(named).encode()):08x}"

    def tasks(self, epoch: int, first: int = 0) -> Iterator[Task]:
        """Yields the batches of an epoch, from batch `first` on."""
        groups = grouped(
            self._items(epoch), self.plan.batch_size, self.plan.drop_remainder
        )
        for number, (bucket, items) in enumerate(groups):
            if number >= first:
                yield Task(epoch, number, self.plan.sizing.shapes[bucket], items)

    def for_evaluation(self, failures: FailurePolicy) -> "StreamSource":
        """Returns all pictures, each once and unchanged but for their size."""
        plan = replace(
            self.plan, order=Order(shuffle=False), drop_remainder=False, augment=False
        )
        return StreamSource(self._stream, plan, self.categories, failures, 1)

    def ground_truth(self) -> dict[str, Any]:
        """Returns the images, annotations and categories in COCO's format."""
        sizes, annotations = {}, []
        for index, element in self._elements(None):
            try:
                size = encoded_size(element["image"], self._path(index, element))
            except ImageError:
                continue
            image = self._id(index, element)
            sizes[image] = size
            entries = self._annotations(element, size)
            annotations += [{**entry, "image_id": image} for entry in entries]
        content = {"annotations": annotations}
        return ground_truth(content, sizes, self.categories, masks=False)

    def _items(self, epoch: int) -> Iterator[tuple[int, Item]]:
        """The bucket of each picture of an epoch, and the picture."""
        for index, element in self._elements(
            epoch if self.plan.order.shuffle else None
        ):
            path = self._path(index, element)
            try:
                size = encoded_size(element["image"], path)
            except ImageError as error:
                self.failures.handle(error, index)
                continue
            picture = self._picture(index, element, path, size)
            if self._keep_empty or len(picture.objects.labels):
                bucket = self.plan.sizing.bucket(size)
                yield bucket, Item(index, picture, element["image"])

    def _elements(self, epoch: int | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The numbered pictures, shuffled for an epoch or, for `None`, in order."""
        numbered = self._stream.dataset.enumerate()
        if epoch is not None:
            rng = random_stream(self.plan.order.used_seed, Purpose.STREAM, epoch)
            numbered = numbered.shuffle(
                self._shuffle_buffer,
                seed=int(rng.integers(2**63)),
                reshuffle_each_iteration=False,
            )
        for index, element in numbered.as_numpy_iterator():
            yield int(index), element

    def _picture(
        self,
        index: int,
        element: Mapping[str, Any],
        path: str,
        size: tuple[int, int],
    ) -> Picture:
        objects, faults = self._reader.read(self._annotations(element, size), *size)
        with self._lock:
            if index not in self._seen:
                self._seen.add(index)
                self._wrong += [WrongObject(i, path, reason) for i, reason in faults]
        return Picture(self._id(index, element), path, size, objects)

    def _annotations(
        self, element: Mapping[str, Any], size: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """The objects of a picture in COCO's format."""
        height, width = size
        corners = element["bbox"].astype(np.float64) * [height, width, height, width]
        ids = self.categories.ids
        annotations = []
        for place, (y1, x1, y2, x2) in enumerate(corners.tolist()):
            label = int(element["label"][place])
            entry: dict[str, Any] = {
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "category_id": ids[label] if 0 <= label < len(ids) else None,
            }
            if "is_crowd" in element:
                entry["iscrowd"] = int(element["is_crowd"][place])
            if "area" in element:
                entry["area"] = float(element["area"][place])
            annotations.append(entry)
        return annotations

    def _id(self, index: int, element: Mapping[str, Any]) -> int:
        return int(element.get("id", index))

    def _path(self, index: int, element: Mapping[str, Any]) -> str:
        name = element.get("filename", b"")
        return f"{self._stream.name}/{name.decode() or index}"
