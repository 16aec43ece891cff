"""A worker's share of the videos, where each worker reads its own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


@dataclass(frozen=True)
class Share:
    """A worker's share of every batch.

    Args:
        shard: The index of the worker and the number of workers.
        global_batch_size: Number of clips in a batch of all workers.
        num_devices: Number of devices of all workers.

    Raises:
        ValueError: If the devices cannot have equal parts of a batch.
    """

    shard: tuple[int, int]
    global_batch_size: int
    num_devices: int

    def __post_init__(self) -> None:
        if self.global_batch_size % self.num_devices:
            raise ValueError(
                "`batch_size` must be a multiple of the number of devices on JAX, "
                f"{self.num_devices} in {self.shard[1]} processes. "
                f"Received: batch_size={self.global_batch_size}"
            )

    @classmethod
    def of(cls, strategy: Any, batch_size: int) -> "Share | None":
        """Returns the share of this worker.

        Args:
            strategy: The result of `strategy_of_run`. Those of `tf.distribute` divide
                the batches of all workers themselves: `None`.
            batch_size: Number of clips in a batch of all workers.
        """
        from keras_nonlocal.training.workers.jax_workers import JaxWorkers

        if not isinstance(strategy, JaxWorkers):
            return None
        shard = (strategy.index, strategy.count)
        return cls(shard, batch_size, strategy.num_devices)

    @property
    def batch_size(self) -> int:
        """Number of clips in this worker's part of a batch."""
        return self.global_batch_size // self.shard[1]

    def check_videos(self, videos: int) -> None:
        """Raises `ValueError` if an epoch would have no batch."""
        if videos < self.global_batch_size:
            raise ValueError(
                "`batch_size` must not be larger than the number of training videos, "
                "because several processes of JAX drop an incomplete batch. "
                f"Received: batch_size={self.global_batch_size} for {videos} videos"
            )

    def validation_videos(self, videos: "VideoList | None") -> "VideoList | None":
        """Returns the videos of which all devices have the same number.

        Raises:
            ValueError: If there are fewer videos than devices.
        """
        if videos is None:
            return None
        kept = len(videos.paths) // self.num_devices * self.num_devices
        if kept == 0:
            raise ValueError(
                "The videos for validation must be at least as many as the devices, "
                f"{self.num_devices}. Received: {len(videos.paths)}"
            )
        return videos.select(range(kept))
