"""Builds and compiles the network of a training run."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras_nonlocal.runs.inputs import TrainingInputs
from keras_nonlocal.runs.plan import TrainingPlan
from keras_nonlocal.runs.setting_groups import PathName, RecipeSettings
from keras_nonlocal.runs.settings import TrainingSettings
from keras_nonlocal.runs.typed_values import as_json

_LOSSES = {
    "int": "sparse_categorical_crossentropy",
    "multi_hot": "binary_crossentropy",
    "binary": "binary_crossentropy",
}
JIT = {"auto": "auto", "on": True, "off": False}


def compiled_network(
    settings: TrainingSettings, inputs: TrainingInputs, plan: TrainingPlan
) -> Any:
    """Builds the network, loads its weights and compiles it.

    Raises:
        ValueError: If a setting is invalid, or the weights cannot be downloaded.
    """
    from keras_nonlocal.training import freeze_stages

    with weights_named(settings.network.weights):
        model = _network(settings, inputs)
    clips = settings.clips
    model.clip_info = dataclasses.replace(
        model.clip_info,
        class_names=inputs.class_names,
        num_frames=clips.num_frames,
        frame_stride=clips.frame_stride,
        target_fps=clips.target_fps,
    )
    freeze_stages(model, settings.network.freeze)
    model.compile(
        _optimizer(settings.recipe, plan),
        loss=_LOSSES[inputs.label_mode],
        metrics=_metrics(inputs),
        jit_compile=JIT[settings.run.jit],
    )
    return model


@contextmanager
def weights_named(weights: PathName | None) -> Iterator[None]:
    """Turns the error of a failed download into one sentence about the weights."""
    from keras_nonlocal.weights import DownloadError

    try:
        yield
    except Exception as error:
        # Keras downloads ImageNet weights and raises bare `Exception`s.
        if not isinstance(error, DownloadError) and type(error) is not Exception:
            raise
        raise ValueError(
            "`weights` must be none or the path of a file, since a download failed: "
            f"{str(error).rstrip('.')}. Received: weights={weights!r}"
        ) from error


def _network(settings: TrainingSettings, inputs: TrainingInputs) -> Any:
    from keras_nonlocal.models import NLResNet
    from keras_nonlocal.training import gradient_l2

    network, recipe = settings.network, settings.recipe
    arguments = {
        each.name: getattr(network, each.name) for each in dataclasses.fields(network)
    }
    del arguments["freeze"]
    if network.nonlocal_options is not None:
        arguments["nonlocal_options"] = as_json(network.nonlocal_options)
    if network.nonlocal_mode is None:
        del arguments["nonlocal_mode"]
    # AdamW has its own weight decay.
    decay = recipe.weight_decay if recipe.optimizer == "sgd" else 0.0
    return NLResNet(
        input_shape=(settings.clips.num_frames, *settings.clips.frame_size, 3),
        classes=inputs.num_outputs,
        classifier_activation="softmax" if inputs.label_mode == "int" else "sigmoid",
        dropout_rate=recipe.dropout_rate,
        kernel_regularizer=gradient_l2(decay) if decay else None,
        include_preprocessing=True,
        **arguments,
    )


def _optimizer(recipe: RecipeSettings, plan: TrainingPlan) -> Any:
    import keras

    from keras_nonlocal.training import nesterov_sgd

    accumulated = recipe.gradient_accumulation
    steps_per_update = accumulated if accumulated > 1 else None
    schedule = _schedule(recipe, plan)
    if recipe.optimizer == "sgd":
        return nesterov_sgd(
            schedule,
            momentum=recipe.momentum,
            gradient_accumulation_steps=steps_per_update,
        )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=recipe.weight_decay,
        gradient_accumulation_steps=steps_per_update,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _schedule(recipe: RecipeSettings, plan: TrainingPlan) -> Any:
    from keras_nonlocal.training import step_schedule, warmup_cosine_schedule

    rate = plan.first_learning_rate
    if recipe.schedule == "cosine":
        return warmup_cosine_schedule(
            rate,
            plan.steps_per_epoch,
            epochs=plan.epochs,
            warmup_epochs=recipe.warmup * plan.epochs,
        )
    if recipe.schedule == "constant":
        return rate
    steps = plan.epochs * plan.steps_per_epoch
    # In a run of a few steps, some of the rates cover no step.
    boundaries = sorted({round(share * steps) for share in recipe.decay_at} - {0})
    return step_schedule(rate, boundaries) if boundaries else rate


def _metrics(inputs: TrainingInputs) -> list[Any]:
    import keras

    from keras_nonlocal.training import MeanAveragePrecision

    if inputs.label_mode == "multi_hot":
        capacity = max(inputs.num_videos, inputs.num_validation_videos)
        return [MeanAveragePrecision(inputs.classes, capacity)]
    if inputs.classes <= 5:
        return ["accuracy"]
    return [
        "accuracy",
        keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5_accuracy"),
    ]
