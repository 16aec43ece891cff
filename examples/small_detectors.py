"""Detectors that are small enough to learn from scratch on a CPU, in minutes."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

import keras_nonlocal
from keras_nonlocal.data import coco_dataset
from keras_nonlocal.detection import RECIPES, HeadSettings, Recipe

LIVE = sys.stdout.isatty()
_ENLARGED = 3


def training_options(description: str, output: str) -> argparse.ArgumentParser:
    """Returns a parser of the options that all examples of detectors have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=Path(output))
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--test-pictures", type=int, default=100)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def read(
    annotations: Path, side: int, options: argparse.Namespace, **contents: Any
) -> Any:
    """Returns the pictures beside the annotations; those in `train` are augmented."""
    is_train = annotations.parent.name == "train"
    return coco_dataset(
        str(annotations),
        str(annotations.parent),
        batch_size=options.batch_size,
        shuffle=is_train,
        seed=options.seed,
        verbose=False,
        short_side=side,
        long_side=side,
        buckets=[(side, side)],
        horizontal_flip=is_train,
        drop_remainder=is_train,
        **contents,
    )


def small_recipe(name: str, heads: HeadSettings, num_regions: int) -> Recipe:
    """Returns a recipe with fewer and smaller anchors, proposals and regions."""
    recipe = RECIPES[name]
    return replace(
        recipe,
        anchors=replace(recipe.anchors, sizes=(8, 16, 32, 64, 128)),
        heads=heads,
        proposals=replace(
            recipe.proposals,
            pre_nms_training=200,
            pre_nms_inference=200,
            post_nms_training=100,
            post_nms_inference=100,
            num_samples=64,
            allows_straddling=True,
        ),
        regions=replace(recipe.regions, num_samples=num_regions, canonical_size=56),
        detections=replace(recipe.detections, max_detections=20, num_candidates=200),
    )


def fit(model: keras.Model, train: Any, options: argparse.Namespace) -> None:
    """Trains a detector for `options.steps` steps."""
    # A learning rate that falls leaves less noise in the last weights.
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 10,
        options.steps,
        warmup_target=options.learning_rate,
        warmup_steps=options.steps // 10,
    )
    # From scratch, in few steps, it learns faster than the recipes' SGD.
    optimizer = keras.optimizers.Adam(
        schedule, beta_2=0.99, epsilon=1e-5, global_clipnorm=10.0
    )
    model.compile(optimizer)
    per_epoch = options.pictures // options.batch_size
    epochs = max(options.steps // per_epoch, 1)
    model.fit(train, epochs=epochs, shuffle=False, verbose=1 if LIVE else 2)


def draw(
    model: keras.Model,
    folder: Path,
    side: int,
    draw_one: Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray],
) -> Path:
    """Draws what was found in six unseen pictures as one sheet."""
    sheet = []
    for number in range(6):
        path = folder / "test" / f"{number:04d}.png"
        found = keras_nonlocal.predict_picture(
            model, path, short_side=side, long_side=side
        )
        large = Image.open(path).resize(
            (_ENLARGED * side,) * 2, Image.Resampling.BICUBIC
        )
        found["boxes"] = found["boxes"] * _ENLARGED
        if "keypoints" in found:
            found["keypoints"] = found["keypoints"] * (_ENLARGED, _ENLARGED, 1)
        sheet.append(draw_one(np.asarray(large), found))
    rows = [np.concatenate(sheet[start : start + 3], axis=1) for start in (0, 3)]
    path = folder / "found.png"
    Image.fromarray(np.concatenate(rows)).save(path)
    return path
