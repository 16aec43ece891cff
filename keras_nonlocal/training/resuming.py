"""Training that survives being killed at any moment."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_nonlocal.training.checkpoints import TrainingCheckpoints
from keras_nonlocal.training.positions import PositionedCallback

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
    """`model.fit` that goes on where a killed process stopped.

    The same call after a `kill -9` at any moment ends in the same weights as one that
    was never interrupted: model, optimizer, schedule, epoch, position in the clips of
    the epoch, the seeds of dropout and what the metrics have added up are restored.
    `directory` then holds

    - `state.npz`, all of that after the last saved step;
    - `last.weights.h5` and `best.weights.h5`, for `model.load_weights`, of the last
      whole epoch and of the epoch with the best `monitor`;
    - `history.csv`, the logs of every whole epoch.

    Each is written beside the old one, flushed to the disk and put in its place in one
    step. `keras.callbacks.BackupAndRestore` restarts an interrupted epoch from its
    beginning, does not keep the seeds of dropout, and can be killed between the file
    of the weights and that of the epoch.

    Keras's callbacks go on with what they had counted, such as the patience of
    `EarlyStopping` and `ReduceLROnPlateau`; the weights that
    `EarlyStopping(restore_best_weights=True)` keeps are lost with the process, those of
    the best epoch are in `best.weights.h5`. What other callbacks remember starts anew.
    An epoch that is resumed in its middle is a `fit` of its own: callbacks get
    `on_train_begin` and `on_train_end` once more.

    Nothing is saved while the loss or a weight is infinite or NaN: the files stay those
    of the last good state, where the same call goes on.

    Under a `tf.distribute` strategy all replicas' values are saved, by the chief
    alone; the other workers must see the same `directory`. What differs between
    workers becomes that of the chief: what the metrics have added up in an epoch that
    is resumed in its middle, and, in a model that does not synchronise them, the
    statistics of batch normalisation.

    Args:
        model: A compiled model.
        clips: Clips and labels, as a dataset of `keras_nonlocal.data` with a `seed`.
            Other data are resumed at the beginning of an epoch only. If videos are
            left out (`on_error="skip"`), an epoch resumed in its middle goes on a few
            videos early.
        directory: Folder of the files; made if it does not exist.
        epochs: Number of the last epoch, counted from 1, as in `fit`.
        save_freq: Batches between two saved states within an epoch; `"epoch"` saves
            at the end of epochs only. Defaults to `"epoch"`.
        monitor: The log that says which epoch is the best. Defaults to `"val_loss"`,
            or `"loss"` without validation data.
        mode: Whether the smallest or the largest value is the best. Defaults to
            `"min"`.
        validation_data: As in `fit`.
        callbacks: As in `fit`. They run before a state is saved.
        **fit_arguments: Further arguments of `fit`: `verbose`, `class_weight`,
            `validation_steps`, `validation_freq`.

    Returns:
        The history of all epochs, those of earlier processes included.

    Raises:
        ValueError: If `directory` holds the checkpoint of another model, or an
            argument has a value it cannot have.

    Example:

    >>> history = keras_nonlocal.training.fit_resumably(
    ...     model, train, "run", epochs=100, save_freq=500
    ... )  # doctest: +SKIP
    """
    if taken := _OWN_ARGUMENTS & fit_arguments.keys():
        raise ValueError(
            "`fit_arguments` must leave to this function what it sets itself. "
            f"Received: {', '.join(sorted(taken))}"
        )
    checkpoints = TrainingCheckpoints(
        directory,
        clips,
        save_freq=save_freq,
        monitor=monitor,
        mode=mode,
        validation_data=validation_data,
        callbacks=callbacks or (),
    )

    def fit(part: Any, last_epoch: int) -> None:
        model.fit(
            part,
            initial_epoch=checkpoints.next_epoch,
            epochs=last_epoch,
            validation_data=validation_data,
            callbacks=[*(callbacks or ()), checkpoints],
            shuffle=False,
            **fit_arguments,
        )

    positioned = [c for c in callbacks or () if isinstance(c, PositionedCallback)]
    progress = checkpoints.progress
    if progress.batch:
        for callback in positioned:
            callback.first_batch = progress.batch
        rest = clips.resume(progress.epoch, progress.batch)
        fit(rest, progress.epoch + 1)
        if model.stop_training:
            return _history(model, checkpoints.logs)
    for callback in positioned:
        callback.first_batch = 0
    fit(clips, checkpoints.next_epoch if progress.stopped else epochs)
    return _history(model, checkpoints.logs)


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
