"""Figures of the tables: bars with every seed as a dot, and training curves."""

from pathlib import Path
from typing import Any

from keras_nonlocal.experiments.results import TableResult
from keras_nonlocal.files import replacing
from keras_nonlocal.optional_packages import import_pyplot

_CURVES = {"figure4"}


def draw_table(result: TableResult, path: Path) -> None:
    """Draws a table into a PNG file.

    Tables are bars with 95 % intervals and a dot for every seed. Figure 4 shows
    training errors as dashed and validation errors as solid lines, as in the paper.

    Raises:
        ImportError: If Matplotlib is not installed.
    """
    pyplot = import_pyplot()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    try:
        if result.table.name in _CURVES:
            _draw_curves(axes, result)
        else:
            _draw_bars(axes, result)
        axes.set_title(f"{result.table.title} (small scale)", fontsize=10)
        with replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=120, format="png")
    finally:
        pyplot.close(figure)


def _draw_bars(axes: Any, result: TableResult) -> None:
    names = [row.row.name for row in result.rows]
    for place, row in enumerate(result.rows):
        cell = row.cell
        axes.bar(place, 100 * cell.mean, width=0.6, color="C0", alpha=0.5)
        interval = cell.interval()
        if interval is not None:
            low, high = interval
            axes.errorbar(
                place,
                100 * cell.mean,
                [[100 * (cell.mean - low)], [100 * (high - cell.mean)]],
                color="black",
                capsize=4,
            )
        count = len(cell.values)
        spread = [place + 0.2 * (i / max(1, count - 1) - 0.5) for i in range(count)]
        axes.plot(spread, [100 * v for v in cell.values], "o", color="C3", markersize=4)
    if result.table.chance is not None:
        chance = 100 * result.table.chance
        axes.axhline(chance, color="gray", linewidth=0.8, linestyle=":")
    axes.set_ylabel(f"{result.table.measure} in the test, %")
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    axes.set_ylim(30, 102)


def _draw_curves(axes: Any, result: TableResult) -> None:
    for number, row in enumerate(result.rows):
        styles = (("training_error", "--", "training"), ("validation_error", "-", ""))
        for name, style, label in styles:
            steps, values = row.mean_curve(name)
            axes.plot(
                steps,
                [100 * value for value in values],
                style,
                color=f"C{number}",
                label=f"{row.row.name}, {label or 'validation'}",
            )
    axes.set_xlabel("steps")
    axes.set_ylabel("top-1 error, %")
    axes.legend(fontsize=8)
