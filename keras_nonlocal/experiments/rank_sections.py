"""The sections of the page for signals and images."""

from collections.abc import Iterator

from keras_nonlocal.experiments.page_cells import (
    claim_lines,
    difference_text,
    mean_text,
    p_text,
)
from keras_nonlocal.experiments.rank_rows import RankTable
from keras_nonlocal.experiments.results import TableResult


def rank_section(result: TableResult) -> Iterator[str]:
    """Yields the lines of a table of signals or images."""
    table = result.table
    assert isinstance(table, RankTable)
    recipe = result.rows[0].training.recipe
    yield table.description
    yield ""
    yield (
        "The paper has no such table. The networks were trained for "
        f"{recipe.steps} steps of {recipe.batch_size}."
    )
    yield ""
    yield (
        f"| network | mean ± sd, % | seeds | difference to {table.baseline.name}, "
        "95 % interval | p | parameters | multiply-adds |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for row in result.rows:
        difference = result.to_baseline.get(row.row.name)
        parameters, multiply_adds = row.counts
        yield (
            f"| {row.row.name} | {mean_text(row)} | {len(row.runs)} "
            f"| {difference_text(difference)} | {p_text(difference)} "
            f"| {parameters:,} | {multiply_adds / 1e6:.2f} M |"
        )
    yield ""
    yield from claim_lines(result)
