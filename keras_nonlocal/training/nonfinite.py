"""The cause of a loss that is not finite."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor
from keras_nonlocal.training.positions import PositionedCallback
from keras_nonlocal.training.resumable.late_variables import build_optimizer


class NonFiniteLossError(ArithmeticError):
    """Raised when the loss becomes infinite or NaN.

    Attributes:
        epoch: The epoch, starting at 0.
        batch: The batch of the epoch, starting at 0, or `None` if it is not known.
        file_paths: The files of the batch, or an empty list if they are not known.
        culprit: The first layer whose output was not finite, or the variable that was
            not finite before the step, or `None`.
    """

    def __init__(
        self,
        message: str,
        epoch: int,
        batch: int | None = None,
        file_paths: Sequence[str] = (),
        culprit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.batch = batch
        self.file_paths = [*file_paths]
        self.culprit = culprit


class StopOnNonFiniteLoss(PositionedCallback):
    """Stops training when the loss becomes infinite or NaN, and reports the cause.

    `keras.callbacks.TerminateOnNaN` only stops. This callback repeats the forward pass
    of the batch with the weights from before the step, and names the first layer whose
    output is not finite and the files of the batch. To do so, it copies all variables
    of the model and the optimizer in each step, which doubles their memory. The model
    and the optimizer keep the values from before the step. In a detector, the callback
    checks the layers up to the feature pyramid, and the loss.

    Args:
        clips: The dataset of `keras_nonlocal.data` that the model is trained on.

    Raises:
        TypeError: If the dataset cannot repeat a batch.

    Example:

    >>> model.fit(train, callbacks=[
    ...     keras_nonlocal.training.StopOnNonFiniteLoss(train)])  # doctest: +SKIP
    """

    def __init__(self, clips: Any) -> None:
        super().__init__()
        if not hasattr(clips, "resume"):
            raise TypeError(
                "`clips` must be a clip dataset of keras_nonlocal.data. "
                f"Received: clips={clips!r}"
            )
        self._clips = clips
        self._epoch = 0
        self._begin = 0
        self._copies: list[tuple[keras.Variable, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        build_optimizer(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._begin = batch
        variables = [*self.model.variables, *self.model.optimizer.variables]
        self._copies = [(variable, ops.copy(variable.value)) for variable in variables]

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if math.isfinite(loss):
            return
        self._restore()
        batches = range(self.first_batch + self._begin, self.first_batch + batch + 1)
        guilty, culprit, finding = self._diagnose(batches)
        paths: list[str] = []
        if hasattr(self._clips, "batch_paths"):
            paths = self._clips.batch_paths(self._epoch, guilty)
        files = ", ".join(paths) or "not known"
        raise NonFiniteLossError(
            f"The loss is {loss} since batch {guilty} of epoch {self._epoch}, both "
            f"counted from 0: {finding}. Files of the batch: {files}",
            self._epoch,
            guilty,
            paths,
            culprit,
        )

    def _diagnose(self, batches: range) -> tuple[int, str | None, str]:
        """Returns the number of the batch, the culprit and a sentence about it."""
        for variable in self.model.variables:
            if not is_finite(variable.value):
                finding = (
                    f"`{variable.path}` was not finite before the step, because of the "
                    "gradient of an earlier step"
                )
                return batches[0], variable.path, finding
        data = self._clips.resume(self._epoch, batches[0])
        guilty = batches[0]
        for batch, elements in zip(batches, data, strict=False):
            layer = self._first_layer(elements[0])
            if layer is not None:
                kind = type(layer).__name__
                finding = (
                    f"the output of the layer `{layer.name}` ({kind}) is the first "
                    "that is not finite"
                )
                return batch, layer.name, finding
            if len(batches) > 1 and not self._loss_is_finite(elements):
                guilty = batch
                break
        return guilty, None, "the outputs of all layers are finite, the loss is not"

    def _loss_is_finite(self, elements: Any) -> bool:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(elements)
        y_pred = self.model(x, training=True)
        loss = self.model.compute_loss(x, y, y_pred, weights, training=True)
        self._restore()
        return bool(ops.isfinite(loss))

    def _first_layer(self, x: Any) -> keras.layers.Layer | None:
        network = self.model
        if hasattr(network, "functional_part"):
            network, x = network.functional_part(x)
        layers = [layer for layer in network.layers if _has_one_output(layer)]
        outputs = [keras.tree.flatten(layer.output) for layer in layers]
        values = keras.Model(network.inputs, outputs)(x, training=True)
        self._restore()
        for layer, tensors in zip(layers, values, strict=True):
            if not all(is_finite(tensor) for tensor in tensors):
                return layer
        return None

    def _restore(self) -> None:
        for variable, copy in self._copies:
            variable.assign(copy)


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor has neither infinities nor NaNs. Integers have none."""
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)):
        return True
    return bool(ops.all(ops.isfinite(tensor)))


def _has_one_output(layer: keras.layers.Layer) -> bool:
    """Whether the layer is applied once in a functional model."""
    try:
        return layer.output is not None
    except (AttributeError, ValueError):
        return False
