"""Tiny detectors, and pictures with objects for them."""

import contextlib
import random
from dataclasses import replace

import numpy as np

import keras_nonlocal
from keras_nonlocal.detection import RECIPES, KeypointRCNN, MaskRCNN
from keras_nonlocal.detection.settings import HeadSettings
from tests.shallow import shallow_row

SIDE = 64


def small_recipe(name="paper"):
    recipe = RECIPES[name]
    return replace(
        recipe,
        anchors=replace(recipe.anchors, sizes=(8, 16, 32, 64, 128)),
        heads=HeadSettings(16, 32, 16, 1, 8, 4),
        proposals=replace(
            recipe.proposals,
            pre_nms_training=60,
            pre_nms_inference=60,
            post_nms_training=40,
            post_nms_inference=40,
            num_samples=32,
        ),
        regions=replace(recipe.regions, num_samples=16, canonical_size=28),
        detections=replace(recipe.detections, max_detections=10, num_candidates=60),
    )


@contextlib.contextmanager
def initial_weights_of(seed):
    """In this context, Keras draws the same initial weights each time."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def small_backbone(nonlocal_blocks=1, side=SIDE):
    with shallow_row():
        return keras_nonlocal.NLResNet50(
            include_top=False,
            input_shape=(side, side, 3),
            nonlocal_blocks=nonlocal_blocks,
            nonlocal_options={"normalization": "frozen_batch"},
            width=4,
        )


def small_detector(seed=1, nonlocal_blocks=1, side=SIDE, **arguments):
    arguments = {"recipe": small_recipe()} | arguments
    with initial_weights_of(seed):
        backbone = small_backbone(nonlocal_blocks, side)
        return MaskRCNN(backbone, 3, seed=seed, **arguments)


def small_keypoint_detector(seed=1, nonlocal_blocks=1, **arguments):
    arguments = {
        "recipe": small_recipe("torchvision_keypoints"),
        "head_nonlocal_blocks": 2,
        "classes": 1,
        "num_keypoints": 3,
        "keypoint_names": ("head", "left hand", "right hand"),
        "flip_pairs": [(1, 2)],
        "oks_sigmas": (0.05, 0.1, 0.1),
        "skeleton": [(0, 1), (0, 2)],
    } | arguments
    with initial_weights_of(seed):
        backbone = small_backbone(nonlocal_blocks)
        return KeypointRCNN(backbone, seed=seed, **arguments)


def pictures(rng, counts, num_places=4, grid=14):
    """Pictures with as many random objects as `counts` says, padded."""
    batch = len(counts)
    boxes = np.zeros((batch, num_places, 4), "float32")
    labels = np.full((batch, num_places), -1, "int32")
    for picture, count in enumerate(counts):
        corner = rng.uniform(0, SIDE - 25, (count, 2))
        side = rng.uniform(8, 24, (count, 2))
        boxes[picture, :count] = np.concatenate([corner, corner + side], axis=1)
        labels[picture, :count] = rng.integers(0, 3, count)
    x = {
        "images": rng.integers(0, 256, (batch, SIDE, SIDE, 3)).astype("float32"),
        "image_sizes": np.tile([[SIDE, SIDE - 8]], (batch, 1)).astype("float32"),
    }
    masks = rng.integers(0, 2, (batch, num_places, grid, grid)).astype("float32")
    return x, {"boxes": boxes, "labels": labels, "masks": masks}


def posed_pictures(rng, counts, num_places=4, points=3):
    """Pictures with as many random objects of class 0 and their keypoints."""
    x, y = pictures(rng, counts, num_places)
    del y["masks"]
    boxes = y["boxes"][:, :, None]
    share = rng.uniform(-0.1, 1.1, (*y["labels"].shape, points, 2))
    places = boxes[..., :2] + share * (boxes[..., 2:] - boxes[..., :2])
    seen = rng.integers(0, 3, places[..., :1].shape)
    keypoints = np.concatenate([places, seen], axis=-1) * (seen > 0)
    y["keypoints"] = keypoints.astype("float32")
    y["labels"] = np.minimum(y["labels"], 0)
    return x, y
