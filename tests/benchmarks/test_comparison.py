"""`python benchmarks/page.py --compare`."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = """## Networks

| network | step | milliseconds | least – greatest | clips per second |
|---|---|---:|---:|---:|
| own | inference | {a} | 1 – 2 | {b} |
| peer | inference | failed | | |

## Clips

| file | CPU ms | this ÷ it |
|---|---:|---:|
| a | {c} (1.0–9.0) | 0.5× |
| a | 1.0 (1.0–9.0) | 0.5× |
"""


@pytest.fixture(scope="module")
def comparison():
    spec = importlib.util.spec_from_file_location(
        "comparison", BENCHMARKS / "comparison.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((100, 20, 30), []),
        ((104, 19.2, 31), []),
        ((90, 25, 10), []),
        (
            (106, 20, 30),
            ["Networks, own, inference, milliseconds: 100 -> 106, 1.06× worse"],
        ),
        (
            (100, 10, 60),
            [
                "Networks, own, inference, clips per second: 20 -> 10, 2.00× worse",
                "Clips, a, CPU ms: 30 -> 60, 2.00× worse",
            ],
        ),
    ],
)
def test_what_became_worse_is_described(comparison, after, expected):
    before = PAGE.format(a=100, b=20, c="30.0")
    a, b, c = after
    assert comparison.regressions(before, PAGE.format(a=a, b=b, c=c)) == expected


def test_rows_of_only_one_page_are_left_out(comparison):
    page = PAGE.format(a=100, b=20, c=30)
    other = page.replace("| own |", "| other |").replace("## Clips", "## Files")
    assert comparison.regressions(page, other) == []
    assert comparison.regressions("", page) == []


def test_the_written_page_has_figures_to_compare(comparison):
    page = (BENCHMARKS / "RESULTS.md").read_text("utf-8")
    found = comparison.figures(page)
    sections = {key[0] for key in found}
    assert {"Networks", "Mask R-CNN", "Reading clips"} <= sections
    assert comparison.regressions(page, page) == []
