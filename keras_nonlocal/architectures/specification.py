"""Expands a row of the tables into the specification of every layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from keras_nonlocal.architectures.tables import (
    DEPTHS,
    STAGES,
    VARIANTS,
    Placement,
    StemPoolPadding,
    Variant,
    VariantRow,
)
from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    integers,
    is_integer,
)
from keras_nonlocal.layer_names import block_name, nonlocal_name


@dataclass(frozen=True)
class StemSpec:
    """The stem: conv1 and pool1.

    Attributes:
        filters: Output channels of conv1.
        kernel_size: Kernel size of conv1, one entry per position axis.
        strides: Strides of conv1.
        pool_size: Window of pool1, whose spatial stride is 2.
        pool_strides: Strides of pool1.
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
    """A residual block and the non-local block after it, if any.

    Attributes:
        name: Name as in `keras.applications`, such as `"conv4_block3"`.
        filters: Channels of the first two convolutions; the block returns 4 times
            as many.
        kernel_sizes: Kernel sizes of the three convolutions, one entry per position
            axis each.
        strides: Strides of the three convolutions.
        shortcut_strides: Strides of the 1×1 convolution on the shortcut, or `None` for
            an identity shortcut.
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
    """The residual blocks of a stage, whose `name` is `"res2"` … `"res5"`."""

    name: str
    blocks: tuple[BottleneckSpec, ...]


@dataclass(frozen=True)
class NetworkSpec:
    """A network without its input and head.

    Attributes:
        depth: 50, 101 or 152.
        variant: A key of `VARIANTS`.
        rank: Number of position axes.
        stem: The stem: conv1 and pool1.
        stages: res2 … res5.
        temporal_pool_after: The stage followed by the 2×1×1 max pooling, or `None`.
    """

    depth: int
    variant: Variant
    rank: int
    stem: StemSpec
    stages: tuple[StageSpec, ...]
    temporal_pool_after: str | None


def network_spec(
    depth: int,
    variant: Variant,
    *,
    nonlocal_blocks: int | Placement = 5,
    width: int = 64,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: StemPoolPadding = "same",
    stride_in_1x1: bool = False,
    temporal_pool: bool = True,
) -> NetworkSpec:
    """Expands a row of the tables into the specification of every layer.

    Args:
        depth: A key of `DEPTHS`.
        variant: A key of `VARIANTS`.
        nonlocal_blocks: A key of the depth's `placements`, or a mapping from stage to
            the indices of the residual blocks that are followed by a non-local block.
        width: Number of channels of conv1, which is 64 in every published network.
        stem_temporal_strides: Temporal strides of conv1 and pool1: `(1, 1)` for the
            released 8-frame layout, `(2, 2)` for the paper's 32-frame layout. With a
            stride of 2, pool1 also has a temporal window of 2.
        stem_pool_padding: `"same"` pads pool1 by 1 (PySlowFast, `keras.applications`),
            `"valid"` does not pad it (the released Caffe2 networks).
        stride_in_1x1: Whether a downsampling bottleneck has its stride on the first 1×1
            convolution (`keras.applications.ResNet50`) instead of the 3×3 convolution
            (all others).
        temporal_pool: Whether the 2×1×1 max pooling follows res2. Image networks never
            have it.

    Returns:
        The frozen specification.

    Raises:
        ValueError: If an argument has a value that is not in the tables.
    """
    check_choice("depth", depth, tuple(DEPTHS))
    check_choice("variant", variant, tuple(VARIANTS))
    width = check_positive_integer("width", width)
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
        if not is_integer(nonlocal_blocks) or nonlocal_blocks not in row.placements:
            raise ValueError(
                f"`nonlocal_blocks` must be one of {tuple(row.placements)} or a "
                'mapping from stage to block indices such as {"res4": (1, 3, 5)}. '
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
        return row.placements[nonlocal_blocks]
    placement = {}
    for stage, given in nonlocal_blocks.items():
        if stage not in STAGES:
            raise ValueError(
                f"The keys of `nonlocal_blocks` must be among {STAGES}. "
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
        num_blocks = row.blocks[STAGES.index(stage)]
        indices = integers(given)
        if (
            indices is None
            or len(set(indices)) < len(indices)
            or not all(0 <= index < num_blocks for index in indices)
        ):
            raise ValueError(
                f"`nonlocal_blocks[{stage!r}]` must hold distinct indices from 0 to "
                f"{num_blocks - 1}, the blocks of {stage} at depth {depth}. "
                f"Received: nonlocal_blocks={nonlocal_blocks!r}"
            )
        placement[stage] = indices
    return placement


def _stem(
    kind: VariantRow,
    width: int,
    temporal_strides: tuple[int, int],
    pool_padding: StemPoolPadding,
) -> StemSpec:
    check_choice("stem_pool_padding", pool_padding, get_args(StemPoolPadding))
    strides = integers(temporal_strides)
    if (
        strides is None
        or len(strides) != 2
        or strides[0] not in (1, 2, 4)
        or strides[1] not in (1, 2)
    ):
        raise ValueError(
            "`stem_temporal_strides` must be two integers, the temporal strides of "
            "conv1 (1, 2 or 4) and of pool1 (1 or 2). "
            f"Received: stem_temporal_strides={temporal_strides!r}"
        )
    conv_stride, pool_stride = strides
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
    name = block_name(stage_number, index)
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
        nonlocal_name=nonlocal_name(name) if followed else None,
    )


def _extents(kind: VariantRow, temporal: int, spatial: int) -> tuple[int, ...]:
    """Returns `(temporal, spatial, spatial)`, or `(spatial, spatial)` for images."""
    return (temporal, spatial, spatial)[-kind.rank :]
