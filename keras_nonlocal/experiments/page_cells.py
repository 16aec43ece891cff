"""Cells of tables that several sections of the page use."""

from collections.abc import Iterator

from keras_nonlocal.experiments.results import RowResult, TableResult
from keras_nonlocal.experiments.statistics import Difference


def claim_lines(result: TableResult) -> Iterator[str]:
    """Yields the table of claims and verdicts, if there are claims."""
    if not result.differences:
        return
    yield "| claim | paper | here, 95 % interval | p | verdict |"
    yield "|---|---:|---:|---:|---|"
    papers = {row.name: row.paper for row in result.table.rows}
    for claim, difference in result.differences:
        better, worse = papers[claim.better], papers[claim.worse]
        paper = "not in the paper" if not claim.is_in_paper else ""
        if better is not None and worse is not None:
            paper = f"{better - worse:+.1f}"
        yield (
            f"| {claim.better} > {claim.worse} | {paper} "
            f"| {difference_text(difference)} | {p_text(difference)} "
            f"| **{difference.verdict}** |"
        )
    yield ""


def mean_text(row: RowResult) -> str:
    """Returns the mean and the standard deviation of a row in percent."""
    cell = row.cell
    spread = "" if cell.deviation is None else f" ± {100 * cell.deviation:.1f}"
    return f"{100 * cell.mean:.1f}{spread}"


def difference_text(difference: Difference | None) -> str:
    """Returns a difference and its interval in percent."""
    if difference is None:
        return ""
    text = f"{100 * difference.mean:+.1f}"
    if difference.interval is not None:
        low, high = (100 * bound for bound in difference.interval)
        text += f" [{low:+.1f}, {high:+.1f}]"
    return text


def p_text(difference: Difference | None) -> str:
    """Returns the corrected p-value of a difference."""
    p = None if difference is None else difference.corrected_p
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
