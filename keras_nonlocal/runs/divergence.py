"""Ends a training run whose weights are not finite any more."""

import math
from typing import Any

import keras

from keras_nonlocal.training.nonfinite import NonFiniteLossError, is_finite


class StopOnDivergence(keras.callbacks.Callback):
    """A callback that ends a run after an epoch from which it cannot recover.

    Weights are looked at after epochs whose loss is not finite, and after the last one.
    Steps that the scaling of float16 losses leaves out do not end the run, because the
    weights stay finite.

    Raises:
        NonFiniteLossError: If a variable of the model is not finite.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last = 0, 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._last = epoch, float((logs or {}).get("loss", 0.0))
        if not math.isfinite(self._last[1]):
            self._check()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._check()

    def _check(self) -> None:
        epoch, loss = self._last
        for variable in self.model.variables:
            if not is_finite(variable.value):
                raise NonFiniteLossError(
                    f"The loss of epoch {epoch}, counted from 0, is {loss}, and "
                    f"`{variable.path}` is not finite any more: train in another "
                    "folder, with a lower `learning_rate`, or with `check_finite`, "
                    "which names the layer and the files",
                    epoch,
                    culprit=variable.path,
                )
