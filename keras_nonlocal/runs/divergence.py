"""Ends a training run whose weights are not finite any more."""

import math
from typing import Any

import keras

from keras_nonlocal.training.nonfinite import NonFiniteLossError, is_finite


class StopOnDivergence(keras.callbacks.Callback):
    """A callback that ends a run after an epoch from which it cannot recover.

    It costs nothing while the loss is finite. Steps that the scaling of float16 losses
    leaves out do not end the run, because the weights stay finite.

    Raises:
        NonFiniteLossError: If the loss and a variable of the model are not finite.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if math.isfinite(loss):
            return
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
