"""The network of a training, compiled as its options say."""

import argparse
from typing import Any

from keras_nonlocal.cli.train_plan import TrainingPlan, TrainingVideos


def compiled_network(
    options: argparse.Namespace, videos: TrainingVideos, plan: TrainingPlan
) -> Any:
    """Builds it, with its weights, and compiles it.

    Raises:
        ValueError: If an option has a value it cannot have, or the weights cannot be
            downloaded.
    """
    from keras_nonlocal.training import freeze_stages
    from keras_nonlocal.weights import DownloadError

    try:
        model = _network(options, videos)
    except Exception as error:
        # Keras downloads the weights of ImageNet, and raises bare `Exception`s.
        if not isinstance(error, DownloadError) and type(error) is not Exception:
            raise
        raise ValueError(
            "The weights could not be downloaded, choose `--weights none` or a local "
            f"file: {str(error).rstrip('.')}. Received: weights={options.weights!r}"
        ) from error
    freeze_stages(model, options.freeze)
    model.compile(
        _optimizer(options, plan),
        loss=(
            "binary_crossentropy"
            if videos.is_multi_label
            else "sparse_categorical_crossentropy"
        ),
        metrics=_metrics(videos),
        jit_compile={"auto": "auto", "on": True, "off": False}[options.jit],
    )
    return model


def _network(options: argparse.Namespace, videos: TrainingVideos) -> Any:
    from keras_nonlocal.models import NLResNet
    from keras_nonlocal.training import gradient_l2

    modes = (
        {}
        if options.nonlocal_mode is None
        else {"nonlocal_mode": options.nonlocal_mode}
    )
    return NLResNet(
        options.depth,
        options.variant,
        weights=None if options.weights == "none" else options.weights,
        input_shape=(options.num_frames, options.crop_size, options.crop_size, 3),
        classes=videos.classes,
        classifier_activation="sigmoid" if videos.is_multi_label else "softmax",
        nonlocal_blocks=options.nonlocal_blocks,
        stem_temporal_strides=tuple(options.stem_temporal_strides),
        width=options.width,
        dropout_rate=options.dropout_rate,
        normalization=options.normalization,
        kernel_regularizer=gradient_l2(options.weight_decay),
        include_preprocessing=True,
        **modes,
    )


def _optimizer(options: argparse.Namespace, plan: TrainingPlan) -> Any:
    from keras_nonlocal.training import (
        nesterov_sgd,
        step_schedule,
        warmup_cosine_schedule,
    )

    schedule: Any
    if options.schedule == "steps":
        steps = plan.epochs * plan.steps_per_epoch
        boundaries = [round(share * steps) for share in options.decay_at]
        # A training of a few steps has none for some of the rates.
        boundaries = [
            step
            for i, step in enumerate(boundaries)
            if options.decay_at[i] <= 0 or step not in (0, *boundaries[:i])
        ]
        schedule = plan.first_learning_rate
        if boundaries:
            schedule = step_schedule(plan.first_learning_rate, boundaries)
    else:
        schedule = warmup_cosine_schedule(
            plan.first_learning_rate,
            plan.steps_per_epoch,
            epochs=plan.epochs,
            warmup_epochs=options.warmup * plan.epochs,
        )
    accumulated = options.gradient_accumulation
    return nesterov_sgd(
        schedule,
        momentum=options.momentum,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
    )


def _metrics(videos: TrainingVideos) -> list[Any]:
    import keras

    from keras_nonlocal.training import MeanAveragePrecision

    if videos.is_multi_label:
        parts = (videos.training, videos.validation)
        capacity = max(len(part.paths) for part in parts if part is not None)
        return [MeanAveragePrecision(videos.classes, capacity)]
    if videos.classes <= 5:
        return ["accuracy"]
    return [
        "accuracy",
        keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5_accuracy"),
    ]
