"""The files of a training: its state, its weights and its history."""

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras

from keras_nonlocal.training.atomic_files import replacing
from keras_nonlocal.training.callback_memory import memory_of, remind
from keras_nonlocal.training.late_variables import build_metrics, build_optimizer
from keras_nonlocal.training.states import (
    Progress,
    has_finite_loss,
    has_finite_weights,
    load_generators,
    load_state,
    read_progress,
    save_state,
)
from keras_nonlocal.training.strategies import is_chief

STATE_FILE = "state.npz"
LAST_FILE = "last.weights.h5"
BEST_FILE = "best.weights.h5"
HISTORY_FILE = "history.csv"


class TrainingCheckpoints(keras.callbacks.Callback):
    """Saves the state of a training, and restores it when `fit` begins.

    `fit_resumably` uses it, and brings `fit` to the right batch.

    Args:
        directory: Folder of the files; made if it does not exist.
        clips: The training data.
        save_freq: Batches between two saved states, or `"epoch"`.
        monitor: As in `fit_resumably`.
        mode: `"min"` or `"max"`.
        validation_data: The validation data.
        callbacks: The callbacks that `fit` gets before this one.

    Attributes:
        progress: How far the training has come, in the last saved state.
        next_epoch: The epoch in which the training goes on.
        logs: What each epoch logged, those that were not saved included.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        clips: Any,
        *,
        save_freq: int | Literal["epoch"] = "epoch",
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        validation_data: Any = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        super().__init__()
        _check_save_freq(save_freq, clips)
        if mode not in ("min", "max"):
            raise ValueError(f'`mode` must be "min" or "max". Received: mode={mode!r}')
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._validation_data = validation_data
        self._clips = clips
        self._callbacks = callbacks
        self._save_freq = save_freq
        default = "loss" if validation_data is None else "val_loss"
        self._monitor = default if monitor is None else monitor
        self._sign = 1 if mode == "min" else -1
        self.progress = read_progress(self._directory / STATE_FILE) or Progress()
        self._is_restored = False
        self._is_in_the_middle = self.progress.batch > 0
        self._first_batch = 0
        self._saved_batch = 0
        self._is_finite = True
        self.next_epoch = self.progress.epoch
        self.logs = [*self.progress.logs]
        self._unaveraged: list[Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._unaveraged is not None:
            self.model.set_weights(self._unaveraged)
            self._unaveraged = None
        # They have just been reset.
        remind(self._callbacks, self.progress.callbacks)
        if self._is_restored:
            return
        self._writes = is_chief(getattr(self.model, "distribute_strategy", None))
        build_optimizer(self.model)
        if (self._directory / STATE_FILE).exists():
            load_state(self._directory / STATE_FILE, self.model)
        else:
            self._save()
        self._is_restored = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        _begin_epoch(self._validation_data, epoch)
        self._saved_batch = self.progress.batch if self._is_in_the_middle else 0
        if not self._is_in_the_middle:
            self._first_batch = 0
            _begin_epoch(self._clips, epoch)
            return
        # `fit` has just reset the metrics, or has not made them yet.
        build_metrics(self.model, self._clips)
        load_state(self._directory / STATE_FILE, self.model, metrics=True)
        self._first_batch = self.progress.batch
        self._is_in_the_middle = False

    # Not at the end of a batch: with such a callback, `fit` waits for each step.
    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._first_batch and not batch:
            # In between, PyTorch's iterators have drawn from its generators.
            load_generators(self._directory / STATE_FILE)
        seen = self._first_batch + batch
        if self._save_freq == "epoch" or seen - self._saved_batch < self._save_freq:
            return
        self._saved_batch = seen
        if has_finite_loss(self.model) and has_finite_weights(self.model):
            self._advance(self.next_epoch, seen)
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epoch_logs = {key: float(value) for key, value in (logs or {}).items()}
        self.logs = [*self.logs[:epoch], epoch_logs]
        self.next_epoch = epoch + 1
        loss = epoch_logs.get("loss", 0.0)
        self._is_finite = math.isfinite(loss) and has_finite_weights(self.model)
        if not self._is_finite:
            return
        self._advance(epoch + 1, 0)
        if self._is_best(epoch_logs):
            self._save_weights(BEST_FILE)
        self._save()
        self._save_weights(LAST_FILE)
        self._save_history()
        if self._first_batch and getattr(self.model.optimizer, "use_ema", False):
            # The end of `fit`, here in the midst of a training, puts averages in.
            self._unaveraged = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        stops = self.model.stop_training and not self.progress.stopped
        if stops and self._is_finite:
            self.progress.stopped = True
            self._save()

    def _advance(self, epoch: int, batch: int) -> None:
        self.progress.epoch = epoch
        self.progress.batch = batch
        self.progress.logs = [*self.logs]
        self.progress.callbacks = memory_of(self._callbacks)

    def _is_best(self, logs: dict[str, float]) -> bool:
        if self._monitor not in logs:
            if self._monitor.startswith("val_") and not any(
                key.startswith("val_") for key in logs
            ):
                return False  # an epoch without validation
            raise ValueError(
                f"`monitor` must be one of the logs {sorted(logs)}. "
                f"Received: monitor={self._monitor!r}"
            )
        value, best = logs[self._monitor], self.progress.best
        is_best = best is None or self._sign * value < self._sign * best
        if is_best:
            self.progress.best = value
        return is_best

    def _save(self) -> None:
        if self._writes:
            save_state(self._directory / STATE_FILE, self.model, self.progress)

    def _save_weights(self, name: str) -> None:
        if self._writes:
            with replacing(self._directory / name) as unfinished:
                self.model.save_weights(unfinished)

    def _save_history(self) -> None:
        if self._writes:
            _write_csv(self._directory / HISTORY_FILE, self.progress.logs)


def _check_save_freq(save_freq: Any, clips: Any) -> None:
    if save_freq == "epoch":
        return
    if isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1:
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


def _write_csv(path: Path, logs: list[dict[str, float]]) -> None:
    names = dict.fromkeys(name for row in logs for name in row)
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        for epoch, row in enumerate(logs):
            writer.writerow({"epoch": epoch, **row})


def _begin_epoch(dataset: Any, epoch: int) -> None:
    """Lets the next iteration be that of the epoch, as `ClipEpochs` does."""
    if hasattr(dataset, "resume"):
        dataset.resume(epoch)
