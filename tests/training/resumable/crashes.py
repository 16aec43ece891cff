"""Callbacks that end a run in the middle."""

from typing import Any

import keras


class CrashError(Exception):
    """Ends a process of these tests."""


class CrashAt(keras.callbacks.Callback):
    """Raises after a number of batches, in a validation, or at the end of an epoch."""

    def __init__(
        self,
        batches: int | None = None,
        in_test_of_epoch: int | None = None,
        in_epoch_end: int | None = None,
    ) -> None:
        super().__init__()
        self.batches_left = batches
        self.in_test_of_epoch = in_test_of_epoch
        self.in_epoch_end = in_epoch_end
        self.epoch: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.batches_left is not None:
            self.batches_left -= 1
            if not self.batches_left:
                raise CrashError

    def on_test_begin(self, logs: Any = None) -> None:
        if self.epoch is not None and self.epoch == self.in_test_of_epoch:
            raise CrashError

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.in_epoch_end:
            raise CrashError
