"""Detection with non-local blocks: the networks of the paper's COCO experiments.

The two stages of Mask R-CNN are functions on tensors of fixed shapes. `boxes`,
`anchors`, `matching`, `sampling`, `suppression`, `proposals` and `roi_align` are the
parts. `first_stage`, `second_stage` and `detections` combine them; `poses` does for
keypoints what `second_stage` and `detections` do for boxes. `region_model` is the Keras
model that trains and detects. Every number is a field of a recipe in `settings`, and
`recipes` has the published ones.
"""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.detection.anchors import Anchors as Anchors
    from keras_nonlocal.detection.complexity import count_detector as count_detector
    from keras_nonlocal.detection.keypoint_rcnn import KeypointRCNN as KeypointRCNN
    from keras_nonlocal.detection.keypoint_set import KeypointSet as KeypointSet
    from keras_nonlocal.detection.named import MaskRCNN as MaskRCNN
    from keras_nonlocal.detection.named import NLMaskRCNN50 as NLMaskRCNN50
    from keras_nonlocal.detection.named import NLMaskRCNN101 as NLMaskRCNN101
    from keras_nonlocal.detection.named_keypoints import (
        NLKeypointRCNN50 as NLKeypointRCNN50,
    )
    from keras_nonlocal.detection.named_keypoints import (
        NLKeypointRCNN101 as NLKeypointRCNN101,
    )
    from keras_nonlocal.detection.pasting import paste_masks as paste_masks
    from keras_nonlocal.detection.pyramid import feature_pyramid as feature_pyramid
    from keras_nonlocal.detection.recipes import RECIPES as RECIPES
    from keras_nonlocal.detection.region_model import RegionModel as RegionModel
    from keras_nonlocal.detection.settings import DetectionSettings as DetectionSettings
    from keras_nonlocal.detection.settings import HeadSettings as HeadSettings
    from keras_nonlocal.detection.settings import KeypointSettings as KeypointSettings
    from keras_nonlocal.detection.settings import Pixels as Pixels
    from keras_nonlocal.detection.settings import ProposalSettings as ProposalSettings
    from keras_nonlocal.detection.settings import Recipe as Recipe
    from keras_nonlocal.detection.settings import RegionSettings as RegionSettings
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
