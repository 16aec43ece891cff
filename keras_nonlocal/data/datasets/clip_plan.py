"""`ClipPlan`: the arguments of the dataset functions as checked values.

The public functions take about thirty flat arguments, in the style of Keras. Each of
them turns its arguments once into the values in this file and passes these on.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    check_count,
    check_positive_integer,
)
from keras_nonlocal.data.datasets.epochs import Shard, shard_of
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.datasets.labels import Labeling
from keras_nonlocal.data.datasets.loading import ViewSampler
from keras_nonlocal.data.framing import FramingSampler
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.optional_packages import has_tensorflow

Role = Literal["training", "validation"]
Subset = Literal["training", "validation", "both"]
DatasetType = Literal["tf.data", "keras"]


@dataclass(frozen=True)
class Batches:
    """How videos become elements of a dataset.

    Args:
        size: Number of videos per batch, or `None` for single videos.
        drop_remainder: Whether an incomplete last batch is dropped.
        with_info: Whether elements end with the origin of their clips.
        dataset_type: `"tf.data"` or `"keras"`. With `None`, it is the former if
            TensorFlow is installed.
        workers: Number of processes that load clips, or 0 for threads.
    """

    size: int | None = 8
    drop_remainder: bool = False
    with_info: bool = False
    dataset_type: DatasetType | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        if self.size is not None:
            check_positive_integer("batch_size", self.size)
        check_choice("dataset_type", self.dataset_type, ("tf.data", "keras", None))
        check_count("workers", self.workers)
        if self.size is None and self.used_type == "keras":
            raise ValueError(
                "`batch_size` must be a number for a `keras.utils.PyDataset`. "
                f"Received: batch_size=None, dataset_type={self.dataset_type!r}"
            )

    @property
    def used_type(self) -> DatasetType:
        """The type of the dataset."""
        if self.dataset_type is not None:
            return self.dataset_type
        return "tf.data" if has_tensorflow() else "keras"


@dataclass(frozen=True)
class Order:
    """The order of the videos and their distribution to workers.

    Args:
        shuffle: Whether the order is random and different in each epoch.
        seed: Seed of the order and of the clips, or `None` for a random one.
        worker: The index of this worker and the number of workers, or `None` for a
            single worker.
    """

    shuffle: bool = True
    seed: int | None = None
    worker: tuple[int, int] | None = None
    used_seed: int = field(init=False)

    def __post_init__(self) -> None:
        seed = self.seed
        if seed is not None:
            check_count("seed", seed)
        self.shard(is_equal=False)
        if self.worker is not None and self.shuffle and seed is None:
            raise ValueError(
                "`seed` must be given, the same for all workers, if they share "
                f"shuffled videos. Received: seed=None, shard={self.worker!r}"
            )
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        # A frozen dataclass accepts no ordinary assignment.
        object.__setattr__(self, "used_seed", int(seed))

    def shard(self, is_equal: bool) -> Shard:
        """Returns the share of this worker.

        Args:
            is_equal: Whether all workers get the same number of videos.
        """
        return shard_of(self.worker, is_equal)


@dataclass(frozen=True)
class Split:
    """The part of a list that becomes a dataset.

    Args:
        validation_split: Fraction of the videos for validation, between 0 and 1, or
            `None` for no split.
        subset: The part, or `"both"`.
    """

    validation_split: float | None = None
    subset: Subset | None = None

    def __post_init__(self) -> None:
        share = self.validation_split
        check_choice("subset", self.subset, ("training", "validation", "both", None))
        if share is not None and not 0 < share < 1:
            raise ValueError(
                "`validation_split` must be between 0 and 1. "
                f"Received: validation_split={share!r}"
            )
        if (share is None) != (self.subset is None):
            raise ValueError(
                "`validation_split` and `subset` must be given together. "
                f"Received: validation_split={share!r}, subset={self.subset!r}"
            )

    @property
    def takes_two_calls(self) -> bool:
        """Whether another call creates the dataset of the other part."""
        return self.subset in ("training", "validation")

    def parts(self, videos: VideoList) -> dict[Role, VideoList]:
        """Returns the videos of each part that becomes a dataset."""
        if self.validation_split is None:
            return {"training": videos}
        training, validation = videos.split(self.validation_split)
        parts: dict[Role, VideoList] = {
            "training": training,
            "validation": validation,
        }
        chosen = {r: p for r, p in parts.items() if self.subset in (r, "both")}
        for role, part in chosen.items():
            if not part.paths:
                raise ValueError(
                    f"`validation_split` leaves no videos for {role}. Received: "
                    f"validation_split={self.validation_split!r} of "
                    f"{len(videos.paths)} videos"
                )
        return chosen


@dataclass(frozen=True)
class ClipPlan:
    """How videos become batches of clips, epoch after epoch.

    Args:
        clips: Chooses the frames.
        framings: Chooses the part of the picture.
        order: The order of the videos.
        batches: How videos become elements.
        labeling: How labels are encoded.
        failures: Handles videos that cannot be read.
        augment: Whether clips, scales and crops are drawn at random. With `None`, they
            are if the order is random and a video has a single view.
    """

    clips: ClipSampler
    framings: FramingSampler
    order: Order
    batches: Batches
    labeling: Labeling
    failures: FailurePolicy
    augment: bool | None = None

    def __post_init__(self) -> None:
        worker, drop_remainder = self.order.worker, self.batches.drop_remainder
        if worker is not None and drop_remainder and self.failures.leaves_out:
            raise ValueError(
                '`on_error` must be "raise" if all workers must have the same number '
                "of batches; find broken videos beforehand with `scan_videos`. "
                f"Received: on_error={self.failures.on_error!r}, shard={worker!r}, "
                "drop_remainder=True"
            )

    @property
    def shard(self) -> Shard:
        """The share of this worker."""
        return self.order.shard(is_equal=self.batches.drop_remainder)

    def order_seed(self, role: Role = "training") -> int | None:
        """Seed of the order in each epoch, or `None` for the order of the list."""
        is_shuffled = self.order.shuffle and role == "training"
        return self.order.used_seed if is_shuffled else None

    def views(self, role: Role = "training") -> ViewSampler:
        """Returns the sampler of the clips in the videos of a part."""
        draws = self.augment
        if draws is None:
            has_views = self.clips.num_clips or self.framings.num_crops
            draws = self.order_seed(role) is not None and not has_views
        seed = self.order.used_seed if draws else None
        return ViewSampler(self.clips, self.framings, seed)


def check_seed_of_split(order: Order, split: Split) -> None:
    """Rejects a pair of calls whose parts of a shuffled list would overlap."""
    if split.takes_two_calls and order.shuffle and order.seed is None:
        raise ValueError(
            "`seed` must be given if two calls split shuffled videos, or training and "
            "validation would overlap. "
            f"Received: seed=None, subset={split.subset!r}"
        )


def report(message: Any) -> None:
    """Prints a summary of a dataset."""
    print(message)  # noqa: T201 - requested by `verbose`
