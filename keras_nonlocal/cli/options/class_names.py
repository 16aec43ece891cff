"""The option for the class names of a model."""

import argparse
from pathlib import Path
from typing import Any

from keras_nonlocal.runs.class_names import CLASS_NAMES_FILE, read_class_names


def add_class_names_option(command: Any, otherwise: str) -> None:
    """Adds `--class-names` to a command that takes a model.

    Args:
        command: A parser or a group of one.
        otherwise: The default without a file beside the model.
    """
    command.add_argument(
        "--class-names",
        metavar="FILE",
        default=None,
        help="file with one name per line, in the order of the classes (default: "
        f"{CLASS_NAMES_FILE} beside the model, which `train` writes; without it, "
        f"{otherwise})",
    )


def known_class_names(
    model: Any, options: argparse.Namespace
) -> tuple[str, ...] | None:
    """Returns the names in a file or in the model itself, if there are any.

    The file is given by `--class-names`, or lies beside a model without names.
    """
    from keras_nonlocal.models.clip_model import clip_model

    known = clip_model(model)
    return _known_names(known.class_names, known.num_classes, options)


def detector_class_names(model: Any, options: argparse.Namespace) -> tuple[str, ...]:
    """As `known_class_names`, for a detector, and numbers where there are no names."""
    return known_detector_names(model, options) or tuple(map(str, range(model.classes)))


def known_detector_names(
    model: Any, options: argparse.Namespace
) -> tuple[str, ...] | None:
    """As `known_class_names`, for a detector."""
    return _known_names(model.class_names, model.classes, options)


def _known_names(
    own: tuple[str, ...] | None, count: int, options: argparse.Namespace
) -> tuple[str, ...] | None:
    file = options.class_names
    if file is None:
        if own is not None:
            return own
        beside = Path(options.model).with_name(CLASS_NAMES_FILE)
        if not beside.is_file():
            return None
        file = str(beside)
    names = read_class_names(file)
    if len(names) != count:
        raise ValueError(
            f"`class_names` must have the {count} classes of the "
            f"model. Received: {len(names)} names in {file!r}"
        )
    return names


def class_names_of(model: Any, options: argparse.Namespace) -> tuple[str, ...] | None:
    """Returns the names for the scores of a model, if known, or those of Kinetics."""
    from keras_nonlocal.models.clip_model import clip_model
    from keras_nonlocal.models.predictions import kinetics400_names

    names = known_class_names(model, options) or kinetics400_names()
    return names if clip_model(model).num_classes == len(names) else None


def class_names_or_numbers(model: Any, options: argparse.Namespace) -> tuple[str, ...]:
    """Returns the result of `class_names_of`, or numbers if there are no names."""
    from keras_nonlocal.models.clip_model import clip_model

    names = class_names_of(model, options)
    return names or tuple(map(str, range(clip_model(model).num_classes)))
