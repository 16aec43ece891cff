"""What `compile` decides and refuses on replicas."""

from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas.sublayers import all_layers, batch_norms

_MEAN_REDUCTIONS = frozenset({"sum_over_batch_size", "mean"})


def prefers_xla(model: keras.Model) -> bool:
    """What `jit_compile="auto"` means: XLA on GPUs, where the layers can."""
    strategy = model.distribute_strategy
    if model.on_replicas:
        devices = strategy.extended.worker_devices
        gpus = all("GPU" in device.upper() for device in devices)
    else:
        gpus = bool(tf.config.list_logical_devices("GPU"))
    return (
        gpus
        and not (model.on_replicas and has_synchronized_norms(model))
        and all(layer.supports_jit for layer in all_layers(model))
    )


def has_synchronized_norms(model: keras.Model) -> bool:
    """Whether a forward pass in training needs the other replicas."""
    return any(norm.synchronized and norm.trainable for norm in batch_norms(model))


def check_synchronized_norms(model: keras.Model, jit_compile: bool | str) -> None:
    """Raises `ValueError` if XLA would have to communicate between replicas."""
    if jit_compile is True and has_synchronized_norms(model):
        raise ValueError(
            '`jit_compile` must be `False` or "auto" on replicas if batch '
            "normalisations are synchronised, which happens inside the forward pass. "
            f"Received: jit_compile={jit_compile!r}"
        )


def check_loss(loss: Any) -> None:
    """Raises `ValueError` if replicas cannot compute the loss of one device."""
    reductions = _reductions(loss)
    if not (reductions <= _MEAN_REDUCTIONS or reductions == {"sum"}):
        raise ValueError(
            "`loss` must be reduced by the mean over the samples "
            '("sum_over_batch_size") or by "sum", the same for all outputs, on '
            f"replicas. Received: reductions {sorted(map(str, reductions))}"
        )


def accumulation_steps(optimizer: Any) -> int | None:
    """Number of batches per update of the weights, or `None` if that is one."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return getattr(optimizer, "gradient_accumulation_steps", None)


def check_accumulation(optimizer: Any, own_train_step: bool) -> None:
    """Raises `ValueError` if gradients would be accumulated in a user's step.

    Keras decides in each step whether to update the weights or to accumulate, with a
    condition inside of which replicas cannot meet in a graph. `loops` takes a step
    apart for that, which it cannot do with a step that it does not know.
    """
    steps = accumulation_steps(optimizer)
    if steps and own_train_step:
        raise ValueError(
            "`gradient_accumulation_steps` of the optimizer must be `None` on replicas "
            "if `train_step` is overridden. "
            f"Received: gradient_accumulation_steps={steps}"
        )


def sums_losses(model: keras.Model) -> bool:
    """Whether the loss is the sum over the samples, not the mean."""
    return _reductions(model.loss) == {"sum"}


def _reductions(loss: Any) -> set[str | None]:
    """Reductions of all losses; Keras reduces functions and names by the mean."""
    return {
        one.reduction if isinstance(one, keras.losses.Loss) else "sum_over_batch_size"
        for one in keras.tree.flatten(loss)
        if one is not None
    }
