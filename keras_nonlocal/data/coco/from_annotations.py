"""`coco_dataset`: COCO's annotations and a folder of pictures to batches."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from keras_nonlocal import files
from keras_nonlocal.arguments import check_choice, check_count
from keras_nonlocal.data.coco.annotations import (
    Annotations,
    CocoAnnotations,
    Contents,
    read_annotations,
)
from keras_nonlocal.data.coco.categories import FlipPairs
from keras_nonlocal.data.coco.dataset import CocoDataset
from keras_nonlocal.data.coco.examples import Targets
from keras_nonlocal.data.coco.list_source import ListSource, describe, num_crowded
from keras_nonlocal.data.coco.py_dataset import CocoPyDataset
from keras_nonlocal.data.coco.segmentation import NO_SEGMENTATION
from keras_nonlocal.data.coco.sizes import Bucket, Sizing
from keras_nonlocal.data.coco.source import BatchPlan
from keras_nonlocal.data.coco.tf_dataset import tf_dataset
from keras_nonlocal.data.datasets.clip_plan import Order, report
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.files import printable
from keras_nonlocal.optional_packages import has_tensorflow, import_pycocotools_mask

_LOGGER = logging.getLogger("keras_nonlocal")
# A warning lists as many wrong objects, and `wrong_objects` has all of them.
_MOST_LINES = 20
# If none of so many pictures is there, the folder is a wrong one.
_MOST_TRIED = 100


def coco_dataset(
    annotations: Annotations,
    images: str | os.PathLike[str],
    batch_size: int = 2,
    shuffle: bool = True,
    seed: int | None = None,
    verbose: bool = True,
    *,
    short_side: int | tuple[int, int] = 800,
    long_side: int = 1333,
    buckets: Sequence[Bucket] | None = None,
    masks: bool = True,
    mask_size: int = 112,
    keypoints: bool = False,
    flip_pairs: FlipPairs | None = None,
    oks_sigmas: Sequence[float] | None = None,
    max_boxes: int = 100,
    horizontal_flip: bool = False,
    augment: bool | None = None,
    keep_empty: bool = True,
    on_error: OnError = "raise",
    max_errors: int = 100,
    shard: tuple[int, int] | None = None,
    drop_remainder: bool = False,
    dataset_type: str | None = None,
    workers: int = 0,
) -> CocoDataset:
    """Generates a dataset of pictures and objects from annotations in COCO's format.

    Pictures are scaled as by torchvision's `GeneralizedRCNNTransform`, and padded at
    the right and at the bottom to one of few shapes, the buckets. All pictures of a
    batch are in the same bucket, so a compiled model sees as many shapes as there are
    buckets. Batches that are not full come at the end of an epoch.

    Classes are numbered from 0 in the order of the category ids, which may have gaps.
    Segmentations may be polygons or run lengths, compressed or not. Crowds
    (`iscrowd`) are no targets of training, but `keras_nonlocal.evaluate_coco` heeds
    them. Objects that are wrong are left out, counted and named in `wrong_objects`:
    without a box in the picture, and with `masks=True` without a segmentation.

    Gray, palette and CMYK pictures become RGB. Pictures are turned as their EXIF
    orientation says, as in Detectron2, unless only their stored pixels have the size in
    the annotations.

    Args:
        annotations: Path of a JSON file in COCO's format, or its contents as a
            dictionary.
        images: Folder of the pictures.
        batch_size: Pictures per batch. Defaults to `2`.
        shuffle: Whether to shuffle the pictures, differently in each epoch. Defaults
            to `True`.
        seed: Seed of the order and of all random choices. With a seed, epoch `e` has
            the same batches in the same order in every run. Defaults to `None`, a seed
            drawn at random.
        verbose: Whether to print the numbers of pictures, objects and classes.
            Defaults to `True`.
        short_side: Length in pixels to which the shorter side of a picture is scaled,
            or the pair of lengths between which it is drawn for augmented pictures;
            others have the larger one. Defaults to `800`.
        long_side: Greatest length of the longer side, in pixels. Defaults to `1333`.
        buckets: Pairs `(height, width)` divisible by 32, to the smallest of which a
            picture is padded. A picture that fits in none is scaled down to the one in
            which it stays largest. Defaults to `None`: 800 × 1088 for pictures up to
            4:3 and 800 × 1344 for longer ones, and the same standing, for the default
            sides.
        masks: Whether objects have masks. This needs pycocotools. Defaults to `True`.
        mask_size: Cells of the grid over a box on which its mask is drawn, along each
            axis. Defaults to `112`.
        keypoints: Whether objects have keypoints. Defaults to `False`.
        flip_pairs: Keypoints that change places when a picture is mirrored, by name or
            index. Defaults to `None`: those whose names differ in "left" and "right".
        oks_sigmas: Standard deviation of each keypoint for the evaluation. Defaults to
            `None`: those of COCO if there are 17.
        max_boxes: Places for objects in each picture. Of more objects, the largest are
            kept, and a warning says how many pictures have more. Defaults to `100`.
        horizontal_flip: Whether half of the augmented pictures are mirrored. Defaults
            to `False`.
        augment: Whether scales are drawn and pictures mirrored. Defaults to `None`:
            they are if the pictures are shuffled.
        keep_empty: Whether pictures without objects are kept and, with keypoints, those
            without visible keypoints, which Detectron2 leaves out. Defaults to `True`.
        on_error: How to handle a picture that cannot be read. `"raise"` raises its
            `keras_nonlocal.data.ImageError`. `"skip"` leaves it out of its batch and
            logs one warning at the end of the epoch, to the logger `keras_nonlocal`,
            that lists the omitted pictures. A function is called with the `ImageError`
            and either raises or has the picture left out. Defaults to `"raise"`.
        max_errors: Number of pictures that may be left out. One more raises. Defaults
            to `100`.
        shard: `(index, count)`: every `count`-th batch, from `index` on, for worker
            `index` of `count`. All need the same `seed`. Defaults to `None`, all
            batches.
        drop_remainder: Whether to leave out batches that are not full. A compiled
            model then sees one shape for each bucket and, with `shard`, all workers
            have the same number of batches. Not for testing. Defaults to `False`.
        dataset_type: `"tf.data"`, or `"keras"` for a `keras.utils.PyDataset` with the
            same batches, which needs no TensorFlow. Call `fit` with `shuffle=False`
            then. On the TensorFlow backend, Keras may refuse a `PyDataset` of several
            buckets. Defaults to `None`: `"tf.data"` if TensorFlow is installed.
        workers: Number of processes that read pictures, with the same batches in the
            same order; see `video_dataset_from_list`. Each has a copy of the
            annotations. Defaults to `0`, threads.

    Returns:
        A dataset of `(x, y)`, two dictionaries.

        `x` has `"images"`, `uint8` RGB of shape `(batch, height, width, 3)`, and
        `"image_sizes"`, `int32` of shape `(batch, 2)`: height and width of each picture
        without its padding.

        `y` has `"boxes"`, `(x1, y1, x2, y2)` in pixels of the image, `float32` of shape
        `(batch, max_boxes, 4)`, and `"labels"`, `int32` of shape `(batch, max_boxes)`
        with −1 where there is no object. With masks, `"masks"` has 0 or 1 on a grid
        over each box, `uint8` of shape `(batch, max_boxes, mask_size, mask_size)`. With
        keypoints, `"keypoints"` has `(x, y, visibility)`, `float32` of shape
        `(batch, max_boxes, points, 3)`; COCO's pixel `(0, 0)` is at `(0.5, 0.5)`.

        The dataset has the attributes of `keras_nonlocal.data.CocoDataset`:
        `class_names`, `category_ids`, `keypoint_names`, `flip_pairs`, `oks_sigmas`,
        `skeleton`, `file_paths`, `wrong_objects`, `failures.reasons` (the pictures left
        out) and `resume(epoch, batch)`, which returns the rest of an epoch of an
        interrupted run.

    Raises:
        ValueError: If the file is not in COCO's format, or an argument has a value it
            cannot have.
        ImportError: If TensorFlow, Pillow or pycocotools is needed and missing.

    Example:

    >>> train = keras_nonlocal.data.coco_dataset(
    ...     "instances_train2017.json", "train2017", horizontal_flip=True, seed=1
    ... )  # doctest: +SKIP
    >>> model = keras_nonlocal.detection.NLMaskRCNN50(
    ...     len(train.class_names), class_names=train.class_names,
    ...     category_ids=train.category_ids)  # doctest: +SKIP

    References:
        [COCO's data format](https://cocodataset.org/#format-data).
    """
    check_choice("dataset_type", dataset_type, ("tf.data", "keras", None))
    check_count("workers", workers)
    if masks:
        import_pycocotools_mask()  # before pictures are loaded in threads
    contents = Contents(masks, keypoints, flip_pairs, oks_sigmas)
    sizing = Sizing(short_side, long_side, buckets)
    order = Order(shuffle, seed, shard)
    failures = FailurePolicy(on_error, max_errors)
    read = read_annotations(annotations, images, contents, failures)
    targets = Targets(max_boxes, mask_size if masks else None, read.keypoints)
    plan = BatchPlan(
        sizing, targets, order, batch_size, drop_remainder, horizontal_flip, augment
    )
    source = ListSource(read, plan, failures, keep_empty, workers)
    if not source.pictures:
        raise ValueError(
            "`annotations` must list at least one picture to keep. "
            f"Received: {len(read.pictures)} pictures, keep_empty={keep_empty!r}"
        )
    _check_there(source, images)
    _check_usable(read)
    if verbose:
        report(describe(source))
    _warn(read, source)
    if dataset_type is None:
        dataset_type = "tf.data" if has_tensorflow() else "keras"
    if dataset_type == "tf.data":
        return tf_dataset(source)
    dataset: Any = CocoPyDataset(source)
    return dataset


def _check_there(source: ListSource, images: str | os.PathLike[str]) -> None:
    """Raises `ValueError` if `images` is another folder than that of the pictures."""
    pictures = source.pictures[:: max(len(source.pictures) // _MOST_TRIED, 1)]
    if not any(files.exists(picture.path) for picture in pictures):
        raise ValueError(
            "`images` must be the folder of the pictures. "
            f"Received: images={os.fspath(images)!r}, without {pictures[0].path!r}"
        )


def _check_usable(annotations: CocoAnnotations) -> None:
    """Raises `ValueError` if a file has objects, but none can be used."""
    # Annotations of other pictures say nothing about these ones.
    wrong = [one for one in annotations.wrong_objects if one.file_name is not None]
    if not wrong or any(len(one.objects.labels) for one in annotations.pictures):
        return
    reason, count = Counter(one.reason for one in wrong).most_common(1)[0]
    hint = ""
    if reason == NO_SEGMENTATION:
        hint = "; pass `masks=False` for a model without masks"
    # Crowds count in an evaluation.
    if hint or annotations.num_crowds == 0:
        raise ValueError(
            "`annotations` must have at least one object that can be used"
            f"{hint}. Received: {count} × {reason}"
        )


def _warn(annotations: CocoAnnotations, source: ListSource) -> None:
    """Logs which objects are left out."""
    wrong = annotations.wrong_objects
    if wrong:
        counts = Counter(one.reason for one in wrong)
        lines = [f"{count} × {reason}" for reason, count in counts.most_common()]
        lines += [
            f"annotation {one.annotation_id!r} of "
            f"{printable(one.file_name or 'no image')}: {one.reason}"
            for one in wrong[:_MOST_LINES]
        ]
        noun = "wrong object is" if len(wrong) == 1 else "wrong objects are"
        _LOGGER.warning("%d %s left out:\n%s", len(wrong), noun, "\n".join(lines))
    crowded, most = num_crowded(source), source.plan.targets.max_boxes
    if crowded:
        _LOGGER.warning(
            "More than max_boxes=%d objects are in %d of %d pictures, which keep their "
            "largest.",
            most,
            crowded,
            len(source.pictures),
        )
