"""Checks a detector and the arguments of its export before any file is written."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.detection import RegionModel


def detector_writer(
    model: RegionModel,
    class_names: Sequence[str] | None,
    short_side: int | None,
    long_side: int | None,
    warm_up: bool | None,
) -> Callable[[Path], Any]:
    """Returns what fills a folder; see `export_saved_model` for the arguments."""
    names = detector_class_names(model, class_names)
    sides = model.picture_sides
    short_side = sides[0] if short_side is None else short_side
    long_side = sides[1] if long_side is None else long_side
    check_positive_integer("short_side", short_side)
    check_positive_integer("long_side", long_side)
    height, width = model.pyramid.input_shape[1:3]
    # They import TensorFlow, which is there where a model can be exported.
    from keras_nonlocal.export.detector_signatures import write_detector
    from keras_nonlocal.export.encoded_images import ImageSizing

    return partial(
        write_detector,
        model=model,
        sizing=ImageSizing(short_side, long_side, (height, width)),
        class_names=names,
        warm_up=warm_up is None or warm_up,
    )


def detector_class_names(
    model: RegionModel, class_names: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Returns the given names of the classes, or else those of the model.

    Raises:
        ValueError: If there are more or fewer names than classes.
    """
    names = model.class_names if class_names is None else class_names
    if names is not None:
        names = () if isinstance(names, str) else tuple(map(str, names))
    if names is not None and len(names) != model.classes:
        raise ValueError(
            f"`class_names` must name the {model.classes} classes of the model. "
            f"Received: class_names with {len(names)} names"
        )
    return names
