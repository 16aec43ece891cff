"""A callback that saves checkpoints and resumes from them."""

import math
import os
from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_nonlocal import files
from keras_nonlocal.arguments import check_choice, is_integer
from keras_nonlocal.training.resumable.callback_memory import memory_of, remind
from keras_nonlocal.training.resumable.history_file import HISTORY_FILE, write_history
from keras_nonlocal.training.resumable.late_variables import (
    build_metrics,
    build_optimizer,
)
from keras_nonlocal.training.resumable.progress import Progress, describe_batch
from keras_nonlocal.training.resumable.state_file import (
    State,
    capture_state,
    load_generators,
    load_state,
    read_progress,
    write_state,
)
from keras_nonlocal.training.resumable.variables import (
    assign_learning_rates,
    has_finite_loss,
    has_finite_weights,
    learning_rates,
    metric_values,
)
from keras_nonlocal.training.workers.jax_workers import apart

STATE_FILE = "state.npz"
LAST_FILE = "last.weights.h5"
BEST_FILE = "best.weights.h5"


class TrainingCheckpoints(keras.callbacks.Callback):
    """Saves checkpoints during `fit` and restores the last one when `fit` starts.

    `fit_resumably` uses it and starts `fit` at the right batch.

    Args:
        directory: Folder of the files, which must exist.
        clips: The training data.
        epochs: The last epoch, starting at 1.
        writes: Whether this process writes the files. Of several workers, only the
            chief does.
        save_freq: Number of batches between two saved states, or `"epoch"`.
        monitor: As in `fit_resumably`.
        mode: `"min"` or `"max"`.
        validation_data: The validation data.
        callbacks: The callbacks that `fit` runs before this one.

    Attributes:
        progress: The progress of the run.
        next_epoch: The epoch in which the run resumes, starting at 0.
        logs: The logs of each epoch, including epochs that were not saved.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        clips: Any,
        *,
        epochs: int,
        writes: bool = True,
        save_freq: int | Literal["epoch"] = "epoch",
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        validation_data: Any = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        super().__init__()
        _check_save_freq(save_freq, clips)
        check_choice("mode", mode, ("min", "max"))
        self._directory = os.fspath(directory)
        self._state_path = self._path(STATE_FILE)
        self._validation_data = validation_data
        self._clips = clips
        self._callbacks = callbacks
        self._save_freq = save_freq
        self._writes = writes
        default = "loss" if validation_data is None else "val_loss"
        self._monitor = default if monitor is None else monitor
        self._mode = mode
        self.progress = read_progress(self._state_path) or Progress()
        self.progress.check_monitor(self._monitor, mode)
        self.progress.monitor = [self._monitor, mode]
        self.progress.ask_for(epochs)
        self._is_at_epoch_end = not self.progress.batch
        self.progress.find_place(clips, check_files=writes)
        self._has_state = files.exists(self._state_path)
        self._is_restored = False
        self._is_in_the_middle = self.progress.batch > 0
        self._first_batch = 0
        self._saved_batch = 0
        self._pending: State | None = None
        self._is_finite = True
        self.next_epoch = self.progress.epoch
        self.logs = [*self.progress.logs]
        self._unaveraged: list[Any] | None = None

    @property
    def place(self) -> list[Any]:
        """Where the run begins, in JSON types: the same in all workers."""
        return [self._has_state, self.progress.epoch, self.progress.batch]

    def describe_place(self) -> str:
        """Describes `place` in words."""
        if not self._has_state:
            return "none"
        epoch, batch = self.progress.epoch, self.progress.batch
        return f"one after epoch {epoch} and batch {batch} of the next"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._unaveraged is not None:
            self.model.set_weights(self._unaveraged)
            self._unaveraged = None
        # `fit` has just reset them.
        remind(self._callbacks, self.progress.callbacks)
        if self._is_restored:
            return
        build_optimizer(self.model)
        if self._has_state:
            self._restore()
        else:
            self.progress.learning_rates = learning_rates(self.model)
            self._save()
        self._is_restored = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        _begin_epoch(self._validation_data, epoch)
        self._saved_batch = self.progress.batch if self._is_in_the_middle else 0
        if not self._is_in_the_middle:
            self._first_batch = 0
            _begin_epoch(self._clips, epoch)
            return
        # `fit` has just reset the metrics, or has not created them yet.
        build_metrics(self.model, self._clips)
        rates = learning_rates(self.model)
        load_state(self._state_path, self.model, metrics=True)
        assign_learning_rates(self.model, rates)
        self._first_batch = self.progress.batch
        self._is_in_the_middle = False

    # Not `on_train_batch_end`: with that method, `fit` waits for each step.
    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._first_batch and not batch:
            # PyTorch's iterators have used its generators in the meantime.
            load_generators(self._state_path)
        if self._pending is not None:
            # The batch after the saved state exists.
            write_state(self._state_path, self._pending)
            self._pending = None
        seen = self._first_batch + batch
        if self._save_freq == "epoch" or seen - self._saved_batch < self._save_freq:
            return
        self._saved_batch = seen
        metrics = metric_values(self.model)
        if not (
            has_finite_loss(self.model, metrics) and has_finite_weights(self.model)
        ):
            return
        self._advance(self.next_epoch, seen)
        if not self._writes:
            return
        state = capture_state(self.model, self.progress, metrics)
        if _has_known_length(self._clips):
            write_state(self._state_path, state)
        else:
            # `fit` begins one batch too many before it notices the end of the data.
            self._pending = state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._pending = None
        epoch_logs = {key: float(value) for key, value in (logs or {}).items()}
        self.logs = [*self.logs[:epoch], epoch_logs]
        self.next_epoch = epoch + 1
        loss = epoch_logs.get("loss", 0.0)
        self._is_finite = math.isfinite(loss) and has_finite_weights(self.model)
        if not self._is_finite:
            return
        self._advance(epoch + 1, 0)
        self._compare(epoch, epoch_logs)
        self.progress.stopped = bool(self.model.stop_training)
        self._save()
        self._save_derived()
        if self._first_batch and getattr(self.model.optimizer, "use_ema", False):
            # Here, `fit` ends in the middle of a run and assigns averaged weights.
            self._unaveraged = self.model.get_weights()

    def _restore(self) -> None:
        given = learning_rates(self.model)
        load_state(self._state_path, self.model)
        restored = learning_rates(self.model)
        # A learning rate is restored, because callbacks may have reduced it, unless
        # this call sets a different one from that at the start of the run.
        if self.progress.learning_rates not in (None, given) and given != restored:
            assign_learning_rates(self.model, given)
            self.progress.learning_rates = given
        elif self.progress.learning_rates is None:
            self.progress.learning_rates = given
        if self._is_at_epoch_end:
            # The process may have been killed after the state and before these files.
            self._save_derived()

    def _advance(self, epoch: int, batch: int) -> None:
        self.progress.epoch = epoch
        self.progress.batch = batch
        self.progress.logs = [*self.logs]
        self.progress.callbacks = memory_of(self._callbacks)
        self.progress.next_clips = None
        if batch and self._writes:
            self.progress.next_clips = describe_batch(
                self._clips, epoch, batch, with_files=_has_known_length(self._clips)
            )

    def _compare(self, epoch: int, logs: dict[str, float]) -> None:
        """Records the best epoch."""
        if self._monitor not in logs:
            if self._monitor.startswith("val_") and not any(
                key.startswith("val_") for key in logs
            ):
                return  # this epoch had no validation
            if "loss" not in logs:
                raise ValueError(
                    "`clips` must have at least one batch in each epoch; "
                    "`clips.failures.reasons` names videos that were left out. "
                    f"Received: an epoch {epoch}, counted from 0, without a batch"
                )
            raise ValueError(
                f"`monitor` must be one of the logs {sorted(logs)}. "
                f"Received: monitor={self._monitor!r}"
            )
        value, best = logs[self._monitor], self.progress.best
        sign = 1 if self._mode == "min" else -1
        is_better = best is None or sign * value < sign * best
        if is_better and not math.isnan(value):
            self.progress.best = value
            self.progress.best_epoch = epoch

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _save(self) -> None:
        metrics = metric_values(self.model)
        if self._writes:
            state = capture_state(self.model, self.progress, metrics)
            write_state(self._state_path, state)

    def _save_derived(self) -> None:
        """Writes the files that are derived from the state at the end of an epoch."""
        if not self._writes or not self.progress.epoch:
            return
        if self.progress.best_epoch == self.progress.epoch - 1:
            self._save_weights(BEST_FILE)
        self._save_weights(LAST_FILE)
        write_history(self._path(HISTORY_FILE), self.progress.logs)

    def _save_weights(self, name: str) -> None:
        with files.replacing(self._path(name)) as unfinished, apart():
            self.model.save_weights(unfinished)


def _check_save_freq(save_freq: Any, clips: Any) -> None:
    if save_freq == "epoch":
        return
    if not is_integer(save_freq) or save_freq < 1:
        raise ValueError(
            '`save_freq` must be "epoch" or a positive number of batches. '
            f"Received: save_freq={save_freq!r}"
        )
    if not hasattr(clips, "resume"):
        raise TypeError(
            '`save_freq` must be "epoch" unless `clips` is a dataset of '
            "keras_nonlocal.data, which can be resumed in the middle of an epoch. "
            f"Received: save_freq={save_freq!r}, clips={clips!r}"
        )


def _has_known_length(clips: Any) -> bool:
    """Whether a `tf.data.Dataset` has a known number of batches."""
    return int(clips.cardinality()) >= 0


def _begin_epoch(dataset: Any, epoch: int) -> None:
    """Sets the epoch of the next iteration, as `ClipEpochs` does."""
    if hasattr(dataset, "resume"):
        dataset.resume(epoch)
