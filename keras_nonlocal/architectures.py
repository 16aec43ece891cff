"""The networks as data: one table, expanded into frozen specifications.

Nothing here builds a layer. Builders, weight converters and tests all iterate over
the `NetworkSpec` that `network_spec()` returns, so a new depth, variant or placement
is one line in a table below.

Block indices count from 0 inside their stage. A non-local block with index `i` stands
after residual block `i` of its stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Variant = Literal["c2d", "i3d", "i3d_3x3x3", "image"]
Placement = Mapping[str, tuple[int, ...]]

STAGES = ("res2", "res3", "res4", "res5")
EXPANSION = 4
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class DepthRow:
    """Residual blocks per stage, which of them I3D inflates, non-local placements.

    Attributes:
        blocks: Residual blocks in res2, res3, res4 and res5.
        inflated: Stage → indices of the blocks with a temporal kernel of 3 in I3D
            (`lib/models/resnet_video.py`, `obtain_arc`, of the released code).
        placements: Number of non-local blocks → stage → indices.
    """

    blocks: tuple[int, int, int, int]
    inflated: Placement
    placements: Mapping[int, Placement]


@dataclass(frozen=True)
class VariantRow:
    """What distinguishes C2D, the two I3D inflations and the image network.

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

VARIANTS: Mapping[str, VariantRow] = {
    "c2d": VariantRow(rank=3),
    "i3d": VariantRow(rank=3, stem_frames=5, first_frames=3),
    "i3d_3x3x3": VariantRow(rank=3, stem_frames=5, middle_frames=3),
    "image": VariantRow(rank=2),
}


@dataclass(frozen=True)
class StemSpec:
    """conv1 and pool1.

    Attributes:
        filters: Output channels of conv1.
        kernel_size: Of conv1, one entry per position axis.
        strides: Of conv1.
        pool_size: Of pool1; its spatial stride is 2.
        pool_strides: Of pool1.
        pool_padding: Zeros added on each side by pool1, per position axis.
    """

    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    pool_size: tuple[int, ...]
    pool_strides: tuple[int, ...]
    pool_padding: tuple[int, ...]


@dataclass(frozen=True)
class BottleneckSpec:
    """One residual block, with the non-local block after it, if any.

    Attributes:
        name: Name in the manner of `keras.applications`, as `"conv4_block3"`.
        filters: Channels of the first two convolutions; the block puts out 4 times
            as many.
        kernel_sizes: Of the three convolutions, one entry per position axis each.
        strides: Of the three convolutions.
        shortcut_strides: Of the 1×1 convolution on the shortcut, or `None` for the
            identity.
        nonlocal_name: Name of the non-local layer after the block, or `None`.
    """

    name: str
    filters: int
    kernel_sizes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    strides: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    shortcut_strides: tuple[int, ...] | None
    nonlocal_name: str | None


@dataclass(frozen=True)
class StageSpec:
    """The residual blocks of one stage, `name` being `"res2"` … `"res5"`."""

    name: str
    blocks: tuple[BottleneckSpec, ...]


@dataclass(frozen=True)
class NetworkSpec:
    """Everything about a network that does not depend on its input or its head.

    Attributes:
        depth: 50, 101 or 152.
        variant: A key of `VARIANTS`.
        rank: Number of position axes.
        stem: conv1 and pool1.
        stages: res2 … res5.
        temporal_pool_after: The stage followed by the 2×1×1 max pooling, or `None`.
    """

    depth: int
    variant: str
    rank: int
    stem: StemSpec
    stages: tuple[StageSpec, ...]
    temporal_pool_after: str | None


def network_spec(
    depth: int,
    variant: str,
    *,
    nonlocal_blocks: int | Placement = 5,
    width: int = 64,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: str = "same",
    stride_in_1x1: bool = False,
    temporal_pool: bool = True,
) -> NetworkSpec:
    """Expands a row of the tables into the specification of every layer.

    Args:
        depth: A key of `DEPTHS`.
        variant: A key of `VARIANTS`.
        nonlocal_blocks: A key of the depth's `placements`, or a mapping from stage to
            the indices of the residual blocks that a non-local block follows.
        width: Channels of conv1; 64 in every published network.
        stem_temporal_strides: Temporal strides of conv1 and pool1: `(1, 1)` for the
            released 8-frame layout, `(2, 2)` for the paper's 32-frame layout. A
            stride of 2 at pool1 comes with a temporal window of 2.
        stem_pool_padding: `"same"` pads pool1 by 1 (PySlowFast, `keras.applications`),
            `"valid"` does not pad it (the released Caffe2 networks).
        stride_in_1x1: Whether a down-sampling bottleneck has its stride on the first
            1×1 (`keras.applications.ResNet50`) instead of the 3×3 (the others).
        temporal_pool: Whether the 2×1×1 max pooling follows res2. Image networks have
            none in any case.

    Returns:
        The frozen specification.

    Raises:
        ValueError: If an argument has a value that no network of the tables has.
    """
    if depth not in DEPTHS:
        raise ValueError(
            f"`depth` must be one of {tuple(DEPTHS)}. Received: depth={depth!r}"
        )
    if variant not in VARIANTS:
        raise ValueError(
            f"`variant` must be one of {tuple(VARIANTS)}. Received: variant={variant!r}"
        )
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"`width` must be a positive integer. Received: width={width}")
    row, kind = DEPTHS[depth], VARIANTS[variant]
    placement = _placement(depth, nonlocal_blocks)
    stages = tuple(
        StageSpec(
            name=stage,
            blocks=tuple(
                _bottleneck(
                    kind,
                    stage_number=number,
                    index=index,
                    filters=width * 2 ** (number - 2),
                    inflated=index in row.inflated[stage],
                    followed=index in placement.get(stage, ()),
                    stride_in_1x1=stride_in_1x1,
                )
                for index in range(num_blocks)
            ),
        )
        for number, (stage, num_blocks) in enumerate(
            zip(STAGES, row.blocks, strict=True), start=2
        )
    )
    return NetworkSpec(
        depth=depth,
        variant=variant,
        rank=kind.rank,
        stem=_stem(kind, width, stem_temporal_strides, stem_pool_padding),
        stages=stages,
        temporal_pool_after="res2" if kind.rank == 3 and temporal_pool else None,
    )


def _placement(depth: int, nonlocal_blocks: int | Placement) -> Placement:
    row = DEPTHS[depth]
    if not isinstance(nonlocal_blocks, Mapping):
        if nonlocal_blocks not in row.placements:
            raise ValueError(
                f"`nonlocal_blocks` must be one of {tuple(row.placements)} or a "
                'mapping from stage to block indices such as {"res4": (1, 3, 5)}. '
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
        return row.placements[nonlocal_blocks]
    for stage, indices in nonlocal_blocks.items():
        if stage not in STAGES:
            raise ValueError(
                f"The keys of `nonlocal_blocks` must be among {STAGES}. "
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
        num_blocks = row.blocks[STAGES.index(stage)]
        if (
            not isinstance(indices, (tuple, list))
            or len(set(indices)) < len(indices)
            or not all(isinstance(i, int) and 0 <= i < num_blocks for i in indices)
        ):
            raise ValueError(
                f"`nonlocal_blocks[{stage!r}]` must hold distinct indices from 0 to "
                f"{num_blocks - 1}, the blocks of {stage} at depth {depth}. "
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
    return nonlocal_blocks


def _stem(
    kind: VariantRow, width: int, temporal_strides: tuple[int, int], pool_padding: str
) -> StemSpec:
    if pool_padding not in ("same", "valid"):
        raise ValueError(
            '`stem_pool_padding` must be "same" or "valid". '
            f"Received: stem_pool_padding={pool_padding!r}"
        )
    if (
        not isinstance(temporal_strides, (tuple, list))
        or len(temporal_strides) != 2
        or any(stride not in (1, 2) for stride in temporal_strides)
    ):
        raise ValueError(
            "`stem_temporal_strides` must be two integers, each 1 or 2: the temporal "
            "strides of conv1 and pool1. "
            f"Received: stem_temporal_strides={temporal_strides!r}"
        )
    conv_stride, pool_stride = temporal_strides
    spatial_padding = 1 if pool_padding == "same" else 0
    return StemSpec(
        filters=width,
        kernel_size=_extents(kind, kind.stem_frames, 7),
        strides=_extents(kind, conv_stride, 2),
        pool_size=_extents(kind, pool_stride, 3),
        pool_strides=_extents(kind, pool_stride, 2),
        pool_padding=_extents(kind, 0, spatial_padding),
    )


def _bottleneck(
    kind: VariantRow,
    *,
    stage_number: int,
    index: int,
    filters: int,
    inflated: bool,
    followed: bool,
    stride_in_1x1: bool,
) -> BottleneckSpec:
    name = f"conv{stage_number}_block{index + 1}"
    stride = _extents(kind, 1, 2 if stage_number > 2 and index == 0 else 1)
    unit = _extents(kind, 1, 1)
    return BottleneckSpec(
        name=name,
        filters=filters,
        kernel_sizes=(
            _extents(kind, kind.first_frames if inflated else 1, 1),
            _extents(kind, kind.middle_frames if inflated else 1, 3),
            unit,
        ),
        strides=(stride, unit, unit) if stride_in_1x1 else (unit, stride, unit),
        shortcut_strides=stride if index == 0 else None,
        nonlocal_name=f"{name}_nl" if followed else None,
    )


def _extents(kind: VariantRow, temporal: int, spatial: int) -> tuple[int, ...]:
    """`(temporal, spatial, spatial)`, or `(spatial, spatial)` for images."""
    return (temporal, spatial, spatial)[-kind.rank :]
