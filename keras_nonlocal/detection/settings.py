"""The values of a detector, as frozen settings.

Every number that decides what a detector computes or learns is a field here.
`keras_nonlocal.detection.RECIPES` has the published values.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from keras_nonlocal.detection.anchors import Anchors
from keras_nonlocal.detection.setting_checks import (
    check_bool,
    check_fields,
    check_foreground,
)

Normalizer = Literal["pictures", "samples"]


@dataclass(frozen=True)
class Pixels:
    """The normalization of RGB pixels from 0 to 255: `(pixel - mean) / std`.

    Args:
        mean: Of each channel, in `channel_order`.
        std: Of each channel, in `channel_order`.
        channel_order: `"rgb"` or `"bgr"`, the order in which the network has them.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ProposalSettings:
    """The region proposal network: its training and what it proposes.

    Args:
        pre_nms_training: Candidates per level before suppression, in training.
        pre_nms_inference: The same in inference.
        post_nms_training: Proposals per picture, in training.
        post_nms_inference: The same in inference.
        nms_threshold: Overlap above which a proposal of lower score is dropped.
        min_size: Pixels; smaller proposals are dropped.
        foreground_iou: Overlap from which an anchor is foreground.
        background_iou: Overlap below which an anchor is background.
        num_samples: Anchors per picture that the loss sees.
        foreground_share: Largest share of foreground among them.
        allows_straddling: Whether anchors that cross the border of the picture are
            trained.
        box_weights: Factors of the offsets.
        box_beta: Where the smooth L1 loss turns from a square into a line; 0 is L1.
        normalizer: What the losses are divided by: `"pictures"` times `num_samples`, or
            the `"samples"` there are.
    """

    pre_nms_training: int = 2000
    pre_nms_inference: int = 1000
    post_nms_training: int = 1000
    post_nms_inference: int = 1000
    nms_threshold: float = 0.7
    min_size: float = 0.0
    foreground_iou: float = 0.7
    background_iou: float = 0.3
    num_samples: int = 256
    foreground_share: float = 0.5
    allows_straddling: bool = True
    box_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    box_beta: float = 1 / 9
    normalizer: Normalizer = "pictures"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.background_iou > self.foreground_iou:
            raise ValueError(
                "`background_iou` must not be greater than `foreground_iou`. "
                f"Received: background_iou={self.background_iou}, "
                f"foreground_iou={self.foreground_iou}"
            )
        check_foreground(self.num_samples, self.foreground_share)


@dataclass(frozen=True)
class RegionSettings:
    """The second stage: its samples, where regions are taken from, its box loss.

    Args:
        num_samples: Regions per picture that the losses see.
        foreground_share: Largest share of foreground among them.
        foreground_iou: Overlap from which a region is foreground; the others are
            background.
        box_weights: Factors of the offsets.
        box_beta: As in `ProposalSettings`.
        sampling_ratio: Points per cell and axis of RoIAlign.
        is_aligned: As in `RoIAlign`.
        canonical_size: As in `levels_of`.
        level_epsilon: As in `levels_of`.
        box_pool_size: Side of the features of the box head.
        mask_pool_size: Side of the features of the mask and keypoint heads.
    """

    num_samples: int = 512
    foreground_share: float = 0.25
    foreground_iou: float = 0.5
    box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    box_beta: float = 1.0
    sampling_ratio: int = 2
    is_aligned: bool = True
    canonical_size: float = 224
    level_epsilon: Literal["inside", "outside"] = "inside"
    box_pool_size: int = 7
    mask_pool_size: int = 14

    def __post_init__(self) -> None:
        check_fields(self)
        check_foreground(self.num_samples, self.foreground_share)


@dataclass(frozen=True)
class KeypointSettings:
    """The keypoints in training.

    Args:
        min_visible: Visible keypoints in the regions of a batch below which it has no
            loss of the keypoints.
        short_sides: Minimum and maximum length in pixels of the shorter side of a
            training picture, for `short_side` of `keras_nonlocal.data.coco_dataset`.
    """

    min_visible: int = 1
    short_sides: tuple[int, int] = (800, 800)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.short_sides[0] > self.short_sides[1]:
            raise ValueError(
                "`short_sides` must be a minimum and a maximum. "
                f"Received: short_sides={self.short_sides}"
            )


@dataclass(frozen=True)
class DetectionSettings:
    """From scores to detections.

    Args:
        score_threshold: Detections have a higher score.
        nms_threshold: Overlap above which the lower score of a class is dropped.
        max_detections: Detections per picture.
        min_size: Pixels; smaller detections are dropped.
        num_candidates: Best pairs of region and class per picture before suppression.
    """

    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    max_detections: int = 100
    min_size: float = 0.0
    num_candidates: int = 2000

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class HeadSettings:
    """The sizes of what follows the backbone.

    Args:
        pyramid_channels: Channels of the feature pyramid.
        box_units: Units of the two dense layers of the box head.
        mask_channels: Channels of the mask head.
        mask_convolutions: Convolutions of the mask head.
        keypoint_channels: Channels of the keypoint head.
        keypoint_convolutions: Convolutions of the keypoint head.
    """

    pyramid_channels: int = 256
    box_units: int = 1024
    mask_channels: int = 256
    mask_convolutions: int = 4
    keypoint_channels: int = 512
    keypoint_convolutions: int = 8

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Recipe:
    """All values of a detector beside its backbone and its classes.

    Args:
        pixels: What the backbone's pixels mean.
        stride_in_1x1: Whether a down-sampling bottleneck strides in its first 1×1
            convolution.
        anchors: The anchors.
        proposals: The first stage.
        regions: The second stage.
        detections: What is kept of its scores.
        heads: Sizes of the heads.
        keypoints: The keypoints in training.
    """

    pixels: Pixels
    stride_in_1x1: bool = True
    anchors: Anchors = field(default_factory=Anchors)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    regions: RegionSettings = field(default_factory=RegionSettings)
    detections: DetectionSettings = field(default_factory=DetectionSettings)
    heads: HeadSettings = field(default_factory=HeadSettings)
    keypoints: KeypointSettings = field(default_factory=KeypointSettings)

    def __post_init__(self) -> None:
        check_bool("stride_in_1x1", self.stride_in_1x1)
        for name, kind in _GROUPS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(
                    f"`{name}` must be of type `{kind.__name__}`. "
                    f"Received: {name}={value!r}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as plain dictionaries, lists and numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the recipe of which `to_dict` gave the values."""
        _check_known(cls, values)
        return cls(
            **{
                name: _made(_GROUPS[name], value) if name in _GROUPS else value
                for name, value in values.items()
            }
        )


_GROUPS: dict[str, Any] = {
    "pixels": Pixels,
    "anchors": Anchors,
    "proposals": ProposalSettings,
    "regions": RegionSettings,
    "detections": DetectionSettings,
    "heads": HeadSettings,
    "keypoints": KeypointSettings,
}


def _made(kind: Any, values: dict[str, Any]) -> Any:
    """A settings object of plain values."""
    _check_known(kind, values)
    return kind(**values)


def _check_known(kind: Any, values: dict[str, Any]) -> None:
    known = {item.name for item in fields(kind)}
    if unknown := sorted({*values} - known):
        raise ValueError(
            f"`{kind.__name__}` has no fields {unknown}. Received: {sorted(values)}"
        )
