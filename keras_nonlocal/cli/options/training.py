"""The options of `train`: the fields of `TrainingSettings`."""

import argparse

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
from keras_nonlocal.runs import TrainingSettings, paper_recipe
from keras_nonlocal.runs.class_names import read_class_names


def add_training_options(command: argparse.ArgumentParser) -> None:
    """Adds the options, in groups."""
    _add_data_options(command)
    _add_network_options(command)
    _add_clip_options(command)
    _add_recipe_options(command)
    add_run_options(
        command,
        TrainingSettings,
        seeded="the weights, the order and the clips",
        tensorboard="curves and sample clips",
    )


def training_settings(options: argparse.Namespace) -> TrainingSettings:
    """Returns the settings of the parsed options.

    Raises:
        ValueError: If an option is invalid, or no videos are given.
    """
    settings = TrainingSettings()
    if options.settings is not None:
        settings = TrainingSettings.load(options.settings)
    if options.recipe == "paper":
        settings = paper_recipe(settings)
    given = given_fields(options)
    if given.get("videos", settings.data.videos) is None:
        raise ValueError("VIDEOS must be a directory or a list. Received: none")
    if "class_names" in given:
        given["class_names"] = read_class_names(given["class_names"])
    return settings.replace(**with_one_length(given))


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "videos",
        metavar="VIDEOS",
        nargs="?",
        default=argparse.SUPPRESS,
        help="a directory with a folder per class, a directory with such directories "
        "train and optionally val and test, or a list",
    )
    command.add_argument(
        "--settings",
        metavar="FILE",
        help="a run folder or its config.json; other options override its settings",
    )
    group = command.add_argument_group("data")
    add_field(
        group,
        "validation",
        "a directory or a list for validation after each epoch "
        "(default: the folder val in VIDEOS, if there is one)",
        metavar="VIDEOS",
    )
    add_field(
        group,
        "validation_split",
        "fraction of VIDEOS to use for validation instead",
        metavar="SHARE",
    )
    add_field(
        group,
        "test",
        "a directory or a list for the final test "
        "(default: the folder test in VIDEOS, if there is one)",
        metavar="VIDEOS",
    )
    add_field(group, "on_error", "how to handle a video that cannot be read")
    add_field(group, "max_errors", "maximum number of videos to skip", metavar="NUMBER")
    add_field(
        group,
        "list_format",
        "format of a list: path-label has a path and a class index per line, "
        "path-labels has several indices, kinetics and charades are the CSV files of "
        "these data sets",
    )
    add_field(
        group, "root", "folder to which the paths in a list are relative", metavar="DIR"
    )
    add_field(
        group,
        "class_names",
        "file with one name per line, in the order of the classes",
        metavar="FILE",
        nargs=None,
    )
    add_field(
        group,
        "label_mode",
        "int for one class per video, multi_hot for several, binary for two classes "
        "and one sigmoid unit (default: int or multi_hot, depending on the labels)",
    )


def _add_network_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("network")
    add_field(group, "depth", "number of layers", choices=(50, 101, 152))
    add_field(group, "variant", "")
    add_field(
        group,
        "weights",
        "imagenet, none, kinetics400, a checkpoint that `info` lists, or a file",
        type=text_or_none,
    )
    add_field(
        group, "nonlocal_blocks", "number of blocks: 0, 1, 5 or 10", metavar="NUMBER"
    )
    add_field(group, "nonlocal_mode", "pairwise function (default: embedded_gaussian)")
    add_field(group, "nonlocal_scope", "positions to attend to")
    add_field(
        group,
        "nonlocal_pool_size",
        "pooling before φ and g: one number, three (frames, height, width) or none",
        type=integer_or_none,
        nargs="+",
        action=PoolSize,
        metavar="SIZE",
    )
    add_field(
        group,
        "nonlocal_temporal_group_size",
        "number of consecutive frames that attend to each other",
        metavar="FRAMES",
    )
    add_field(group, "width", "channels of the first convolution", metavar="CHANNELS")
    add_field(
        group,
        "stem_temporal_strides",
        "temporal strides of conv1 and pool1, 2 2 in the paper's layout of 32 frames",
        metavar="STRIDE",
    )
    add_field(group, "normalization", "")
    add_field(group, "freeze", "stages to freeze")


def _add_clip_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("clips")
    add_field(group, "num_frames", "frames per clip", metavar="FRAMES")
    add_field(
        group, "frame_stride", "distance between two frames of a clip", metavar="FRAMES"
    )
    add_field(group, "crop_size", "side of the square crop", metavar="PIXELS")
    add_field(
        group,
        "short_side",
        "range of the scaled shorter side in pixels (default: 8/7 and 10/7 of the "
        "crop, 256 and 320)",
        metavar=("MIN", "MAX"),
    )
    add_field(
        group,
        "horizontal_flip",
        "mirror half of the clips; not if classes distinguish left from right "
        "(default: no; yes in the paper's recipe)",
    )
    add_field(
        group,
        "target_fps",
        "frames per second at which the stride counts (default: that of each file)",
        metavar="RATE",
    )
    add_field(group, "short_videos", "how to fill a clip that is longer than its video")


def _add_recipe_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("recipe")
    group.add_argument(
        "--recipe",
        choices=("default", "paper"),
        default="default",
        help="paper: 400,000 updates and mirrored clips, regardless of the number of "
        "videos; default: the paper's rates with a length that depends on the number "
        "of videos (default: %(default)s)",
    )
    add_field(group, "optimizer", "")
    add_field(
        group, "batch_size", "clips per batch, over all replicas", metavar="CLIPS"
    )
    add_field(
        group,
        "gradient_accumulation",
        "batches per update of the weights",
        metavar="BATCHES",
    )
    add_field(
        group,
        "learning_rate",
        "rate for 64 clips per update, scaled linearly with their number",
        metavar="RATE",
    )
    add_field(group, "schedule", "")
    add_field(
        group,
        "decay_at",
        "fractions of the run after which steps divides the rate by 10 (default: "
        "0.375 0.75, updates 150,000 and 300,000 of 400,000)",
        metavar="SHARE",
    )
    add_field(
        group,
        "warmup",
        "fraction of the run in which the rate rises from a tenth, for cosine "
        "(default: 34/196, as in PySlowFast)",
        metavar="SHARE",
    )
    chosen = "100 epochs, at least 300 and at most 400,000 updates"
    add_length_options(group, TrainingSettings, chosen)
    add_field(group, "momentum", "Nesterov momentum of SGD", metavar="SHARE")
    add_field(group, "weight_decay", "weight decay of kernels", metavar="RATE")
    add_field(
        group,
        "dropout_rate",
        "fraction of features to drop before the classifier",
        metavar="SHARE",
    )
    add_field(
        group,
        "precise_statistics",
        "batches for the final statistics of batch normalization",
        metavar="BATCHES",
    )
    add_field(
        group,
        "class_balance",
        "weights: weight the loss inversely to the videos of a class; sampling: repeat "
        "the videos of smaller classes (default: neither)",
    )
    add_field(
        group,
        "early_stopping",
        "end after so many validations without a lower loss, and keep the best weights "
        "(default: no early end)",
        metavar="NUMBER",
    )
    add_field(group, "num_clips", "clips per video in the test", metavar="NUMBER")
    add_field(group, "num_crops", "crops per clip in the test")
    add_field(group, "reduction", "how to combine the scores of views in the test")
