"""The arrays of other projects' detectors, in the order of this package.

Names are not all that differs. The first dense layer of the box head reads its region
channel by channel, the background is the first class or the last, and COCO's class
numbers have gaps.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from keras_nonlocal.weights.checkpoint import Checkpoint
from keras_nonlocal.weights.coco_categories import COCO_CATEGORY_IDS
from keras_nonlocal.weights.detector_places import numbers_per_class
from keras_nonlocal.weights.slots import Slot

Convert = Callable[[Slot, np.ndarray], np.ndarray]

# torchvision's numbers for COCO's classes are COCO's own, from 1 to 90.
_NUM_COCO_IDS = 90
# torchvision gives these files an epsilon of 0 after loading them. The name of each
# ends with the first digits of its SHA-256.
_WITHOUT_EPSILON = re.compile(
    r"(faster|mask|keypoint)rcnn_resnet50_fpn_coco-"
    r"(258fb6c6|bf2d0c1e|fc266e95|9f466800)\.pth"
)


@dataclass(frozen=True)
class DetectorLayout:
    """How the arrays of a project differ from those of this package.

    Attributes:
        background: Where the class of the background is. `"first"` also has, at that
            place, offsets and a mask that nothing uses.
        has_coco_ids: Whether detectors of COCO have a row for each of its numbers from
            1 to 90, of which 80 are classes.
        released_without_epsilon: Whether the released files divide by the standard
            deviation alone.
        flattens_channels_first: Whether the box head reads a region channel by channel.
    """

    background: Literal["first", "last"] = "last"
    has_coco_ids: bool = False
    released_without_epsilon: bool = False
    flattens_channels_first: bool = True

    def converter(self, slots: Sequence[Slot], checkpoint: Checkpoint) -> Convert:
        """Returns the function that converts the arrays of a file for a model.

        Args:
            slots: The weights of the model.
            checkpoint: The file.
        """
        channels = next((slot.shape[-1] for slot in slots if _is_pyramid(slot)), None)
        ignores_epsilon = (
            self.released_without_epsilon
            and _WITHOUT_EPSILON.fullmatch(Path(checkpoint.path).name) is not None
        )

        def convert(slot: Slot, array: np.ndarray) -> np.ndarray:
            place = slot.place
            if place is None:
                return array
            if place.role == "moving_variance" and ignores_epsilon:
                return array.astype(np.float64) - slot.layer.epsilon
            is_first_dense = (place.unit, place.block) == ("box", 1)
            if is_first_dense and place.role == "kernel":
                if channels is None or not self.flattens_channels_first:
                    return array
                return _channels_last(array, channels)
            numbers = numbers_per_class(place)
            if numbers is None:
                return array
            return self._own_classes(slot, array, numbers, place.unit)

        return convert

    def _own_classes(
        self, slot: Slot, array: np.ndarray, numbers: int, unit: str
    ) -> np.ndarray:
        """The classes that the model has, in its order, on the last axis."""
        if array.shape[-1] % numbers:
            return array
        rows = array.reshape(*array.shape[:-1], -1, numbers)
        scores_background = unit == "box" and numbers == 1
        classes = rows
        background = rows[..., :0, :]
        if self.background == "first":
            background, classes = rows[..., :1, :], rows[..., 1:, :]
        elif scores_background:
            background, classes = rows[..., -1:, :], rows[..., :-1, :]
        wanted = slot.shape[-1] // numbers - scores_background
        if (
            self.has_coco_ids
            and classes.shape[-2] == _NUM_COCO_IDS
            and wanted == len(COCO_CATEGORY_IDS)
        ):
            classes = classes[..., np.array(COCO_CATEGORY_IDS) - 1, :]
        if scores_background:
            classes = np.concatenate([classes, background], axis=-2)
        return classes.reshape(*array.shape[:-1], -1)


def _is_pyramid(slot: Slot) -> bool:
    place = slot.place
    return place is not None and (place.unit, place.role) == ("pyramid", "kernel")


def _channels_last(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Reorders the rows of a dense kernel from `(c, y, x)` to `(y, x, c)`."""
    rows, units = kernel.shape
    side = round((rows / channels) ** 0.5)
    if rows != channels * side * side:
        return kernel
    kernel = kernel.reshape(channels, side, side, units)
    return kernel.transpose(1, 2, 0, 3).reshape(rows, units)
