"""The costs on the page about clusters follow from the seconds beside them."""

import re

import pytest

from tests.docs.pages import ROOT, text_of


def tables():
    """The rows of the two tables, by pipeline."""
    page = text_of("clusters.md").split("## What it costs")[1]
    found = [block for block in page.split("\n\n") if block.startswith("| pipeline")]
    return [
        {
            row[0]: row[1:]
            for row in (
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in block.splitlines()
            )
            if not row[0].startswith("-")
        }
        for block in found
    ]


def test_costs_follow_from_seconds():
    seconds, costs = tables()
    headings = costs.pop("pipeline")
    prices = [float(re.search(r"at ([\d.]+) per", name)[1]) for name in headings[2:]]
    assert len(prices) >= 2
    del seconds["pipeline"]
    assert [*seconds] == [*costs]
    assert len(costs) == 4
    for name, (hours, on_many, *amounts) in costs.items():
        alone, with_beam = (float(cell.split()[0]) for cell in seconds[name][:2])
        # Seconds have three decimals, hours one, and the others two.
        expected = with_beam * 100_000 / 3600
        assert float(hours) == pytest.approx(expected, abs=0.05 + 50 / 3600)
        assert float(on_many) == pytest.approx(float(hours) / 100, abs=0.0056)
        for price, amount in zip(prices, amounts, strict=True):
            assert float(amount) == pytest.approx(
                float(hours) * price, abs=0.0051 + 0.05 * price
            )
        ratio = float(seconds[name][2])
        assert ratio == pytest.approx(
            with_beam / alone, abs=0.0051 + 0.001 * (1 + ratio) / alone
        )


def test_the_command_of_the_page_prints_such_tables():
    text = text_of("clusters.md")
    assert "`python benchmarks/beam.py --prices 0.02 0.05`" in text
    script = (ROOT / "benchmarks" / "beam.py").read_text("utf-8")
    for name in tables()[0]:
        assert name == "pipeline" or f'"{name}"' in script
