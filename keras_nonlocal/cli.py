"""The console command: parses, calls, prints."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: What follows the command. Defaults to that of the process.

    Returns:
        The exit code: 0, or 2 where the arguments do not fit.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"keras-nonlocal: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-nonlocal", description="Non-local neural networks for video."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    summary = commands.add_parser(
        "summary",
        help="parameters and multiply-adds of the networks",
        description="Prints parameters and multiply-adds, of the published networks "
        "or, with --depth and --variant, of one.",
        epilog="example: keras-nonlocal summary --depth 50 --variant i3d "
        "--num-frames 32 --stem-temporal-strides 2 2",
    )
    summary.add_argument("--depth", type=int, choices=(50, 101, 152))
    summary.add_argument("--variant", choices=("c2d", "i3d", "i3d_3x3x3"))
    summary.add_argument("--nonlocal-blocks", type=int, default=5)
    summary.add_argument("--num-frames", type=int, default=8)
    summary.add_argument("--crop-size", type=int, default=224, help="pixels")
    summary.add_argument("--classes", type=int, default=400)
    summary.add_argument(
        "--stem-temporal-strides", type=int, nargs=2, default=(1, 1), metavar="STRIDE"
    )
    summary.add_argument("--json", action="store_true", help="print JSON")
    summary.set_defaults(run=_summary)
    return parser


def _summary(options: argparse.Namespace) -> None:
    if (options.depth is None) != (options.variant is None):
        raise ValueError(
            "`--depth` and `--variant` must be given together. "
            f"Received: depth={options.depth}, variant={options.variant}"
        )
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
        print(json.dumps({"networks": networks, "table_2e": ratios}, indent=2))
        return
    size = f"{options.num_frames}×{options.crop_size}×{options.crop_size}"
    print(f"Clips {size}, {options.classes} classes\n")
    print("| network | non-local blocks | parameters | multiply-adds |")
    print("|---|---:|---:|---:|")
    for (depth, variant, blocks), (parameters, multiply_adds) in counts.items():
        print(
            f"| {variant} R{depth} | {blocks} | {parameters / 1e6:.3f} M "
            f"| {multiply_adds / 1e9:.3f} G |"
        )
    if ratios:
        print(
            "\nRelative to C2D R101, the paper's layout of 32 frames (its Table 2e)\n"
        )
        print("| network | parameters | multiply-adds |")
        print("|---|---:|---:|")
        for row in ratios:
            print(
                f"| {row['network']} | {row['parameters']:.2f}× "
                f"| {row['multiply_adds']:.2f}× |"
            )


def _count(
    row: tuple[int, str, int],
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
