"""The classes and keypoints that a detector and a dataset must have in common."""

import logging
from collections.abc import Sequence

import keras

from keras_nonlocal.data.coco.source import CocoSource

_LOGGER = logging.getLogger("keras_nonlocal")


def oks_sigmas(model: keras.Model, source: CocoSource) -> Sequence[float] | None:
    """Returns the deviations of the keypoints: of the dataset, or else of the model.

    Raises:
        ValueError: If the model finds other keypoints than those of the dataset, or
            nothing knows the deviations of what it finds.
    """
    own = source.plan.targets.keypoints
    if own is None:
        return None
    known = getattr(model, "keypoints", None)
    if known is None:
        return own.sigmas
    if known.count != len(own.names):
        raise ValueError(
            "`model` must find the keypoints of the dataset. Received: a model of "
            f"{known.count} keypoints, and a dataset with {list(own.names)}"
        )
    if known.names not in (None, own.names):
        _LOGGER.warning(
            "The model calls its keypoints %s, and the dataset calls them %s.",
            list(known.names),
            list(own.names),
        )
    return checked_sigmas(own.sigmas or known.oks_sigmas, source)


def checked_sigmas(
    sigmas: Sequence[float] | None, source: CocoSource
) -> Sequence[float]:
    """Returns the deviations of the keypoints if they are known.

    Raises:
        ValueError: If they are not.
    """
    if sigmas is None:
        keypoints = source.plan.targets.keypoints
        names = () if keypoints is None else keypoints.names
        raise ValueError(
            "`oks_sigmas` must be given to `coco_dataset` or to the model to evaluate "
            f"keypoints other than COCO's. Received: the keypoints {list(names)}"
        )
    return sigmas


def category_ids(model: keras.Model, source: CocoSource) -> Sequence[int]:
    """Returns the category id of each class of the model.

    Raises:
        ValueError: If the dataset has other classes.
    """
    own = getattr(model, "category_ids", None) or source.categories.ids
    classes = getattr(model, "classes", len(own))
    if len(own) != classes or not {*own} <= {*source.categories.ids}:
        raise ValueError(
            "`model` must have the classes of the dataset. Received: a model of "
            f"{classes} classes with the category ids {[*own]}, and a dataset with "
            f"{[*source.categories.ids]}"
        )
    names = dict(zip(source.categories.ids, source.categories.names, strict=True))
    for category, name in zip(
        own, getattr(model, "class_names", None) or (), strict=False
    ):
        if name != names[category]:
            _LOGGER.warning(
                "The model calls the category %r %r, and the dataset calls it %r.",
                category,
                name,
                names[category],
            )
            break
    return own
