"""The tables of depths, variants and placements of non-local blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

VideoVariant = Literal["c2d", "i3d", "i3d_3x3x3"]
Variant = VideoVariant | Literal["image"]
StemPoolPadding = Literal["same", "valid"]
# Stage → indices of residual blocks.
Placement = Mapping[str, tuple[int, ...]]

STAGES = ("res2", "res3", "res4", "res5")
EXPANSION = 4
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class DepthRow:
    """Residual blocks per stage, those that I3D inflates, and placements.

    Attributes:
        blocks: Residual blocks in res2, res3, res4 and res5.
        inflated: Stage → indices of the blocks with a temporal kernel of 3 in I3D
            (`lib/models/resnet_video.py`, `obtain_arc`, of the released code).
        placements: Number of non-local blocks → stage → indices of the residual blocks
            that precede them.
    """

    blocks: tuple[int, int, int, int]
    inflated: Placement
    placements: Mapping[int, Placement]


@dataclass(frozen=True)
class VariantRow:
    """Differences between C2D, the two I3D inflations and the image network.

    Attributes:
        rank: Number of position axes, 3 (frames, height, width) or 2.
        stem_frames: Temporal extent of conv1.
        first_frames: Temporal extent of the first 1×1 of an inflated bottleneck.
        middle_frames: Temporal extent of the 3×3 of an inflated bottleneck.
    """

    rank: int
    stem_frames: int = 1
    first_frames: int = 1
    middle_frames: int = 1


# Placements of 1, 5 and 10 blocks: the paper's section 5.1 ("before the last residual
# block", "every other", "every residual block in res3 and res4"). For R101 the 5
# are those of the released code; the paper puts 10 after "the corresponding residual
# blocks" without naming them: here the 3 released places of res4 and the 3 halfway
# between. Nobody published placements for R152: here they are spread evenly.
DEPTHS: Mapping[int, DepthRow] = {
    50: DepthRow(
        blocks=(3, 4, 6, 3),
        inflated={
            "res2": (0, 1, 2),
            "res3": (0, 2),
            "res4": (0, 2, 4),
            "res5": (1,),
        },
        placements={
            0: {},
            1: {"res4": (4,)},
            5: {"res3": (1, 3), "res4": (1, 3, 5)},
            10: {"res3": (0, 1, 2, 3), "res4": (0, 1, 2, 3, 4, 5)},
        },
    ),
    101: DepthRow(
        blocks=(3, 4, 23, 3),
        inflated={
            "res2": (0, 1, 2),
            "res3": (0, 2),
            "res4": (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22),
            "res5": (1,),
        },
        placements={
            0: {},
            1: {"res4": (21,)},
            5: {"res3": (1, 3), "res4": (6, 13, 20)},
            10: {"res3": (0, 1, 2, 3), "res4": (3, 6, 10, 13, 17, 20)},
        },
    ),
    152: DepthRow(
        blocks=(3, 8, 36, 3),
        inflated={
            "res2": (0, 1, 2),
            "res3": (0, 2, 4, 6),
            "res4": tuple(range(0, 36, 2)),
            "res5": (1,),
        },
        placements={
            0: {},
            1: {"res4": (34,)},
            5: {"res3": (3, 7), "res4": (11, 23, 35)},
            10: {"res3": (1, 3, 5, 7), "res4": (5, 11, 17, 23, 29, 35)},
        },
    ),
}

VARIANTS: Mapping[Variant, VariantRow] = {
    "c2d": VariantRow(rank=3),
    "i3d": VariantRow(rank=3, stem_frames=5, first_frames=3),
    "i3d_3x3x3": VariantRow(rank=3, stem_frames=5, middle_frames=3),
    "image": VariantRow(rank=2),
}
