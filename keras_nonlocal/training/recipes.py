"""Rates, optimizers and regularisers of the published trainings, as Keras's objects."""

from collections.abc import Sequence

import keras

PAPER_BATCH_SIZE = 64


def scaled_learning_rate(
    batch_size: int,
    base_learning_rate: float = 0.01,
    base_batch_size: int = PAPER_BATCH_SIZE,
) -> float:
    """Scales a learning rate linearly with the number of clips per update.

    Args:
        batch_size: Clips per update of the weights: of all replicas and, with
            gradient accumulation, of all batches that are added up.
        base_learning_rate: Rate for `base_batch_size` clips. Defaults to `0.01`.
        base_batch_size: Clips per update that the rate was chosen for. Defaults to
            `64`, 8 GPUs with 8 clips each.

    Returns:
        `base_learning_rate * batch_size / base_batch_size`.

    Raises:
        ValueError: If a number of clips or the rate is not positive.

    Example:

    >>> keras_nonlocal.training.scaled_learning_rate(16)
    0.0025

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971): 0.01 for 64
          clips, and 0.0025 for the 16 clips of 128 frames.
        - [Accurate, Large Minibatch SGD](https://arxiv.org/abs/1706.02677), section 2.
    """
    _check_positive("batch_size", batch_size)
    _check_positive("base_learning_rate", base_learning_rate)
    _check_positive("base_batch_size", base_batch_size)
    return base_learning_rate * batch_size / base_batch_size


def step_schedule(
    learning_rate: float,
    boundaries: Sequence[float] = (150_000, 300_000),
    *,
    steps_per_epoch: int | None = None,
    factor: float = 0.1,
    gradient_accumulation_steps: int | None = None,
) -> keras.optimizers.schedules.PiecewiseConstantDecay:
    """The schedule of the paper: the rate is divided by 10 twice.

    Args:
        learning_rate: The first rate; see `scaled_learning_rate`.
        boundaries: Numbers of updates after which the next rate begins; with
            `steps_per_epoch`, numbers of epochs, such as `(44, 88)`. Defaults to
            `(150_000, 300_000)`, out of 400 000.
        steps_per_epoch: Steps of `fit` in an epoch, if `boundaries` are epochs.
        factor: What each rate is multiplied by to get the next. Defaults to `0.1`.
        gradient_accumulation_steps: That of the optimizer, which advances schedules
            once per step of `fit`, not per update.

    Returns:
        A `keras.optimizers.schedules.PiecewiseConstantDecay`.

    Raises:
        ValueError: If the boundaries do not increase or a number is not positive.

    Example:

    >>> schedule = keras_nonlocal.training.step_schedule(0.01)
    >>> [round(float(schedule(step)), 6) for step in (149_999, 150_000, 300_000)]
    [0.01, 0.001, 0.0001]

    References:
        - Section 4.1 of [Non-local Neural Networks](https://arxiv.org/abs/1711.07971).
        - `SOLVER.STEPS` of `configs/Kinetics/C2D_NLN_8x8_R50_IN1K.yaml` in
          https://github.com/facebookresearch/SlowFast: epochs 44 and 88 of 118.
    """
    _check_positive("learning_rate", learning_rate)
    _check_positive("factor", factor)
    steps_per_boundary = 1
    if steps_per_epoch is not None:
        _check_positive("steps_per_epoch", steps_per_epoch)
        steps_per_boundary = steps_per_epoch
    elif gradient_accumulation_steps is not None:
        _check_positive("gradient_accumulation_steps", gradient_accumulation_steps)
        steps_per_boundary = gradient_accumulation_steps
    steps = [round(boundary * steps_per_boundary) for boundary in boundaries]
    if any(b <= a for a, b in zip([0, *steps], steps, strict=False)):
        raise ValueError(
            "`boundaries` must be positive and increase. "
            f"Received: boundaries={tuple(boundaries)}"
        )
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # Keras keeps the earlier rate up to and including the boundary.
        [step - 1 for step in steps],
        [learning_rate * factor**i for i in range(len(steps) + 1)],
    )


def warmup_cosine_schedule(
    learning_rate: float,
    steps_per_epoch: int,
    *,
    epochs: float = 196,
    warmup_epochs: float = 34,
    warmup_start: float = 0.1,
    final: float = 0.0,
) -> keras.optimizers.schedules.CosineDecay:
    """A linear warm-up, then half a cosine down to the end of the training.

    The defaults are the lengths of PySlowFast's trainings from random weights. There,
    the cosine counts from the first epoch, so that the warm-up ends a little below
    `learning_rate` (93 % of it); here it counts from the end of the warm-up, as its
    option `COSINE_AFTER_WARMUP` has it.

    Args:
        learning_rate: The highest rate; see `scaled_learning_rate`. PySlowFast: 0.1
            for 64 clips per update.
        steps_per_epoch: Steps of `fit` in an epoch.
        epochs: Length of the training, including the warm-up. Defaults to `196`.
        warmup_epochs: Length of the warm-up. Defaults to `34`.
        warmup_start: The first rate, as a share of `learning_rate`. Defaults to `0.1`.
        final: The last rate, as a share of `learning_rate`. Defaults to `0.0`.

    Returns:
        A `keras.optimizers.schedules.CosineDecay`.

    Raises:
        ValueError: If the lengths do not fit or a number is not positive.

    Example:

    >>> schedule = keras_nonlocal.training.warmup_cosine_schedule(
    ...     0.1, 100, epochs=20, warmup_epochs=4)
    >>> [round(float(schedule(step)), 3) for step in (0, 200, 400, 1200, 2000)]
    [0.01, 0.055, 0.1, 0.05, 0.0]

    References:
        `slowfast/utils/lr_policy.py` and
        `configs/Kinetics/I3D_NLN_8x8_R50.yaml` in
        https://github.com/facebookresearch/SlowFast.
    """
    _check_positive("learning_rate", learning_rate)
    _check_positive("steps_per_epoch", steps_per_epoch)
    if not 0 <= warmup_epochs < epochs:
        raise ValueError(
            "`warmup_epochs` must be at least 0 and less than `epochs`. "
            f"Received: warmup_epochs={warmup_epochs}, epochs={epochs}"
        )
    warmup_steps = round(warmup_epochs * steps_per_epoch)
    decay_steps = round(epochs * steps_per_epoch) - warmup_steps
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(
            learning_rate, decay_steps, alpha=final
        )
    return keras.optimizers.schedules.CosineDecay(
        learning_rate * warmup_start,
        decay_steps,
        alpha=final,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )


def nesterov_sgd(
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    momentum: float = 0.9,
    gradient_accumulation_steps: int | None = None,
) -> keras.optimizers.SGD:
    """The optimizer of the paper: SGD with Nesterov momentum.

    The update is that of the released code, except that Keras does not rescale the
    momentum when the rate changes (`SCALE_MOMENTUM` there): the momentum of the
    earlier rate fades within some ten steps.

    Args:
        learning_rate: A rate or a schedule.
        momentum: Defaults to `0.9`.
        gradient_accumulation_steps: Batches whose mean gradient makes one update.
            Defaults to an update per batch.

    Returns:
        A `keras.optimizers.SGD`.

    Example:

    >>> rate = keras_nonlocal.training.scaled_learning_rate(8 * 4)
    >>> optimizer = keras_nonlocal.training.nesterov_sgd(
    ...     rate, gradient_accumulation_steps=4)
    """
    return keras.optimizers.SGD(
        learning_rate,
        momentum=momentum,
        nesterov=True,
        gradient_accumulation_steps=gradient_accumulation_steps,
    )


def gradient_l2(weight_decay: float = 1e-4) -> keras.regularizers.L2:
    """The regulariser that adds `weight_decay * kernel` to the gradient of a kernel.

    The paper's weight decay is such a term. Keras's L2 adds its factor times the sum of
    squares to the loss, whose gradient has a further 2, hence half of it here. As
    `kernel_regularizer` of a builder it acts on the kernels of all convolutions and of
    the classifier, not on biases and not on batch normalisation. It is not what
    `weight_decay=` of a Keras optimizer does: that one passes by the momentum.

    Args:
        weight_decay: Defaults to `1e-4`.

    Returns:
        A `keras.regularizers.L2`.

    Raises:
        ValueError: If `weight_decay` is negative.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     kernel_regularizer=keras_nonlocal.training.gradient_l2(),
    ...     input_shape=(4, 32, 32, 3), width=4)

    References:
        `SOLVER.WEIGHT_DECAY` in
        https://github.com/facebookresearch/video-nonlocal-net. That code exempts batch
        normalisation and lets the decay act on biases, too.
    """
    if weight_decay < 0:
        raise ValueError(
            "`weight_decay` must not be negative. "
            f"Received: weight_decay={weight_decay!r}"
        )
    return keras.regularizers.L2(weight_decay / 2)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"`{name}` must be positive. Received: {name}={value!r}")
