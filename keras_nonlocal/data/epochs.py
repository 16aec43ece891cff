"""Which video comes when: the order of each epoch, from a seed."""

import threading

import numpy as np


class EpochOrder:
    """The order of the videos, epoch after epoch.

    Args:
        num_videos: Number of videos.
        seed: Seed of the order, which then differs between epochs. `None` keeps the
            order of the list.
    """

    def __init__(self, num_videos: int, seed: int | None) -> None:
        self.num_videos = num_videos
        self._seed = seed
        self._next_epoch = 0
        self._lock = threading.Lock()

    def set_next(self, epoch: int) -> None:
        """Lets the next iteration be that of `epoch`, counted from 0."""
        with self._lock:
            self._next_epoch = epoch

    def begin(self) -> np.ndarray:
        """Returns the turns of the next epoch."""
        with self._lock:
            epoch = self._next_epoch
            self._next_epoch += 1
        return self.turns(epoch)

    def turns(self, epoch: int) -> np.ndarray:
        """Returns the epoch and the index of each video, shape `(num_videos, 2)`."""
        if self._seed is None:
            order = np.arange(self.num_videos)
        else:
            rng = np.random.default_rng((self._seed, epoch))
            order = rng.permutation(self.num_videos)
        return np.stack([np.full_like(order, epoch), order], axis=1).astype(np.int64)
