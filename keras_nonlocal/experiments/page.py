"""The page of results, in Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_nonlocal.experiments.clip_sections import (
    FullCounts,
    clip_introduction,
    clip_section,
)
from keras_nonlocal.experiments.rank_sections import rank_section
from keras_nonlocal.experiments.results import TableResult
from keras_nonlocal.experiments.rows import Table

_INTRODUCTION = """\
# The paper's experiments at small scale

**These tables do not reproduce the paper's numbers.** Nothing here was trained on
Kinetics, Charades or ImageNet.{clips}{missing}
{about}
All {runs} runs were tested once, after the last step, on data that was not used for
training: digits of other writers, and the test parts of archives. A seed fixes the
data, its order and the initial values for all rows, so differences are paired.
Intervals are 95 % t intervals. P-values are corrected with Holm's method over all
differences of a table. A claim is "seen" if its corrected p-value is below 0.05,
"opposite" if the difference then has the other sign, and "not distinguishable"
otherwise.
"""


@dataclass(frozen=True)
class Facts:
    """Facts about how the results were computed.

    Args:
        command: The command.
        machine: The machine and the versions, in words.
        compute: The computing time of all runs, in words.
        missing: Names of tables of the paper that were not run.
    """

    command: str
    machine: str
    compute: str
    missing: Sequence[str]


def markdown_page(
    results: Sequence[TableResult], full_counts: FullCounts, facts: Facts
) -> str:
    """Returns the page.

    Args:
        results: The tables.
        full_counts: Complexities of the paper's networks by table and row.
        facts: How the results were computed.
    """
    lines = [_introduction(results, facts)]
    lines += [f"`{facts.command}`, {facts.machine}, {facts.compute}.", ""]
    for result in results:
        title = result.table.heading
        lines += [f"## {title}. {result.table.title}", ""]
        lines += [*_section(result, full_counts), ""]
        lines += [f"![{title}]({figure_name(result)})", ""]
    return "\n".join(lines)


def figure_name(result: TableResult) -> str:
    """Returns the name of the figure of a table."""
    return f"{result.table.name}.png"


def _section(result: TableResult, full_counts: FullCounts) -> Iterator[str]:
    if isinstance(result.table, Table):
        return clip_section(result, full_counts)
    return rank_section(result)


def _introduction(results: Sequence[TableResult], facts: Facts) -> str:
    missing = clips = about = ""
    if facts.missing:
        missing = f" Not run: {', '.join(facts.missing)}."
    of_clips = [each for each in results if isinstance(each.table, Table)]
    if of_clips:
        clips, about = clip_introduction(of_clips)
    rows = {row.training.key: row for result in results for row in result.rows}
    return _INTRODUCTION.format(
        clips=clips,
        missing=missing,
        about=about,
        runs=sum(len(row.runs) for row in rows.values()),
    )
