"""`fit_resumably`: `model.fit` for training runs that may be killed at any moment."""

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import keras

from keras_nonlocal import files
from keras_nonlocal.arguments import check_count
from keras_nonlocal.training.positions import PositionedCallback
from keras_nonlocal.training.resumable.training_checkpoints import TrainingCheckpoints
from keras_nonlocal.training.strategies import is_chief
from keras_nonlocal.training.workers.agreement import all_workers_have
from keras_nonlocal.training.workers.own_parts import has_own_parts, own_parts

_OWN_ARGUMENTS = {"x", "y", "batch_size", "initial_epoch", "steps_per_epoch", "shuffle"}


def fit_resumably(
    model: keras.Model,
    clips: Any,
    directory: str | os.PathLike[str],
    *,
    epochs: int,
    save_freq: int | Literal["epoch"] = "epoch",
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    validation_data: Any = None,
    callbacks: list[keras.callbacks.Callback] | None = None,
    **fit_arguments: Any,
) -> keras.callbacks.History:
    """Runs `model.fit`, and resumes it if an earlier process was killed.

    After a `kill -9` at any moment, the same call ends with the same weights as a call
    that was never interrupted. It restores the model, the optimizer and its schedule,
    the epoch, the position in the epoch's clips, the seeds of dropout and the sums of
    the metrics. `directory` contains

    - `state.npz`: the complete state after the last saved step;
    - `last.weights.h5` and `best.weights.h5`: the weights of the last complete epoch
      and of the epoch with the best `monitor`, for `model.load_weights`;
    - `history.csv`: the logs of every complete epoch.

    Each file is written beside the old one, flushed to disk and renamed. If the process
    is killed between two files, the next call repairs them. For comparison,
    `keras.callbacks.BackupAndRestore` restarts an interrupted epoch from its beginning,
    loses the seeds of dropout, and can be killed between weights and epoch number.

    Only one process at a time may use a directory. A second one raises an error that
    names the first.

    Arguments may change between calls:

    - A changed learning rate, schedule, loss or callback takes effect. A learning rate
      that callbacks have reduced is restored if the model is compiled with the same
      rate as before.
    - With another batch size, an interrupted epoch resumes at the batch that contains
      the next clip.
    - Different videos or a different seed take effect from the next epoch on, and raise
      an error while an epoch is interrupted. A different `monitor` or `mode` raises an
      error.
    - More `epochs` than before continue the training. After an early stop, the patience
      of the callbacks starts over. With the same number, a finished run stays as it is.

    Keras's callbacks keep their counters, such as the patience of `EarlyStopping` and
    `ReduceLROnPlateau`. The weights that `EarlyStopping(restore_best_weights=True)`
    keeps are lost with the process, but `best.weights.h5` has them. Other callbacks
    start over. An epoch that is resumed in the middle is a separate `fit`, so callbacks
    receive `on_train_begin` and `on_train_end` once more.

    Nothing is saved while the loss or a weight is infinite or NaN. The files keep the
    last finite state, from which the same call resumes.

    Under `tf.distribute.MultiWorkerMirroredStrategy`, each worker decodes only the
    clips that it trains on, if `clips` are a dataset of `keras_nonlocal.data` of a list
    of videos, without `shard` and with at least one clip of a batch for each replica;
    with synchronized batch normalization, only if no videos are skipped.
    Batches of which videos are skipped are smaller there, and `max_errors` is the
    maximum of each worker.

    Under a `tf.distribute` strategy, the chief alone saves the values of all replicas,
    and in several processes of JAX, the first one does. The other workers must see the
    same `directory`. If one worker is lost, restart all of them. If the statistics of
    batch normalization differ between workers, as those of a plain `keras.Model` do,
    all continue with the chief's.

    Args:
        model: A compiled model.
        clips: Clips and labels, as a dataset of `keras_nonlocal.data` with a `seed`.
            Other data can be resumed only at the beginning of an epoch. If videos are
            skipped (`on_error="skip"`), an epoch that is resumed in the middle may
            repeat as many videos as were skipped before.
        directory: Folder of the files, created if it does not exist. It may be a URL
            that `tf.io.gfile` supports, such as `gs://…`.
        epochs: Number of the last epoch, starting at 1, as in `fit`.
        save_freq: Number of batches between two saved states within an epoch, or
            `"epoch"` to save only at the end of each epoch. Defaults to `"epoch"`.
        monitor: Name of the log that determines the best epoch. Defaults to
            `"val_loss"`, or `"loss"` without validation data.
        mode: `"min"` or `"max"`: whether the smallest or the largest value is the best.
            Defaults to `"min"`.
        validation_data: As in `fit`.
        callbacks: As in `fit`. They run before a state is saved.
        **fit_arguments: Additional arguments of `fit`: `verbose`, `class_weight`,
            `validation_steps`, `validation_freq`.

    Returns:
        The history of all epochs, including those of earlier processes.

    Raises:
        TypeError: If `epochs` is not an integer, or `clips` is no dataset.
        ValueError: If another process uses `directory`, if it holds the checkpoint of
            another model, if workers see different files there, or if an argument has
            an invalid value.

    Example:

    >>> history = keras_nonlocal.training.fit_resumably(
    ...     model, train, "run", epochs=100, save_freq=500
    ... )  # doctest: +SKIP
    """
    if taken := _OWN_ARGUMENTS & fit_arguments.keys():
        raise ValueError(
            "`fit_arguments` must not contain arguments that `fit_resumably` sets. "
            f"Received: {', '.join(sorted(taken))}"
        )
    _check_clips(clips)
    epochs = check_count("epochs", epochs)
    strategy = getattr(model, "distribute_strategy", None)
    writes = is_chief(strategy)
    directory = os.fspath(directory)
    files.make_directory(directory)
    with files.lock(directory, "directory") if writes else nullcontext():
        checkpoints = TrainingCheckpoints(
            directory,
            clips,
            epochs=epochs,
            writes=writes,
            save_freq=save_freq,
            monitor=monitor,
            mode=mode,
            validation_data=validation_data,
            callbacks=callbacks or (),
        )
        # Before one of them writes.
        if not all_workers_have(checkpoints.place, strategy):
            raise ValueError(
                "`directory` must be on a disk that all workers see: they read "
                f"different states there. Received: directory={directory!r}, where "
                f"this worker reads {checkpoints.describe_place()}"
            )

        def fit(part: Any, last_epoch: int) -> None:
            arguments, validation = fit_arguments, validation_data
            if has_own_parts(validation, model):
                validation = own_parts(validation, strategy)
            if has_own_parts(part, model):
                class_weight = arguments.get("class_weight")
                arguments = {**arguments, "class_weight": None}
                part = own_parts(part, strategy, class_weight)
            with warnings.catch_warnings():
                # Keras warns about any data of unknown length.
                warnings.filterwarnings("ignore", "Your input ran out of data")
                model.fit(
                    part,
                    initial_epoch=checkpoints.next_epoch,
                    epochs=last_epoch,
                    validation_data=validation,
                    callbacks=[*(callbacks or ()), checkpoints],
                    shuffle=False,
                    **arguments,
                )

        _fit_rest(model, clips, epochs, checkpoints, callbacks or (), fit)
        return _history(model, checkpoints.logs)


def _check_clips(clips: Any) -> None:
    """Checks that the data are a dataset and not arrays, whose order is unknown."""
    if isinstance(clips, tuple | list | dict) or hasattr(clips, "__array__"):
        raise TypeError(
            "`clips` must be a dataset of clips and labels; for arrays, pass "
            "`tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)`. "
            f"Received: clips of the type {type(clips).__name__}"
        )


def _fit_rest(
    model: keras.Model,
    clips: Any,
    epochs: int,
    checkpoints: TrainingCheckpoints,
    callbacks: Sequence[keras.callbacks.Callback],
    fit: Callable[[Any, int], None],
) -> None:
    """Completes an interrupted epoch and then runs the remaining epochs."""
    positioned = [c for c in callbacks if isinstance(c, PositionedCallback)]
    progress = checkpoints.progress
    if progress.batch:
        for callback in positioned:
            callback.first_batch = progress.batch
        rest = clips.resume(progress.epoch, progress.batch)
        fit(rest, progress.epoch + 1)
        if model.stop_training:
            return
    for callback in positioned:
        callback.first_batch = 0
    fit(clips, checkpoints.next_epoch if progress.stopped else epochs)


def _history(
    model: keras.Model, epochs: Sequence[dict[str, float]]
) -> keras.callbacks.History:
    history = keras.callbacks.History()
    history.set_model(model)
    history.on_train_begin()
    for epoch, logs in enumerate(epochs):
        history.on_epoch_end(epoch, logs)
    model.history = history
    return history
