"""`CocoAnnotations`: a JSON file in COCO's format as pictures with objects."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_nonlocal import files
from keras_nonlocal.arguments import is_integer
from keras_nonlocal.data.coco.categories import (
    Categories,
    FlipPairs,
    Keypoints,
    as_id,
    check_ids,
    read_categories,
    read_keypoints,
)
from keras_nonlocal.data.coco.objects import (
    ObjectReader,
    PictureObjects,
    WrongObject,
)
from keras_nonlocal.data.coco.picture_file import ImageError, stored_size
from keras_nonlocal.data.datasets.failures import FailurePolicy

Annotations = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Picture:
    """A picture with its objects.

    Args:
        id: Its `id` in COCO's files.
        path: The file.
        size: Height and width in pixels that the annotations refer to.
        objects: Its objects, without crowds and wrong ones.
    """

    id: int | str
    path: str
    size: tuple[int, int]
    objects: PictureObjects


@dataclass(frozen=True)
class CocoAnnotations:
    """A data set in COCO's format.

    Args:
        pictures: In the order of the file.
        categories: The classes.
        keypoints: The keypoints; `None` if they are not read.
        wrong_objects: The annotations that are left out.
        num_crowds: How many annotations cover groups of objects.
        source: Where the annotations come from.
    """

    pictures: tuple[Picture, ...]
    categories: Categories
    keypoints: Keypoints | None
    wrong_objects: tuple[WrongObject, ...]
    num_crowds: int
    source: Annotations


@dataclass(frozen=True)
class Contents:
    """Which parts of annotations are read.

    Args:
        masks: Whether objects need a segmentation.
        keypoints: Whether keypoints are read.
        flip_pairs: As in `read_keypoints`.
        oks_sigmas: As in `read_keypoints`.
    """

    masks: bool = True
    keypoints: bool = False
    flip_pairs: FlipPairs | None = None
    oks_sigmas: Sequence[float] | None = None

    def keypoints_of(self, categories: Categories) -> Keypoints | None:
        """Returns the keypoints of some categories, if they are read."""
        if not self.keypoints:
            return None
        return read_keypoints(categories, self.flip_pairs, self.oks_sigmas)


def read_json(annotations: Annotations) -> Mapping[str, Any]:
    """Returns the contents of a file in COCO's format.

    Args:
        annotations: A path, or the contents themselves.
    """
    shown = "a mapping"
    if not isinstance(annotations, Mapping):
        shown = repr(os.fspath(annotations))
        with files.open_text(annotations) as file:
            try:
                annotations = json.load(file)
            except ValueError as error:
                raise ValueError(
                    f"`annotations` must be a JSON file ({error}). "
                    f"Received: annotations={shown}"
                ) from None
    lists = ("images", "annotations", "categories")
    if not isinstance(annotations, Mapping) or not all(
        isinstance(annotations.get(name), list | tuple)
        and all(isinstance(entry, Mapping) for entry in annotations[name])
        for name in lists
    ):
        raise ValueError(
            "`annotations` must be in COCO's format, with lists of mappings called "
            f'"images", "annotations" and "categories". Received: annotations={shown}'
        )
    return annotations


def read_annotations(
    annotations: Annotations,
    images: str | os.PathLike[str],
    contents: Contents,
    failures: FailurePolicy | None = None,
) -> CocoAnnotations:
    """Reads the pictures, objects and categories of a file in COCO's format.

    Args:
        annotations: A path, or the contents of a file.
        images: Folder of the pictures.
        contents: Which parts are read.
        failures: Handles pictures whose size the annotations lack and whose file cannot
            be read. Defaults to `None`: their error is raised.

    Raises:
        ValueError: If pictures or categories cannot be understood.
    """
    content = read_json(annotations)
    categories = read_categories(content["categories"])
    keypoints = contents.keypoints_of(categories)
    reader = ObjectReader(categories, contents.masks, keypoints)
    grouped = annotations_by_image(content["annotations"])
    wrong: list[WrongObject] = []
    pictures, num_crowds = [], 0
    for place, entry in enumerate(content["images"]):
        name = _file_name(entry)
        image: Any = as_id(entry["id"])
        own = grouped.pop(image, [])
        try:
            size = _size(entry, images)
        except ImageError as error:
            if failures is None:
                raise
            failures.handle(error, place)
            continue
        objects, faults = reader.read([annotation for _, annotation in own], *size)
        num_crowds += len(own) - len(faults) - len(objects.labels)
        wrong += [
            WrongObject(_name(*own[fault]), name, reason) for fault, reason in faults
        ]
        path = os.path.join(os.fspath(images), name)
        pictures.append(Picture(image, path, size, objects))
    check_ids("images", [picture.id for picture in pictures])
    for own in grouped.values():
        wrong += [
            WrongObject(_name(*one), None, "its image is not listed") for one in own
        ]
    return CocoAnnotations(
        tuple(pictures), categories, keypoints, tuple(wrong), num_crowds, annotations
    )


def annotations_by_image(
    annotations: Sequence[Mapping[str, Any]],
) -> dict[Any, list[tuple[int, Mapping[str, Any]]]]:
    """Returns image id → the places and the annotations of its objects."""
    grouped = defaultdict(list)
    for place, annotation in enumerate(annotations):
        grouped[as_id(annotation.get("image_id"))].append((place, annotation))
    return grouped


def _name(place: int, annotation: Mapping[str, Any]) -> int | str:
    return annotation.get("id", place)


def _file_name(entry: Mapping[str, Any]) -> str:
    if as_id(entry.get("id")) is None or not isinstance(entry.get("file_name"), str):
        raise ValueError(
            "Every image must have an integer or a string as its `id`, and a "
            "`file_name`. "
            f"Received: image {dict(entry)!r}"
        )
    return entry["file_name"]


def _size(entry: Mapping[str, Any], images: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of a picture, from its file if the annotations lack them."""
    if entry.get("height") is None and entry.get("width") is None:
        return stored_size(os.path.join(os.fspath(images), entry["file_name"]))
    height, width = as_id(entry.get("height")), as_id(entry.get("width"))
    if not (is_integer(height) and is_integer(width)) or min(height, width) < 1:
        raise ValueError(
            "`height` and `width` of an image must be positive integers. "
            f"Received: image {dict(entry)!r}"
        )
    return int(height), int(width)
