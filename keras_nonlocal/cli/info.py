"""`keras-nonlocal info`: lists the released checkpoints."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.json_output import print_json

if TYPE_CHECKING:
    from keras_nonlocal.weights import Preset

_DEFAULTS = {"stem_temporal_strides": (1, 1), "temporal_pool": True}
_HEADINGS = ("checkpoint", "network", "frames × stride", "top-1", "top-5", "license")
_REMARK = (
    "Accuracies are percentages on the Kinetics-400 validation set, as published by "
    "the authors of the checkpoints. They were not measured again here."
)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="list the released checkpoints for `weights=`",
        description="Lists the released checkpoints: the builder each belongs to, its "
        "clips, the accuracy its authors published and its license.",
        epilog="example: keras-nonlocal info --markdown",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    form.add_argument("--json", action="store_true", help="print JSON")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.weights import PRESETS

    presets = tuple(PRESETS.values())
    if options.json:
        rows = [{**asdict(row), "builder": builder_call(row)} for row in presets]
        print_json(rows)
    elif options.markdown:
        print(markdown_table(presets))
    else:
        print(_text_table(presets))
    return 0


def markdown_table(presets: "tuple[Preset, ...]") -> str:
    """Returns the table of checkpoints as Markdown, with the note on accuracies."""
    lines = [_markdown_row(_HEADINGS), "|---|---|---|---:|---:|---|"]
    for preset in presets:
        _, _, *others = _cells(preset)
        name, network = f"[`{preset.name}`]({preset.url})", f"`{builder_call(preset)}`"
        lines.append(_markdown_row((name, network, *others)))
    return "\n".join([*lines, "", _REMARK])


def builder_call(preset: "Preset") -> str:
    """Returns the call of a checkpoint's builder, without default values."""
    own: dict[str, Any] = dict(preset.architecture)
    prefix = "NL" if own["nonlocal_blocks"] else ""
    arguments = ", ".join(
        f"{key}={own[key]!r}"
        for key, default in _DEFAULTS.items()
        if own.get(key, default) != default
    )
    return f"{prefix}ResNet{own['depth']}{own['variant'].upper()}({arguments})"


def _cells(preset: "Preset") -> tuple[str, ...]:
    return (
        preset.name,
        builder_call(preset),
        f"{preset.num_frames} × {preset.frame_stride}",
        str(preset.top1),
        str(preset.top5),
        preset.license,
    )


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _text_table(presets: "tuple[Preset, ...]") -> str:
    rows = [_HEADINGS, *(_cells(preset) for preset in presets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", _REMARK])
