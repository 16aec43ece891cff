"""Learning rates, optimizers and regularizers of published recipes."""

from collections.abc import Sequence

import keras

from keras_nonlocal.arguments import check_positive_integer, check_positive_number

PAPER_BATCH_SIZE = 64


def scaled_learning_rate(
    batch_size: int,
    base_learning_rate: float = 0.01,
    base_batch_size: int = PAPER_BATCH_SIZE,
) -> float:
    """Scales a learning rate linearly with the number of clips per update.

    Args:
        batch_size: Number of clips per update of the weights, over all replicas and,
            with gradient accumulation, over all accumulated batches.
        base_learning_rate: Learning rate for `base_batch_size` clips. Defaults to
            `0.01`.
        base_batch_size: Number of clips per update for `base_learning_rate`. Defaults
            to `64`, which is 8 GPUs with 8 clips each.

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
    check_positive_integer("batch_size", batch_size)
    check_positive_number("base_learning_rate", base_learning_rate)
    check_positive_integer("base_batch_size", base_batch_size)
    return base_learning_rate * batch_size / base_batch_size


def step_schedule(
    learning_rate: float,
    boundaries: Sequence[float] = (150_000, 300_000),
    *,
    steps_per_epoch: int | None = None,
    factor: float = 0.1,
    gradient_accumulation_steps: int | None = None,
) -> keras.optimizers.schedules.PiecewiseConstantDecay:
    """The schedule of the paper, which divides the rate by 10 twice.

    Args:
        learning_rate: Initial rate; see `scaled_learning_rate`.
        boundaries: Numbers of updates after which the rate changes. With
            `steps_per_epoch`, they are numbers of epochs, such as `(44, 88)`. Defaults
            to `(150_000, 300_000)`, out of 400 000.
        steps_per_epoch: Number of `fit` steps in an epoch, if `boundaries` are epochs.
        factor: Factor from each rate to the next. Defaults to `0.1`.
        gradient_accumulation_steps: The optimizer's value. Optimizers advance schedules
            once per step of `fit`, not once per update.

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
    check_positive_number("learning_rate", learning_rate)
    check_positive_number("factor", factor)
    steps_per_boundary = 1
    if steps_per_epoch is not None:
        check_positive_integer("steps_per_epoch", steps_per_epoch)
        steps_per_boundary = steps_per_epoch
    elif gradient_accumulation_steps is not None:
        check_positive_integer(
            "gradient_accumulation_steps", gradient_accumulation_steps
        )
        steps_per_boundary = gradient_accumulation_steps
    steps = [round(boundary * steps_per_boundary) for boundary in boundaries]
    if any(b <= a for a, b in zip([0, *steps], steps, strict=False)):
        raise ValueError(
            "`boundaries` must be positive and increase. "
            f"Received: boundaries={tuple(boundaries)}"
        )
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # Keras uses the earlier rate up to and including the boundary.
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
    """A linear warm-up, followed by half a cosine until the end of the training run.

    The default lengths are those of PySlowFast's training runs from random weights. Its
    cosine starts at the first epoch, so its warm-up ends at 93 % of `learning_rate`.
    Here, the cosine starts at the end of the warm-up, as with its option
    `COSINE_AFTER_WARMUP`.

    Args:
        learning_rate: Maximum rate; see `scaled_learning_rate`. PySlowFast uses 0.1 for
            64 clips per update.
        steps_per_epoch: Number of `fit` steps in an epoch.
        epochs: Length of the training run, including the warm-up. Defaults to `196`.
        warmup_epochs: Length of the warm-up. Defaults to `34`.
        warmup_start: Initial rate, as a fraction of `learning_rate`. Defaults to `0.1`.
        final: Final rate, as a fraction of `learning_rate`. Defaults to `0.0`.

    Returns:
        A `keras.optimizers.schedules.CosineDecay`.

    Raises:
        ValueError: If the lengths do not fit together or a number is not positive.

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
    check_positive_number("learning_rate", learning_rate)
    check_positive_integer("steps_per_epoch", steps_per_epoch)
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
    """The optimizer of the paper, SGD with Nesterov momentum.

    The update is that of the released code with one exception. Keras does not rescale
    the momentum when the rate changes (`SCALE_MOMENTUM`), so the momentum from the
    earlier rate fades within about ten steps.

    Args:
        learning_rate: A rate or a schedule.
        momentum: Defaults to `0.9`.
        gradient_accumulation_steps: Number of batches whose gradients are averaged for
            one update. Defaults to one update per batch.

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
    """Returns a regularizer that adds `weight_decay * kernel` to a kernel's gradient.

    This is the weight decay of the paper. Keras's L2 adds its factor times the sum of
    squares to the loss, whose gradient has an additional factor of 2, so half of
    `weight_decay` is used. As the `kernel_regularizer` of a builder, it applies to the
    kernels of all convolutions and of the classifier, but not to biases or batch
    normalization. It differs from the `weight_decay` of Keras optimizers, which
    bypasses the momentum.

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
        `SOLVER.WEIGHT_DECAY` in https://github.com/facebookresearch/video-nonlocal-net.
        That code excludes batch normalization but also decays biases.
    """
    if weight_decay < 0:
        raise ValueError(
            "`weight_decay` must not be negative. "
            f"Received: weight_decay={weight_decay!r}"
        )
    return keras.regularizers.L2(weight_decay / 2)
