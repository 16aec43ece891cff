"""The chart shows the rows of the page that a user can choose between."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import chart

TABLE = """
## Networks

| network | dtype | step | milliseconds | least – greatest |
|---|---|---|---:|---:|
| keras_nonlocal | float32 | inference | 812 | 1 – 2 |
| keras_nonlocal, without oneDNN | float32 | inference | 3000 | 1 – 2 |
| keras_nonlocal, OpenVINO bfloat16 | bfloat16 | inference | 370 | 1 – 2 |
| keras_nonlocal, LiteRT | float32 | inference | failed: no | |
| PySlowFast, default | mixed_bfloat16 | inference | 411 | 1 – 2 |
| PySlowFast, default | float32 | training | 2900 | 1 – 2 |

## Networks on a GPU

| network | dtype | step | milliseconds | least – greatest |
|---|---|---|---:|---:|
| keras_nonlocal | float32 | inference | 7 | 1 – 2 |
"""


def test_rows_are_sorted_by_their_time():
    found = chart.bars(TABLE)
    assert [*found] == ["inference", "training"]
    assert found["inference"] == [
        ("keras_nonlocal, OpenVINO bfloat16", 370, True),
        ("PySlowFast, default, bfloat16", 411, False),
        ("keras_nonlocal, float32", 812, True),
    ]
    assert found["training"] == [("PySlowFast, default, float32", 2900, False)]


def test_the_picture_has_a_bar_for_each(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "speed.svg"
    chart.draw(chart.bars(TABLE), path)
    text = path.read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "PySlowFast, default, bfloat16" in text
    chart.draw(chart.bars(TABLE), path)
    assert path.read_text() == text
