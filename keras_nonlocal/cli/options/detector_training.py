"""The options of `train-coco`: the fields of `DetectorSettings`."""

import argparse
from functools import partial

from keras_nonlocal.cli.options.converters import (
    PoolSize,
    integer_or_none,
    text_or_none,
)
from keras_nonlocal.cli.options.fields import add_field, given_fields
from keras_nonlocal.cli.options.run import (
    add_length_options,
    add_run_options,
    with_one_length,
)
from keras_nonlocal.runs.detectors.settings import DetectorSettings

_add = partial(add_field, settings=DetectorSettings)


def add_detector_options(command: argparse.ArgumentParser) -> None:
    """Adds the options, in groups."""
    _add_data_options(command)
    _add_network_options(command)
    _add_picture_options(command)
    _add_recipe_options(command)
    add_run_options(
        command,
        DetectorSettings,
        seeded="the weights, the order and the samples",
        tensorboard="curves",
    )


def detector_settings(options: argparse.Namespace) -> DetectorSettings:
    """Returns the settings of the parsed options.

    Raises:
        ValueError: If an option is invalid, or no annotations are given.
    """
    settings = DetectorSettings()
    if options.settings is not None:
        settings = DetectorSettings.load(options.settings)
    given = given_fields(options, DetectorSettings)
    if given.get("annotations", settings.data.annotations) is None:
        raise ValueError(
            "ANNOTATIONS must be a JSON file in COCO's format. Received: none"
        )
    return settings.replace(**with_one_length(given))


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "annotations",
        metavar="ANNOTATIONS",
        nargs="?",
        default=argparse.SUPPRESS,
        help="JSON file in COCO's format",
    )
    command.add_argument(
        "--settings",
        metavar="FILE",
        help="a run folder or its config.json; other options override its settings",
    )
    group = command.add_argument_group("data")
    folder = "folder of its pictures (default: that of the file)"
    _add(
        group,
        "images",
        "folder of the pictures (default: that of ANNOTATIONS)",
        metavar="DIR",
    )
    _add(
        group,
        "validation",
        "JSON file whose losses are computed after each epoch",
        metavar="FILE",
    )
    _add(group, "validation_images", folder, metavar="DIR")
    _add(group, "test", "JSON file for COCO's figures at the end", metavar="FILE")
    _add(group, "test_images", folder, metavar="DIR")
    _add(group, "keep_empty", "train on pictures without objects")
    _add(group, "keypoints", "find the keypoints in the annotations instead of masks")
    _add(
        group,
        "oks_sigmas",
        "standard deviation of each keypoint for COCO's figures (default: COCO's for "
        "17 keypoints)",
        metavar="SIGMA",
    )
    _add(group, "on_error", "how to handle a picture that cannot be read")
    _add(group, "max_errors", "maximum number of pictures to skip", metavar="NUMBER")


def _add_network_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("network")
    _add(group, "depth", "number of layers")
    _add(
        group,
        "weights",
        "imagenet, none, or a file: a detector or a backbone",
        type=text_or_none,
    )
    _add(group, "width", "channels of the first convolution", metavar="CHANNELS")
    _add(group, "nonlocal_blocks", "number of blocks in the backbone", metavar="NUMBER")
    _add(group, "nonlocal_mode", "pairwise function")
    _add(
        group,
        "nonlocal_pool_size",
        "pooling before φ and g: one number, two (height, width) or none",
        type=integer_or_none,
        nargs="+",
        action=PoolSize,
        metavar="SIZE",
    )
    _add(
        group,
        "head_nonlocal_blocks",
        "number of blocks in the keypoint head",
        metavar="NUMBER",
    )
    _add(group, "head_nonlocal_mode", "pairwise function in the keypoint head")
    _add(
        group,
        "head_nonlocal_pool_size",
        "pooling in the keypoint head, as for the backbone",
        type=integer_or_none,
        nargs="+",
        action=PoolSize,
        metavar="SIZE",
    )
    _add(
        group,
        "freeze",
        "stages to freeze (default: stem and res2 with weights, none without)",
    )
    _add(
        group,
        "detector_recipe",
        "anchors, samples, losses and thresholds (default: those of the weights)",
    )


def _add_picture_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("pictures")
    _add(
        group,
        "short_side",
        "range of the shorter side in pixels; tests use the maximum",
        metavar=("MIN", "MAX"),
    )
    _add(group, "long_side", "greatest length of the longer side", metavar="PIXELS")
    _add(
        group,
        "horizontal_flip",
        "mirror half of the pictures; not if classes distinguish left from right",
    )
    _add(
        group, "max_boxes", "greatest number of objects in a picture", metavar="NUMBER"
    )
    _add(group, "mask_size", "cells of a mask along each axis", metavar="CELLS")


def _add_recipe_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("recipe")
    _add(
        group,
        "learning_rate",
        "rate for 16 pictures per update, scaled linearly with their number",
        metavar="RATE",
    )
    _add(group, "schedule", "")
    _add(
        group, "batch_size", "pictures per batch, over all replicas", metavar="PICTURES"
    )
    _add(
        group,
        "gradient_accumulation",
        "batches per update of the weights",
        metavar="BATCHES",
    )
    chosen = "the epochs of the schedule on COCO, at least 1,000 updates"
    add_length_options(group, DetectorSettings, chosen)
    _add(group, "momentum", "momentum of SGD", metavar="SHARE")
    _add(group, "nesterov", "use Nesterov's momentum")
    _add(group, "weight_decay", "weight decay of kernels", metavar="RATE")
    _add(
        group,
        "clip_norm",
        "greatest norm of all gradients together (default: no limit)",
        metavar="NORM",
    )
