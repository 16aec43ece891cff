"""`coco_dataset_from_tfds`: a builder of TensorFlow Datasets to batches of pictures."""

from collections.abc import Sequence
from typing import Any

from keras_nonlocal.arguments import check_positive_integer, integers
from keras_nonlocal.data.coco.categories import Categories, read_categories
from keras_nonlocal.data.coco.dataset import CocoDataset
from keras_nonlocal.data.coco.examples import Targets
from keras_nonlocal.data.coco.sizes import Bucket, Sizing
from keras_nonlocal.data.coco.source import BatchPlan
from keras_nonlocal.data.coco.stream_source import StreamSource
from keras_nonlocal.data.coco.tf_dataset import tf_dataset
from keras_nonlocal.data.coco.tfds_pictures import picture_stream
from keras_nonlocal.data.datasets.clip_plan import Order
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError


def coco_dataset_from_tfds(
    source: Any,
    split: str | None = None,
    batch_size: int = 2,
    shuffle: bool = True,
    seed: int | None = None,
    *,
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    short_side: int | tuple[int, int] = 800,
    long_side: int = 1333,
    buckets: Sequence[Bucket] | None = None,
    max_boxes: int = 100,
    horizontal_flip: bool = False,
    augment: bool | None = None,
    keep_empty: bool = True,
    shuffle_buffer: int = 1024,
    on_error: OnError = "raise",
    max_errors: int = 100,
    drop_remainder: bool = False,
) -> CocoDataset:
    """Generates a `tf.data.Dataset` of pictures and boxes from TensorFlow Datasets.

    The pictures are streamed in the order in which they are stored. TensorFlow Datasets
    has no masks and no keypoints.

    Args:
        source: A builder with the features of `coco/2017`, or a `tf.data.Dataset` of
            its elements: `"image"`, and `"objects"` with `"bbox"`, the share of the
            picture's height and width `(ymin, xmin, ymax, xmax)`, and `"label"`. Others
            of its features are used where they exist.
        split: Part of a builder's data set, for instance `"train"`. A builder needs
            it; a dataset has none. Defaults to `None`.
        batch_size: Pictures per batch. Defaults to `2`.
        shuffle: Whether to shuffle the pictures within a buffer, differently in each
            epoch. Defaults to `True`.
        seed: Seed of the order and of all random choices. With a seed, and with the
            same `tf.random.set_seed` if any, epoch `e` has the same batches in the same
            order in every run. Defaults to `None`, a seed drawn at random.
        class_names: Names of the classes. Defaults to those of the builder.
        category_ids: The `id` of each class in the results of
            `keras_nonlocal.evaluate_coco`, ascending. Defaults to 0, 1, 2, …
        short_side: As in `keras_nonlocal.data.coco_dataset`, like all arguments up to
            `keep_empty`. Defaults to `800`.
        long_side: Defaults to `1333`.
        buckets: Defaults to `None`.
        max_boxes: Defaults to `100`.
        horizontal_flip: Defaults to `False`.
        augment: Defaults to `None`.
        keep_empty: Defaults to `True`.
        shuffle_buffer: Number of pictures from which the next one is drawn. They are
            held in memory as they are stored. Defaults to `1024`.
        on_error: As in `coco_dataset`. Defaults to `"raise"`.
        max_errors: As in `coco_dataset`. Defaults to `100`.
        drop_remainder: As in `coco_dataset`. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of `(x, y)` like that of `coco_dataset`, without masks. Its
        list `wrong_objects` grows in the first epoch. `fit_resumably` can resume it in
        the middle of an epoch; the batches before are read again, but not decoded.

    Raises:
        ValueError: If the source does not hold such pictures, or an argument has a
            value it cannot have.
        ImportError: If TensorFlow or TensorFlow Datasets is missing.

    Example:

    >>> builder = tfds.builder("coco/2017")  # doctest: +SKIP
    >>> builder.download_and_prepare()  # doctest: +SKIP
    >>> train = coco_dataset_from_tfds(builder, "train", seed=1)  # doctest: +SKIP
    """
    check_positive_integer("shuffle_buffer", shuffle_buffer)
    plan = BatchPlan(
        Sizing(short_side, long_side, buckets),
        Targets(max_boxes, None),
        Order(shuffle, seed),
        batch_size,
        drop_remainder,
        horizontal_flip,
        augment,
    )
    failures = FailurePolicy(on_error, max_errors)
    stream = picture_stream(source, split)
    categories = _categories(class_names or stream.class_names, category_ids)
    return tf_dataset(
        StreamSource(stream, plan, categories, failures, shuffle_buffer, keep_empty)
    )


def _categories(names: Any, ids: Sequence[int] | None) -> Categories:
    if not names:
        raise ValueError(
            "`class_names` must be given if the source does not name its classes. "
            "Received: class_names=None"
        )
    numbers = integers(range(len(names)) if ids is None else ids)
    if (
        numbers is None
        or [*numbers] != sorted({*numbers})
        or len(numbers) != len(names)
    ):
        raise ValueError(
            "`category_ids` must be ascending integers, one for each class. "
            f"Received: category_ids={ids!r} for {len(names)} classes"
        )
    return read_categories(
        [{"id": i, "name": name} for i, name in zip(numbers, names, strict=True)]
    )
