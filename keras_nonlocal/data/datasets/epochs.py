"""The order of the videos in each epoch, determined by a seed."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.arguments import is_integer
from keras_nonlocal.data.random_streams import Purpose, random_stream


class EpochCounter:
    """Numbers the epochs of a dataset across all its iterators."""

    def __init__(self) -> None:
        self._next_epoch = 0
        self._lock = threading.Lock()

    def set_next(self, epoch: int) -> None:
        """Sets the epoch of the next iteration, starting at 0."""
        with self._lock:
            self._next_epoch = epoch

    def begin(self) -> np.int64:
        """Returns the number of the epoch that begins now."""
        with self._lock:
            epoch = self._next_epoch
            self._next_epoch += 1
        return np.int64(epoch)


@dataclass(frozen=True)
class Shard:
    """The share of one of several workers: every `count`-th video, starting at `index`.

    Args:
        index: The worker, starting at 0.
        count: Number of workers.
        is_equal: Whether all shares have the same number of videos. Up to `count - 1`
            videos of an epoch are then left out.
    """

    index: int = 0
    count: int = 1
    is_equal: bool = False

    def num_videos(self, total: int) -> int:
        """Returns the number of videos, out of `total`, that the worker gets."""
        if self.is_equal:
            return total // self.count
        return len(range(self.index, total, self.count))


@dataclass(frozen=True)
class EpochOrder:
    """The order of the videos, epoch after epoch.

    Args:
        num_videos: Number of videos of all workers together.
        seed: Seed of the order, which differs between epochs, or `None` for the order
            of the list.
        shard: The share of this worker.
    """

    num_videos: int
    seed: int | None
    shard: Shard = Shard()

    @property
    def length(self) -> int:
        """Number of videos of this worker in an epoch."""
        return self.shard.num_videos(self.num_videos)

    def turns(self, epoch: int) -> np.ndarray:
        """Returns the indices of the worker's videos, shape `(length,)`."""
        if self.seed is None:
            order = np.arange(self.num_videos)
        else:
            rng = random_stream(self.seed, Purpose.EPOCH, epoch)
            order = rng.permutation(self.num_videos)
        dealt = order[self.shard.index :: self.shard.count]
        return dealt[: self.shard.num_videos(self.num_videos)].astype(np.int64)


def shard_of(value: Any, is_equal: bool) -> Shard:
    """Returns the share for a pair `(index, count)`, or all videos for `None`."""
    if value is None:
        return Shard()
    if (
        not isinstance(value, tuple | list)
        or len(value) != 2
        or not all(is_integer(number) for number in value)
        or not 0 <= value[0] < value[1]
    ):
        raise ValueError(
            "`shard` must be a pair `(index, count)` with the index from 0 to "
            f"`count - 1`. Received: shard={value!r}"
        )
    return Shard(int(value[0]), int(value[1]), is_equal)
