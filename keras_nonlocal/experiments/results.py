"""Results of the tables, gathered from the files of the runs."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.experiments.plans import AnyTable, AnyTraining
from keras_nonlocal.experiments.rank_rows import RankRow
from keras_nonlocal.experiments.rows import Claim, Row
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.experiments.statistics import Cell, Difference, compare
from keras_nonlocal.experiments.trainings import SmallRecipe, seeds_of


@dataclass(frozen=True)
class RowResult:
    """The finished runs of a row.

    Args:
        row: The row.
        training: The run.
        runs: The results by seed, as in the files.
    """

    row: Row | RankRow
    training: AnyTraining
    runs: Mapping[int, Mapping[str, Any]]

    @property
    def scores(self) -> dict[int, float]:
        """The accuracy, or mean average precision, by seed."""
        return {seed: run["score"] for seed, run in self.runs.items()}

    @property
    def cell(self) -> Cell:
        """The mean and standard deviation of the scores."""
        return Cell.of(list(self.scores.values()))

    @property
    def by_kind(self) -> dict[str, float]:
        """The mean accuracy on the clips of each kind, if there are several kinds."""
        runs = list(self.runs.values())
        return {
            kind: float(np.mean([run["by_kind"][kind] for run in runs]))
            for kind in runs[0]["by_kind"]
        }

    @property
    def counts(self) -> tuple[int, int]:
        """Parameters and multiply-adds of the small network."""
        run = next(iter(self.runs.values()))
        return run["parameters"], run["multiply_adds"]

    def mean_curve(self, name: str) -> tuple[list[int], list[float]]:
        """Returns the steps and the mean of a curve over the seeds."""
        curves = [run["curve"] for run in self.runs.values()]
        values = np.mean([curve[name] for curve in curves], axis=0)
        return curves[0]["steps"], values.tolist()

    def attention(self) -> list[dict[str, Any]]:
        """Returns the mean shares of each block and kind of clips over the seeds."""
        measured = [run["attention"] for run in self.runs.values()]
        means = []
        for entries in zip(*measured, strict=True):
            shares = {
                name: float(np.mean([entry[name] for entry in entries]))
                for name in ("own", "other", "ring", "uniform")
            }
            means.append(
                {"block": entries[0]["block"], "clips": entries[0]["clips"], **shares}
            )
        return means


@dataclass(frozen=True)
class TableResult:
    """The finished rows of a table.

    Args:
        table: The table.
        rows: The rows with at least one finished run.
        differences: The claims that can be tested, and the differences.
        to_baseline: The difference of each row to the first one, by name. P-values are
            corrected over these differences and those of the claims together. Tables
            without claims have none.
    """

    table: AnyTable
    rows: tuple[RowResult, ...]
    differences: tuple[tuple[Claim, Difference], ...]
    to_baseline: Mapping[str, Difference]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything in JSON types."""
        return {
            "table": self.table.name,
            "title": self.table.title,
            "rows": [_row_as_dict(row) for row in self.rows],
            "claims": [
                {**dataclasses.asdict(claim), **dataclasses.asdict(difference)}
                for claim, difference in self.differences
            ],
            "to_baseline": {
                name: dataclasses.asdict(difference)
                for name, difference in self.to_baseline.items()
            },
        }


def gather(
    folder: RunFolder,
    tables: Iterable[AnyTable],
    recipe: SmallRecipe | None = None,
    *,
    seeds: int | None = None,
) -> tuple[TableResult, ...]:
    """Reads the finished runs of tables.

    Args:
        folder: The folder of runs.
        tables: The tables.
        recipe: The recipe of the runs. Defaults to `SmallRecipe()`.
        seeds: Number of seeds. Defaults to that of each table.

    Returns:
        The tables with at least one finished run.
    """
    found = []
    for table in tables:
        numbers = seeds_of(seeds or table.seeds)
        rows = [
            RowResult(row, training, folder.read(training, numbers))
            for row, training in table.trainings(recipe)
        ]
        finished = tuple(row for row in rows if row.runs)
        if finished:
            found.append(_table_result(table, finished))
    return tuple(found)


def _table_result(table: AnyTable, rows: Sequence[RowResult]) -> TableResult:
    """Compares the pairs of all claims, and all rows with the first, as one family."""
    scores = {row.row.name: row.scores for row in rows}
    first = table.baseline.name
    pairs = [(claim.better, claim.worse) for claim in table.claims]
    if pairs:
        pairs += [(name, first) for name in scores if name != first]
    tested = [
        (better, worse)
        for better, worse in dict.fromkeys(pairs)
        if scores.get(better, {}).keys() & scores.get(worse, {}).keys()
    ]
    differences = dict(
        zip(
            tested,
            compare([(scores[better], scores[worse]) for better, worse in tested]),
            strict=True,
        )
    )
    return TableResult(
        table,
        tuple(rows),
        tuple(
            (claim, differences[claim.better, claim.worse])
            for claim in table.claims
            if (claim.better, claim.worse) in differences
        ),
        {
            better: difference
            for (better, worse), difference in differences.items()
            if worse == first
        },
    )


def _row_as_dict(result: RowResult) -> dict[str, Any]:
    cell = result.cell
    parameters, multiply_adds = result.counts
    return {
        "name": result.row.name,
        "paper": result.row.paper,
        "paper_cost": result.row.paper_cost,
        "key": result.training.key,
        "settings": result.training.to_dict(),
        "scores": result.scores,
        "mean": cell.mean,
        "deviation": cell.deviation,
        "seeds": len(cell.values),
        "interval": cell.interval(),
        "by_kind": result.by_kind,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "attention": result.attention(),
        "curves": {str(seed): run["curve"] for seed, run in result.runs.items()},
        "seconds": {str(seed): run["seconds"] for seed, run in result.runs.items()},
        "processor_seconds": {
            str(seed): run["processor_seconds"] for seed, run in result.runs.items()
        },
    }
