"""The namings of the projects whose detectors can be loaded.

Each function returns the keys that may hold the weight of a place, the usual one first.
"""

import re

from keras_nonlocal.architectures import DEPTHS
from keras_nonlocal.weights.caffe2_names import caffe2_keys
from keras_nonlocal.weights.detector_layouts import DetectorLayout
from keras_nonlocal.weights.naming import Naming, placed
from keras_nonlocal.weights.places import WeightPlace
from keras_nonlocal.weights.slots import Slot
from keras_nonlocal.weights.torch_names import Keys, pytorch_role, torchvision_keys

_BACKBONE_UNITS = ("stem", "block", "nonlocal", "head")
_COUNTERS = r"(.*\.)?num_batches_tracked"
_HEAD = re.compile(r"(rpn|box|mask|keypoint)_")


def _detectron(place: WeightPlace) -> Keys:
    """Names of `detectron/modeling` (Caffe2)."""
    if place.unit in _BACKBONE_UNITS:
        return () if place.unit == "head" else caffe2_keys(place)
    role = {"kernel": "w", "bias": "b"}[place.role]
    if place.unit == "pyramid":
        return tuple(f"{blob}_{role}" for blob in _detectron_pyramid(place))
    number = place.block
    name = {
        ("rpn", "conv"): "conv_rpn_fpn2",
        ("rpn", "logits"): "rpn_cls_logits_fpn2",
        ("rpn", "deltas"): "rpn_bbox_pred_fpn2",
        ("box", "fc"): f"fc{5 + number}",
        ("box", "logits"): "cls_score",
        ("box", "deltas"): "bbox_pred",
        ("mask", "conv"): f"_[mask]_fcn{number}",
        ("mask", "deconv"): "conv5_mask",
        ("mask", "logits"): "mask_fcn_logits",
        ("keypoint", "conv"): f"conv_fcn{number}",
        ("keypoint", "deconv"): "kps_score_lowres",
    }[place.unit, str(place.part)]
    return (f"{name}_{role}",)


def _detectron_pyramid(place: WeightPlace) -> Keys:
    """Blobs that are called after the last block of their stage, which counts from 0.

    How many blocks there are depends on the network.
    """
    last = {row.blocks[place.stage - 2] - 1 for row in DEPTHS.values()}
    sums = [f"res{place.stage}_{index}_sum" for index in sorted(last)]
    if place.part != "lateral":
        return tuple(f"fpn_{name}" for name in sums)
    # The topmost convolution is no side branch.
    suffix = "" if place.stage == 5 else "_lateral"
    return tuple(f"fpn_inner_{name}{suffix}" for name in sums)


def _detectron2(place: WeightPlace) -> Keys:
    """Names of `detectron2/modeling`."""
    role = pytorch_role(place)
    if place.unit in _BACKBONE_UNITS:
        keys = _detectron2_backbone(place)
        return tuple(f"backbone.bottom_up.{key}" for key in keys)
    level, number = place.stage, place.block
    name = {
        ("pyramid", "lateral"): f"backbone.fpn_lateral{level}",
        ("pyramid", "conv"): f"backbone.fpn_output{level}",
        ("rpn", "conv"): "proposal_generator.rpn_head.conv",
        ("rpn", "logits"): "proposal_generator.rpn_head.objectness_logits",
        ("rpn", "deltas"): "proposal_generator.rpn_head.anchor_deltas",
        ("box", "fc"): f"roi_heads.box_head.fc{number}",
        ("box", "logits"): "roi_heads.box_predictor.cls_score",
        ("box", "deltas"): "roi_heads.box_predictor.bbox_pred",
        ("mask", "conv"): f"roi_heads.mask_head.mask_fcn{number}",
        ("mask", "deconv"): "roi_heads.mask_head.deconv",
        ("mask", "logits"): "roi_heads.mask_head.predictor",
        ("keypoint", "conv"): f"roi_heads.keypoint_head.conv_fcn{number}",
        ("keypoint", "deconv"): "roi_heads.keypoint_head.score_lowres",
    }[place.unit, str(place.part)]
    return (f"{name}.{role}",)


def _detectron2_backbone(place: WeightPlace) -> Keys:
    """Names of `detectron2/modeling/backbone/resnet.py`."""
    role = pytorch_role(place)
    if place.unit not in ("stem", "block") or role is None:
        return ()
    layer = "stem.conv1"
    if place.unit == "block":
        branch = f"conv{place.part}" if place.part else "shortcut"
        layer = f"res{place.stage}.{place.block}.{branch}"
    return (f"{layer}.norm.{role}" if place.is_norm else f"{layer}.{role}",)


def _torchvision(place: WeightPlace) -> Keys:
    """Names of `torchvision/models/detection`, and those it had until 2022."""
    role = pytorch_role(place)
    if place.unit in _BACKBONE_UNITS:
        if place.unit in ("head", "nonlocal"):
            return ()
        return tuple(f"backbone.body.{key}" for key in torchvision_keys(place))
    level, number = place.stage - 2, place.block
    names: Keys = {
        ("pyramid", "lateral"): (
            f"backbone.fpn.inner_blocks.{level}.0",
            f"backbone.fpn.inner_blocks.{level}",
        ),
        ("pyramid", "conv"): (
            f"backbone.fpn.layer_blocks.{level}.0",
            f"backbone.fpn.layer_blocks.{level}",
        ),
        ("rpn", "conv"): ("rpn.head.conv.0.0", "rpn.head.conv"),
        ("rpn", "logits"): ("rpn.head.cls_logits",),
        ("rpn", "deltas"): ("rpn.head.bbox_pred",),
        ("box", "fc"): (f"roi_heads.box_head.fc{5 + number}",),
        ("box", "logits"): ("roi_heads.box_predictor.cls_score",),
        ("box", "deltas"): ("roi_heads.box_predictor.bbox_pred",),
        ("mask", "conv"): (
            f"roi_heads.mask_head.{number - 1}.0",
            f"roi_heads.mask_head.mask_fcn{number}",
        ),
        ("mask", "deconv"): ("roi_heads.mask_predictor.conv5_mask",),
        ("mask", "logits"): ("roi_heads.mask_predictor.mask_fcn_logits",),
        # Every second module is a ReLU.
        ("keypoint", "conv"): (f"roi_heads.keypoint_head.{2 * number - 2}",),
        ("keypoint", "deconv"): ("roi_heads.keypoint_predictor.kps_score_lowres",),
    }[place.unit, str(place.part)]
    return tuple(f"{name}.{role}" for name in names)


def _mmdetection(place: WeightPlace) -> Keys:
    """Names of `mmdet/models` of its versions 2 and 3."""
    role = pytorch_role(place)
    if place.unit in _BACKBONE_UNITS:
        if place.unit in ("head", "nonlocal"):
            return ()
        return tuple(f"backbone.{key}" for key in torchvision_keys(place))
    if place.unit == "keypoint":
        return ()  # its detectors of keypoints are in another project
    level, number = place.stage - 2, place.block - 1
    name = {
        ("pyramid", "lateral"): f"neck.lateral_convs.{level}.conv",
        ("pyramid", "conv"): f"neck.fpn_convs.{level}.conv",
        ("rpn", "conv"): "rpn_head.rpn_conv",
        ("rpn", "logits"): "rpn_head.rpn_cls",
        ("rpn", "deltas"): "rpn_head.rpn_reg",
        ("box", "fc"): f"roi_head.bbox_head.shared_fcs.{number}",
        ("box", "logits"): "roi_head.bbox_head.fc_cls",
        ("box", "deltas"): "roi_head.bbox_head.fc_reg",
        ("mask", "conv"): f"roi_head.mask_head.convs.{number}.conv",
        ("mask", "deconv"): "roi_head.mask_head.upsample",
        ("mask", "logits"): "roi_head.mask_head.conv_logits",
    }[place.unit, str(place.part)]
    return (f"{name}.{role}",)


def _keras_detector(slot: Slot) -> Keys:
    """Paths in what `RegionModel.save_weights` writes."""
    head = _HEAD.match(slot.name)
    part = "pyramid" if head is None else f"{head[1]}_head"
    owner, _, _ = slot.name.rpartition("/")
    return (f"{part}/layers/{owner}/vars/{slot.index}",)


# Detectron also saves what was in the file that it started from: a classifier of
# ImageNet, and the bias that the first convolution had there. A convolution with fixed
# weights enlarges its heat maps.
DETECTRON = Naming(
    "detectron",
    (("conv1_w", "fpn_inner_res5_2_sum_w"),),
    placed(_detectron),
    re.compile(r".*_momentum|lr|model_iter|epoch|(fc1000|pred|kps_score)_[wb]|conv1_b"),
    None,
    detector=DetectorLayout(background="first"),
    has_affine_norms=True,
)
DETECTRON2 = Naming(
    "detectron2",
    (("backbone.bottom_up.stem.conv1.weight", "backbone.fpn_lateral2.weight"),),
    placed(_detectron2),
    re.compile(
        rf"{_COUNTERS}|pixel_(mean|std)"
        r"|proposal_generator\.anchor_generator\.cell_anchors\.\d+"
    ),
    None,
    detector=DetectorLayout(),
    has_affine_norms=True,
)
DETECTRON2_BACKBONE = Naming(
    "detectron2",
    (("stem.conv1.weight", "res2.0.conv1.weight"),),
    placed(_detectron2_backbone),
    re.compile(_COUNTERS),
    "stem.fc.",
    has_affine_norms=True,
)
TORCHVISION_DETECTION = Naming(
    "torchvision",
    (
        ("backbone.body.conv1.weight", "backbone.fpn.inner_blocks.0.0.weight"),
        ("backbone.body.conv1.weight", "backbone.fpn.inner_blocks.0.weight"),
    ),
    placed(_torchvision),
    re.compile(_COUNTERS),
    None,
    detector=DetectorLayout(
        background="first", has_coco_ids=True, released_without_epsilon=True
    ),
)
MMDETECTION = Naming(
    "mmdetection",
    (("backbone.conv1.weight", "neck.lateral_convs.0.conv.weight"),),
    placed(_mmdetection),
    re.compile(rf"{_COUNTERS}|data_preprocessor\.(mean|std)"),
    None,
    detector=DetectorLayout(),
)
KERAS_DETECTOR = Naming(
    "keras",
    (("pyramid/layers/conv1_conv/vars/0", "rpn_head/layers/rpn_conv/vars/0"),),
    _keras_detector,
    re.compile(r"(optimizer(_weights)?|_sampling|_loss_metrics|.*metrics.*)/.*"),
    None,
    channels_first=False,
    detector=DetectorLayout(flattens_channels_first=False),
)
DETECTOR_NAMINGS = (
    DETECTRON,
    DETECTRON2,
    DETECTRON2_BACKBONE,
    TORCHVISION_DETECTION,
    MMDETECTION,
    KERAS_DETECTOR,
)
