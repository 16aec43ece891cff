"""The table of published recipes of detectors.

A recipe is a row of `RECIPES`; `dataclasses.replace` makes others of it.
"""

from dataclasses import replace

from keras_nonlocal.detection.anchors import Anchors
from keras_nonlocal.detection.settings import (
    DetectionSettings,
    KeypointSettings,
    Pixels,
    ProposalSettings,
    Recipe,
    RegionSettings,
)

# Detectron of 2018, with which the paper was made, in the coordinates of Detectron2:
# boxes are as wide as x2 - x1, and RoIAlign is aligned. Detectron2 reports that neither
# changes the average precision noticeably.
PAPER = Recipe(
    pixels=Pixels((102.9801, 115.9465, 122.7717), (1.0, 1.0, 1.0), "bgr"),
    proposals=ProposalSettings(allows_straddling=False),
)
DETECTRON2 = Recipe(
    pixels=Pixels((103.53, 116.28, 123.675), (1.0, 1.0, 1.0), "bgr"),
    proposals=ProposalSettings(box_beta=0.0),
    regions=RegionSettings(box_beta=0.0),
)
TORCHVISION = Recipe(
    pixels=Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    stride_in_1x1=False,
    anchors=Anchors(is_rounded=True),
    proposals=ProposalSettings(
        post_nms_training=2000, min_size=1e-3, normalizer="samples"
    ),
    regions=RegionSettings(box_beta=1 / 9, is_aligned=False, level_epsilon="outside"),
    detections=DetectionSettings(min_size=1e-2),
)
# Keypoints in COCO are of one class. All three projects draw the scale of a training
# picture from the same range.
_SHORT_SIDES = (640, 800)
PAPER_KEYPOINTS = replace(
    PAPER,
    proposals=replace(PAPER.proposals, post_nms_training=1500),
    keypoints=KeypointSettings(min_visible=21, short_sides=_SHORT_SIDES),
)
DETECTRON2_KEYPOINTS = replace(
    DETECTRON2,
    proposals=replace(DETECTRON2.proposals, post_nms_training=1500),
    regions=replace(DETECTRON2.regions, box_beta=0.5),
    keypoints=KeypointSettings(short_sides=_SHORT_SIDES),
)
TORCHVISION_KEYPOINTS = replace(
    TORCHVISION, keypoints=KeypointSettings(short_sides=_SHORT_SIDES)
)
RECIPES: dict[str, Recipe] = {
    "paper": PAPER,
    "detectron2": DETECTRON2,
    "torchvision": TORCHVISION,
    "paper_keypoints": PAPER_KEYPOINTS,
    "detectron2_keypoints": DETECTRON2_KEYPOINTS,
    "torchvision_keypoints": TORCHVISION_KEYPOINTS,
}
"""The recipes of the paper, Detectron2 and torchvision, by the name that the argument
`recipe` of the detectors takes."""


def resolve_recipe(recipe: str | Recipe) -> Recipe:
    """Returns the recipe of a name; a `Recipe` is returned as it is."""
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise ValueError(
            f"`recipe` must be a `Recipe` or one of {tuple(RECIPES)}. "
            f"Received: recipe={recipe!r}"
        )
    return RECIPES[recipe]
