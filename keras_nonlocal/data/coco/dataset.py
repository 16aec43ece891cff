"""`CocoDataset`: the type of the datasets of pictures with objects."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from keras_nonlocal.data.coco.objects import WrongObject
from keras_nonlocal.data.coco.source import CocoSource
from keras_nonlocal.data.datasets.failures import FailurePolicy


class CocoDataset(Protocol):
    """Batches of pictures with objects, which can be resumed at any batch.

    It is a `tf.data.Dataset` or a `keras.utils.PyDataset`, with the attributes below.

    Attributes:
        class_names: Names of the classes, in the order of the class indices.
        category_ids: The `id` of each class in COCO's files.
        keypoint_names: Names of the keypoints; `None` without keypoints. This and the
            next three are arguments of `keras_nonlocal.NLKeypointRCNN50`.
        flip_pairs: Pairs of indices of keypoints that change places when a picture is
            mirrored.
        oks_sigmas: Standard deviation of each keypoint for the evaluation; `None` if it
            is unknown.
        skeleton: Pairs of indices of keypoints that drawings connect.
        file_paths: The pictures, in the order of the file; `None` for pictures that are
            streamed out of TensorFlow Datasets.
        wrong_objects: The annotations that are left out, each with the reason.
        failures: The pictures left out so far, each with the reason, are in
            `failures.reasons`.
        source: What loads the batches, for `keras_nonlocal.evaluate_coco`.
    """

    class_names: list[str]
    category_ids: list[int]
    keypoint_names: list[str] | None
    flip_pairs: list[tuple[int, int]]
    oks_sigmas: list[float] | None
    skeleton: list[tuple[int, int]]
    file_paths: list[str] | None
    wrong_objects: Sequence[WrongObject]
    failures: FailurePolicy
    source: CocoSource

    def resume(self, epoch: int, batch: int = 0) -> "CocoDataset":
        """Returns the rest of an epoch, and continues with the epoch after it.

        Args:
            epoch: The epoch, counted from 0.
            batch: The first batch to return, counted from 0. With `0`, the epoch has
                not begun, and the next iteration over the dataset itself is this
                epoch. Defaults to `0`.

        Returns:
            A dataset of the remaining batches.
        """
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def __getattr__(self, name: str) -> Any: ...


def add_attributes(dataset: Any, source: CocoSource) -> None:
    """Gives a dataset the attributes that say what it holds."""
    dataset.class_names = [*source.categories.names]
    dataset.category_ids = [*source.categories.ids]
    points = source.plan.targets.keypoints
    sigmas = None if points is None else points.sigmas
    dataset.keypoint_names = None if points is None else [*points.names]
    dataset.flip_pairs = [] if points is None else [*points.flip_pairs]
    dataset.oks_sigmas = None if sigmas is None else [*sigmas]
    dataset.skeleton = [] if points is None else [*points.skeleton]
    dataset.wrong_objects = source.wrong_objects
    dataset.failures = source.failures
    dataset.source = source
    dataset.file_paths = source.file_paths
    if source.file_paths is not None:
        dataset.batch_paths = source.batch_paths
