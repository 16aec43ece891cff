"""The table of released checkpoints, with one row for each.

Accuracies are published values and were not measured here. Most projects publish
neither sizes nor hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from keras_nonlocal.weights.normalization import (
    KINETICS_NORMALIZATION,
    TORCH_IMAGENET_NORMALIZATION,
    PixelNormalization,
)

_CAFFE2_ADDRESS = "https://dl.fbaipublicfiles.com/video-nonlocal/"
_PYSLOWFAST_ADDRESS = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400/"
_MMACTION2_ADDRESS = "https://download.openmmlab.com/mmaction/v1.0/recognition/c2d/"


class Architecture(TypedDict, total=False):
    """Arguments of `keras_nonlocal.NLResNet`."""

    depth: int
    variant: str
    classes: int
    width: int
    nonlocal_blocks: int
    nonlocal_mode: str
    nonlocal_temporal_group_size: Mapping[str, int]
    stem_temporal_strides: tuple[int, int]
    stem_pool_padding: str
    temporal_pool: bool


@dataclass(frozen=True)
class Preset:
    """A released checkpoint.

    Attributes:
        name: Value of `weights` in the builders.
        url: URL of the file.
        architecture: Arguments of `NLResNet` for its network.
        num_frames: Frames per clip.
        frame_stride: Distance between these frames in the video, in frames.
        normalization: The normalization of its pixels.
        top1: Published accuracy on the validation videos of Kinetics-400, in percent,
            with 10 clips and 3 crops per video.
        top5: Published top-5 accuracy on the same videos, in percent.
        license: License of the weights.
        size: Size of the file in bytes, or `None` if it was not published.
        sha256: The first hexadecimal digits of the file's SHA-256 (all 64, or the 8 in
            file names of mmaction2), or `None` if they were not published.
    """

    name: str
    url: str
    architecture: Architecture
    num_frames: int
    frame_stride: int
    normalization: PixelNormalization
    top1: float
    top5: float
    license: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class _Row:
    """A Caffe2 file, described by its name in the release."""

    file: str
    variant: str
    nonlocal_blocks: int
    num_frames: int
    frame_stride: int
    top1: float
    top5: float
    paper_layout: bool = False
    frozen_norms: bool = False


_CAFFE2_ROWS = (
    _Row("c2d_baseline_32x2_IN_pretrain_400k", "c2d", 0, 32, 2, 72.0, 90.0, True),
    _Row("c2d_nonlocal_32x2_IN_pretrain_400k", "c2d", 5, 32, 2, 73.9, 91.0, True),
    _Row("i3d_baseline_32x2_IN_pretrain_400k", "i3d", 0, 32, 2, 73.6, 90.8, True),
    _Row("i3d_nonlocal_32x2_IN_pretrain_400k", "i3d", 5, 32, 2, 74.9, 91.6, True),
    _Row(
        "i3d_baseline_128x1_I3D_pretrain_400k", "i3d", 0, 128, 1, 75.2, 92.0, True, True
    ),
    _Row(
        "i3d_nonlocal_128x1_I3D_pretrain_400k", "i3d", 5, 128, 1, 76.5, 92.7, True, True
    ),
    _Row("c2d_baseline_8x8_IN_pretrain_400k", "c2d", 0, 8, 8, 71.9, 90.0),
    _Row("c2d_nonlocal_8x8_IN_pretrain_400k", "c2d", 5, 8, 8, 74.4, 91.4),
    _Row("i3d_baseline_8x8_IN_pretrain_400k", "i3d", 0, 8, 8, 73.4, 90.9),
    _Row("i3d_nonlocal_8x8_IN_pretrain_400k", "i3d", 5, 8, 8, 74.7, 91.6),
    _Row(
        "i3d_baseline_32x4_I3D_pretrain_400k",
        "i3d",
        0,
        32,
        4,
        75.5,
        92.0,
        frozen_norms=True,
    ),
    _Row(
        "i3d_nonlocal_32x4_I3D_pretrain_400k",
        "i3d",
        5,
        32,
        4,
        76.5,
        92.6,
        frozen_norms=True,
    ),
    _Row("i3d_baseline_8x8_IN_pretrain_300k", "i3d", 0, 8, 8, 73.2, 90.8),
    _Row("i3d_baseline_8x8_IN_pretrain_600k_4gpu", "i3d", 0, 8, 8, 73.0, 90.4),
    _Row("i3d_baseline_8x8_IN_pretrain_300k_4gpu", "i3d", 0, 8, 8, 72.0, 90.1),
)


def _caffe2(row: _Row) -> Preset:
    architecture = Architecture(
        depth=50,
        variant=row.variant,
        classes=400,
        nonlocal_blocks=row.nonlocal_blocks,
        stem_temporal_strides=(2, 2) if row.paper_layout else (1, 1),
        stem_pool_padding="valid",
    )
    if row.frozen_norms and row.nonlocal_blocks:
        architecture["nonlocal_temporal_group_size"] = {"res3": 4}
    return Preset(
        f"caffe2_{row.file}".lower(),
        f"{_CAFFE2_ADDRESS}{row.file}.pkl",
        architecture,
        row.num_frames,
        row.frame_stride,
        KINETICS_NORMALIZATION,
        row.top1,
        row.top5,
        "CC-BY-NC 4.0 (no commercial use)",
    )


def _pyslowfast(
    file: str,
    variant: str,
    nonlocal_blocks: int,
    top1: float,
    top5: float,
    *,
    temporal_pool: bool = True,
) -> Preset:
    return Preset(
        f"pyslowfast_{file}".lower(),
        f"{_PYSLOWFAST_ADDRESS}{file}.pkl",
        Architecture(
            depth=50,
            variant=variant,
            classes=400,
            nonlocal_blocks=nonlocal_blocks,
            stem_pool_padding="same",
            temporal_pool=temporal_pool,
        ),
        8,
        8,
        KINETICS_NORMALIZATION,
        top1,
        top5,
        "Apache-2.0",
    )


def _mmaction2_c2d(
    folder: str,
    suffix: str,
    num_frames: int,
    frame_stride: int,
    top1: float,
    top5: float,
) -> Preset:
    return Preset(
        f"mmaction2_c2d_{num_frames}x{frame_stride}_r50",
        f"{_MMACTION2_ADDRESS}{folder}/{folder}_{suffix}.pth",
        Architecture(
            depth=50,
            variant="c2d",
            classes=400,
            nonlocal_blocks=0,
            stem_pool_padding="valid",
        ),
        num_frames,
        frame_stride,
        TORCH_IMAGENET_NORMALIZATION,
        top1,
        top5,
        "Apache-2.0",
        sha256=suffix.rpartition("-")[2],
    )


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        *(_caffe2(row) for row in _CAFFE2_ROWS),
        _pyslowfast("C2D_NOPOOL_8x8_R50", "c2d", 0, 67.2, 87.8, temporal_pool=False),
        _pyslowfast("I3D_8x8_R50", "i3d", 0, 73.5, 90.8),
        _pyslowfast("I3D_NLN_8x8_R50", "i3d", 5, 74.0, 91.1),
        _mmaction2_c2d(
            "c2d_r50-in1k-pre_8xb32-8x8x1-100e_kinetics400-rgb",
            "20221027-3ca304fa",
            8,
            8,
            73.89,
            91.21,
        ),
        _mmaction2_c2d(
            "c2d_r50-in1k-pre_8xb32-16x4x1-100e_kinetics400-rgb",
            "20221027-5f382a43",
            16,
            4,
            74.97,
            91.91,
        ),
    )
}
"""The released checkpoints, by the name that the argument `weights` of the builders
takes. `keras-nonlocal info` prints them."""

KINETICS400 = "kinetics400"


def find_preset(
    weights: str,
    *,
    depth: int,
    variant: str,
    nonlocal_blocks: int,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    temporal_pool: bool = True,
) -> Preset:
    """Finds the released checkpoint for the `weights` argument of a builder.

    Args:
        weights: `"kinetics400"`, or the name of a preset.
        depth: Depth of the network, as in `NLResNet`.
        variant: Variant of the network, as in `NLResNet`.
        nonlocal_blocks: Number of non-local blocks, as in `NLResNet`.
        stem_temporal_strides: As in `NLResNet`. Defaults to `(1, 1)`.
        temporal_pool: As in `NLResNet`. Defaults to `True`.

    Returns:
        The preset with that name. For `"kinetics400"`, the first preset in the table
        for such a network.

    Raises:
        ValueError: If no preset has that name, or the preset is for a different
            network.

    Example:

    >>> preset = keras_nonlocal.weights.find_preset(
    ...     "kinetics400", depth=50, variant="i3d", nonlocal_blocks=5)
    >>> preset.num_frames, preset.frame_stride, preset.top1
    (8, 8, 74.7)
    """
    if weights != KINETICS400 and weights not in PRESETS:
        raise ValueError(
            f"`weights` must be {KINETICS400!r} or one of {tuple(PRESETS)}. "
            f"Received: weights={weights!r}"
        )
    wanted = (
        depth,
        variant,
        nonlocal_blocks,
        tuple(stem_temporal_strides),
        temporal_pool,
    )
    named = PRESETS.values() if weights == KINETICS400 else (PRESETS[weights],)
    for preset in named:
        own = preset.architecture
        if wanted == (
            own["depth"],
            own["variant"],
            own["nonlocal_blocks"],
            own.get("stem_temporal_strides", (1, 1)),
            own.get("temporal_pool", True),
        ):
            return preset
    raise ValueError(
        f"`weights={weights!r}` was not released for this network. Received: "
        f"depth={depth}, variant={variant!r}, nonlocal_blocks={nonlocal_blocks}, "
        f"stem_temporal_strides={stem_temporal_strides}, temporal_pool={temporal_pool}"
    )
