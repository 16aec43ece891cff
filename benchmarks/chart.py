"""Draws the speed of the networks as RESULTS.md has it, for the README.

python benchmarks/page.py --only networks --peer ~/SlowFast    # measures and draws
python benchmarks/chart.py                                     # draws again
"""

from pathlib import Path
from typing import NamedTuple

from comparison import rows

PAGE = Path(__file__).parent / "RESULTS.md"
PICTURE = Path(__file__).parents[1] / "docs" / "pages" / "pictures" / "speed.svg"
SECTION = "Networks"
OWN, PEER = "#3b6fb6", "#b8b8b8"


class Bar(NamedTuple):
    """A measured step: its name, its median in milliseconds and whether it is ours."""

    name: str
    milliseconds: float
    is_own: bool


def main() -> None:
    draw(bars(PAGE.read_text("utf-8")), PICTURE)


def bars(page: str) -> dict[str, list[Bar]]:
    """Returns the bars of each step, the fastest first.

    Rows that failed, and former versions of ours, are left out.
    """
    found: dict[str, list[Bar]] = {}
    for section, header, cells in rows(page):
        values = dict(zip(header, cells, strict=False))
        name = values.get("network", "")
        if section != SECTION or not name or " with" in name:
            continue
        if not values.get("milliseconds", "").isdecimal():
            continue
        dtype = values["dtype"].removeprefix("mixed_")
        shown = name if dtype in name else f"{name}, {dtype}"
        bar = Bar(shown, float(values["milliseconds"]), name.startswith("keras_non"))
        found.setdefault(values["step"], []).append(bar)
    return {
        step: sorted(each, key=lambda bar: bar.milliseconds)
        for step, each in found.items()
    }


def draw(steps: dict[str, list[Bar]], path: Path) -> None:
    """Writes a picture with a panel for each step, from 0 on."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "speed", "font.size": 9}
    import matplotlib.pyplot as plt

    counts = [len(each) for each in steps.values()]
    figure, panels = plt.subplots(
        len(steps),
        figsize=(8, 0.8 + 0.22 * sum(counts)),
        height_ratios=counts,
        squeeze=False,
        layout="constrained",
    )
    for panel, (step, each) in zip(panels[:, 0], steps.items(), strict=True):
        drawn = panel.barh(
            [bar.name for bar in each],
            [bar.milliseconds for bar in each],
            color=[OWN if bar.is_own else PEER for bar in each],
        )
        panel.bar_label(drawn, fmt="%.0f", padding=3)
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.margins(x=0.08)
        panel.set_title(f"{step}, milliseconds", loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
