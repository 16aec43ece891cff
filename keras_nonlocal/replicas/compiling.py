"""Decisions of `compile`, and checks of settings that do not work on replicas."""

from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas.sublayers import (
    all_layers,
    batch_norms,
    updates_statistics,
)

_REDUCTIONS = frozenset(
    {"sum_over_batch_size", "mean", "mean_with_sample_weight", "sum"}
)


def prefers_xla(model: keras.Model) -> bool:
    """Whether `jit_compile="auto"` means XLA: on GPUs, if the layers support it."""
    if _ops_are_deterministic():
        return False
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


def _ops_are_deterministic() -> bool:
    """Whether `tf.config.experimental.enable_op_determinism` is in effect.

    XLA does not have deterministic forms of all operations. TensorFlow has no public
    function for this, but in this mode it rejects random numbers without a seed, and a
    new graph has none.
    """
    with tf.Graph().as_default():
        try:
            tf.compat.v1.get_seed(None)
        except RuntimeError:
            return True
    return False


def has_synchronized_norms(model: keras.Model) -> bool:
    """Whether a forward pass in training communicates with other replicas."""
    return any(
        norm.synchronized and updates_statistics(norm) for norm in batch_norms(model)
    )


def check_synchronized_norms(model: keras.Model, jit_compile: bool | str) -> None:
    """Raises `ValueError` if XLA would have to communicate between replicas."""
    if jit_compile is True and has_synchronized_norms(model):
        raise ValueError(
            '`jit_compile` must be `False` or "auto" on replicas if batch '
            "normalizations are synchronized, which happens inside the forward pass. "
            f"Received: jit_compile={jit_compile!r}"
        )


def check_loss(loss: Any) -> None:
    """Raises `ValueError` if replicas cannot compute the loss as one device does."""
    reductions = {
        one.reduction
        for one in keras.tree.flatten(loss)
        if isinstance(one, keras.losses.Loss)
    }
    if not reductions <= _REDUCTIONS:
        raise ValueError(
            "On replicas, the reduction of a loss must be a mean or a sum. "
            f"Received: reductions {sorted(map(str, reductions))}"
        )


def loss_metrics(model: keras.Model) -> list[keras.metrics.Metric]:
    """Returns the mean losses of the individual outputs; none if there is one output.

    Keras has no public way to find them in `model.metrics`.
    """
    return list(getattr(getattr(model, "_compile_loss", None), "metrics", []))


def accumulation_steps(optimizer: Any) -> int | None:
    """Returns the number of batches per update of the weights; `None` for one."""
    return getattr(_inner(optimizer), "gradient_accumulation_steps", None)


def check_optimizer(optimizer: Any, own_train_step: bool) -> None:
    """Raises `ValueError` if the optimizer would update replicas conditionally.

    In each step, Keras decides in a condition whether to update the weights or to
    accumulate gradients, and whether to overwrite the weights with their averages.
    Replicas cannot communicate inside a condition. `loops` splits its own steps to
    accumulate, but it cannot split an overridden `train_step`.
    """
    steps = accumulation_steps(optimizer)
    if steps and own_train_step:
        raise ValueError(
            "`gradient_accumulation_steps` of the optimizer must be `None` on replicas "
            "if `train_step` is overridden. "
            f"Received: gradient_accumulation_steps={steps}"
        )
    frequency = getattr(_inner(optimizer), "ema_overwrite_frequency", None)
    if frequency:
        raise ValueError(
            "`ema_overwrite_frequency` of the optimizer must be `None` on replicas; "
            "Keras then overwrites the weights at the end of training. "
            f"Received: ema_overwrite_frequency={frequency}"
        )


def _inner(optimizer: Any) -> Any:
    is_wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if is_wrapped else optimizer
