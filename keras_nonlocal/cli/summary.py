"""`keras-nonlocal summary`: prints the size and cost of networks."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from keras_nonlocal.architectures import DEPTHS
from keras_nonlocal.cli.detector_summary import print_detectors
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.network import VIDEO_VARIANTS

_SUMMARY_ROWS = (
    (50, "c2d", 0),
    (50, "c2d", 5),
    (50, "i3d", 0),
    (50, "i3d", 5),
    (101, "c2d", 0),
    (101, "c2d", 5),
    (101, "i3d", 0),
    (101, "i3d", 5),
    (101, "i3d_3x3x3", 0),
)
_TABLE_2E = (
    ("I3D 3×3×3", (101, "i3d_3x3x3", 0)),
    ("I3D 3×1×1", (101, "i3d", 0)),
    ("NL C2D, 5 blocks", (101, "c2d", 5)),
)
_TABLE_2E_BASELINE = (101, "c2d", 0)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    summary: argparse.ArgumentParser = commands.add_parser(
        "summary",
        help="print parameters and multiply-adds of networks",
        description="Prints the parameters and multiply-adds of the published networks "
        "or, with --depth and --variant, of one network.",
        epilog="example: keras-nonlocal summary --depth 50 --variant i3d "
        "--num-frames 32 --stem-temporal-strides 2 2",
    )
    summary.add_argument("--depth", type=int, choices=tuple(DEPTHS))
    summary.add_argument("--variant", choices=VIDEO_VARIANTS)
    summary.add_argument("--nonlocal-blocks", type=int, default=5)
    summary.add_argument("--num-frames", type=int, default=8)
    summary.add_argument("--crop-size", type=int, default=224, help="pixels")
    summary.add_argument("--classes", type=int, default=400)
    summary.add_argument(
        "--stem-temporal-strides", type=int, nargs=2, default=(1, 1), metavar="STRIDE"
    )
    summary.add_argument(
        "--task",
        choices=("video", "detection"),
        default="video",
        help="detection: Mask R-CNN and Keypoint R-CNN with a ResNet-FPN, for one "
        "picture of 800 × 1280 pixels and COCO's classes (default: %(default)s)",
    )
    summary.add_argument("--json", action="store_true", help="print JSON")
    summary.set_defaults(renamed={"height": "crop_size"})
    return summary


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    if (options.depth is None) != (options.variant is None):
        raise ValueError(
            "`--depth` and `--variant` must be given together. "
            f"Received: depth={options.depth}, variant={options.variant}"
        )
    if options.task == "detection":
        return print_detectors(options)
    one = options.depth is not None
    rows: tuple[tuple[int, str, int], ...] = _SUMMARY_ROWS
    if one:
        rows = ((options.depth, options.variant, options.nonlocal_blocks),)
    counts = {
        row: _count(
            row,
            options.num_frames,
            options.crop_size,
            options.classes,
            tuple(options.stem_temporal_strides),
        )
        for row in rows
    }
    ratios = [] if one else _table_2e()
    if options.json:
        networks = [_as_dict(row, count) for row, count in counts.items()]
        print_json({"networks": networks, "table_2e": ratios})
        return 0
    size = f"{options.num_frames}×{options.crop_size}×{options.crop_size}"
    print(f"Clips {size}, {options.classes} classes\n")
    _print_counts(counts)
    if ratios:
        _print_ratios(ratios)
    return 0


def _print_counts(counts: Mapping[tuple[int, str, int], tuple[int, int]]) -> None:
    print("| network | non-local blocks | parameters | multiply-adds |")
    print("|---|---:|---:|---:|")
    for (depth, variant, blocks), (parameters, multiply_adds) in counts.items():
        print(
            f"| {variant} R{depth} | {blocks} | {parameters / 1e6:.3f} M "
            f"| {multiply_adds / 1e9:.3f} G |"
        )


def _print_ratios(ratios: Sequence[Mapping[str, Any]]) -> None:
    print("\nRelative to C2D R101, the paper's layout of 32 frames (its Table 2e)\n")
    print("| network | parameters | multiply-adds |")
    print("|---|---:|---:|")
    for row in ratios:
        print(
            f"| {row['network']} | {row['parameters']:.2f}× "
            f"| {row['multiply_adds']:.2f}× |"
        )


def _count(
    row: tuple[int, Any, int],
    num_frames: int,
    crop_size: int,
    classes: int,
    stem_temporal_strides: tuple[int, int],
) -> tuple[int, int]:
    from keras_nonlocal.models import NLResNet, count_complexity

    depth, variant, nonlocal_blocks = row
    model = NLResNet(
        depth,
        variant,
        input_shape=(num_frames, crop_size, crop_size, 3),
        classes=classes,
        nonlocal_blocks=nonlocal_blocks,
        stem_temporal_strides=stem_temporal_strides,
    )
    complexity = count_complexity(model)
    return complexity.parameters, complexity.multiply_adds


def _table_2e() -> list[dict[str, Any]]:
    def counts(row: tuple[int, str, int]) -> tuple[int, int]:
        return _count(row, 32, 224, 400, (2, 2))

    parameters, multiply_adds = counts(_TABLE_2E_BASELINE)
    ratios = []
    for title, row in _TABLE_2E:
        own_parameters, own_multiply_adds = counts(row)
        ratios.append(
            {
                "network": title,
                "parameters": own_parameters / parameters,
                "multiply_adds": own_multiply_adds / multiply_adds,
            }
        )
    return ratios


def _as_dict(row: tuple[int, str, int], counts: tuple[int, int]) -> dict[str, Any]:
    keys = ("depth", "variant", "nonlocal_blocks", "parameters", "multiply_adds")
    return dict(zip(keys, (*row, *counts), strict=True))
