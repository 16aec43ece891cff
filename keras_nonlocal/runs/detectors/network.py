"""Builds and compiles the detector of a training run."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras

from keras_nonlocal.detection import (
    NLKeypointRCNN50,
    NLKeypointRCNN101,
    NLMaskRCNN50,
    NLMaskRCNN101,
    Recipe,
    RegionModel,
)
from keras_nonlocal.detection.pretrained import resolve_detector_weights
from keras_nonlocal.runs.detectors.inputs import DetectorInputs
from keras_nonlocal.runs.detectors.plan import DetectorPlan
from keras_nonlocal.runs.detectors.settings import (
    DetectorRecipeSettings,
    DetectorSettings,
)
from keras_nonlocal.runs.network import JIT, weights_named
from keras_nonlocal.runs.typed_values import as_json
from keras_nonlocal.training.detector_schedules import (
    DETECTOR_BATCH_SIZE,
    detector_schedule,
)
from keras_nonlocal.training.recipes import scaled_learning_rate, warmup_cosine_schedule
from keras_nonlocal.training.weight_decay import decay_kernels

_MASK_BUILDERS: dict[int, Any] = {50: NLMaskRCNN50, 101: NLMaskRCNN101}
_KEYPOINT_BUILDERS: dict[int, Any] = {50: NLKeypointRCNN50, 101: NLKeypointRCNN101}
_WARMUP = 0.1


def compiled_detector(
    settings: DetectorSettings, inputs: DetectorInputs, plan: DetectorPlan
) -> RegionModel:
    """Builds the detector, loads its weights and compiles it.

    Raises:
        ValueError: If a setting is invalid, or the weights cannot be downloaded.
    """
    network = settings.network
    builder, own = _builder(settings, inputs)
    with weights_named(network.weights):
        model: RegionModel = builder(
            weights=network.weights,
            classes=len(inputs.class_names),
            nonlocal_blocks=network.nonlocal_blocks,
            nonlocal_mode=network.nonlocal_mode,
            nonlocal_pool_size=network.nonlocal_pool_size,
            nonlocal_options=as_json(network.nonlocal_options),
            width=network.width,
            freeze_stages=network.freeze,
            recipe=_recipe(settings, len(inputs.class_names)),
            class_names=inputs.class_names,
            category_ids=inputs.category_ids,
            seed=settings.recipe.seed,
            **own,
        )
    pictures = settings.pictures
    model.picture_sides = (pictures.short_side[1], pictures.long_side)
    decay_kernels(model, settings.recipe.weight_decay)
    model.compile(_optimizer(settings.recipe, plan), jit_compile=JIT[settings.run.jit])
    return model


def _builder(
    settings: DetectorSettings, inputs: DetectorInputs
) -> tuple[Callable[..., RegionModel], dict[str, Any]]:
    """Returns the builder, and the arguments that others do not have."""
    network, data = settings.network, inputs.training
    if not settings.data.keypoints:
        return _MASK_BUILDERS[network.depth], {}
    return _KEYPOINT_BUILDERS[network.depth], {
        "num_keypoints": len(data.keypoint_names),
        "head_nonlocal_blocks": network.head_nonlocal_blocks,
        "head_nonlocal_mode": network.head_nonlocal_mode,
        "head_nonlocal_pool_size": network.head_nonlocal_pool_size,
        "keypoint_names": data.keypoint_names,
        "flip_pairs": data.flip_pairs,
        "oks_sigmas": data.oks_sigmas,
        "skeleton": data.skeleton,
    }


def _recipe(settings: DetectorSettings, classes: int) -> Recipe | str | None:
    """Returns the recipe of the detector with the changes of the settings."""
    network = settings.network
    name: Any = network.detector_recipe
    if not network.recipe_changes:
        return name
    pretrained = resolve_detector_weights(
        network.weights, classes, settings.data.keypoints
    )
    values = asdict(pretrained.settle_recipe(name))
    for group, changes in as_json(network.recipe_changes).items():
        known = values.get(group)
        if not isinstance(known, dict) or not changes.keys() <= known.keys():
            raise ValueError(
                "`recipe_changes` must name groups and fields of a `Recipe`. "
                f"Received: {group}={changes!r}"
            )
        values[group] = known | changes
    return Recipe.from_dict(values)


def _optimizer(recipe: DetectorRecipeSettings, plan: DetectorPlan) -> Any:
    accumulated = recipe.gradient_accumulation
    batch_size = recipe.batch_size * accumulated
    schedule: Any
    if recipe.schedule == "cosine":
        schedule = warmup_cosine_schedule(
            scaled_learning_rate(batch_size, recipe.learning_rate, DETECTOR_BATCH_SIZE),
            plan.steps_per_epoch,
            epochs=plan.epochs,
            warmup_epochs=_WARMUP * plan.epochs,
        )
    else:
        schedule = detector_schedule(
            recipe.schedule,
            batch_size,
            updates=plan.updates,
            learning_rate=recipe.learning_rate,
            gradient_accumulation_steps=accumulated,
        )
    return keras.optimizers.SGD(
        schedule,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        global_clipnorm=recipe.clip_norm,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
    )
