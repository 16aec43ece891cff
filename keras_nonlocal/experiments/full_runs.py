"""`run_full_experiments`: the tables at full size, on the user's data."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_nonlocal.arguments import check_choice, check_positive_integer
from keras_nonlocal.experiments.full_size import full_settings
from keras_nonlocal.experiments.rows import Claim, Row, Table
from keras_nonlocal.experiments.run_folder import write_json, write_text
from keras_nonlocal.experiments.statistics import Cell, Difference, compare
from keras_nonlocal.experiments.tables import PAPER_TABLES
from keras_nonlocal.files import InUseError, local_path, lock
from keras_nonlocal.runs import TrainingSettings, run_training
from keras_nonlocal.runs.running import TrainingResult

PAGE = "FULL_RESULTS.md"
# Groups of settings on which the result of a run depends.
_IDENTITY = ("data", "network", "clips", "recipe", "test")


@dataclass(frozen=True)
class FullTable:
    """The finished rows of a table at full size.

    Args:
        table: The table.
        scores: Top-1 accuracies, or mean average precisions, by row and seed.
        differences: The claims that can be tested, and the differences.
    """

    table: Table
    scores: Mapping[str, Mapping[int, float]]
    differences: tuple[tuple[Claim, Difference], ...]


def run_full_experiments(
    settings: TrainingSettings,
    tables: Sequence[str],
    *,
    folder: str | os.PathLike[str] = "experiments",
    seeds: int = 1,
    includes_large: bool = False,
    command: str = "run_full_experiments()",
    announce: Callable[[str], None] | None = None,
    train: Callable[..., TrainingResult] = run_training,
) -> tuple[FullTable, ...]:
    """Trains the networks of the paper's tables on videos and compares them.

    Every run is a run of `keras_nonlocal.runs.run_training` in a folder of its own. A
    killed run is resumed by the same call. Several machines may share the folder; each
    of them takes the runs that no other one works on.

    Args:
        settings: The videos, the test videos, the recipe and the devices, for example
            those of `keras_nonlocal.runs.paper_recipe`.
        tables: Names in `TABLES` of tables of the paper: those of Kinetics, or
            `"charades"` alone.
        folder: Folder of the runs and the page.
        seeds: Number of seeds of each row.
        includes_large: Whether to train the rows with R101, too.
        command: The command that is shown on the page.
        announce: Function such as `print`, called with lines about the progress.
        train: As `run_training`.

    Returns:
        The tables with at least one finished row.

    Raises:
        ValueError: If an argument is invalid, or there are no videos or test videos.
    """
    check_positive_integer("seeds", seeds)
    _check_settings(settings)
    chosen = _tables(tables)
    place = local_path("folder", folder) / "full_size"
    place.mkdir(parents=True, exist_ok=True)
    runs = _FullRuns(place, settings, train, announce or (lambda line: None))
    for table in chosen:
        for row in _rows(table, includes_large):
            for seed in range(1, seeds + 1):
                # Another machine is at work on it.
                with suppress(InUseError):
                    runs.trained(table, row, seed)
    results = tuple(
        result
        for table in chosen
        if (result := _gathered(runs, table, seeds, includes_large)).scores
    )
    write_text(place.parent / PAGE, _page(results, command))
    return results


def _check_settings(settings: TrainingSettings) -> None:
    for name in ("videos", "test"):
        if getattr(settings.data, name) is None:
            raise ValueError(
                f"`{name}` must be given for tables at full size. Received: {name}=None"
            )
    if settings.run.strategy == "multi-worker":
        raise ValueError(
            "`strategy` must be none or mirrored, because each machine takes runs of "
            f"its own. Received: strategy={settings.run.strategy!r}"
        )


def _tables(names: Sequence[str]) -> list[Table]:
    for name in names:
        check_choice("tables", name, tuple(PAPER_TABLES))
    chosen = [PAPER_TABLES[name] for name in names]
    if len({table.data for table in chosen}) != 1:
        raise ValueError(
            "`tables` must be of one data set: `charades` has several labels per "
            f"video. Received: tables={tuple(names)}"
        )
    return chosen


@dataclass(frozen=True)
class _FullRuns:
    """The runs in a folder."""

    folder: Path
    settings: TrainingSettings
    train: Callable[..., TrainingResult]
    announce: Callable[[str], None]

    def settings_of(self, table: Table, row: Row, seed: int) -> TrainingSettings:
        weights = None
        if table.layout.continues is not None:
            weights = self.run_folder(*_source(table, row), seed) / "model.keras"
        settings = full_settings(table, row, self.settings, weights=weights)
        return settings.replace(seed=seed)

    def run_folder(self, table: Table, row: Row, seed: int) -> Path:
        values = self.settings_of(table, row, seed).to_dict()
        text = json.dumps([values[name] for name in _IDENTITY], sort_keys=True)
        return self.folder / hashlib.sha256(text.encode()).hexdigest()[:16]

    def result_file(self, table: Table, row: Row, seed: int) -> Path:
        folder = self.run_folder(table, row, seed)
        return folder.with_name(f"{folder.name}.json")

    def trained(self, table: Table, row: Row, seed: int) -> None:
        """Trains and tests a row, unless it is finished.

        Raises:
            InUseError: If another process works on it.
        """
        file = self.result_file(table, row, seed)
        with lock(file, "folder"):
            if file.exists():
                return
            if table.layout.continues is not None:
                self.trained(*_source(table, row), seed)
            settings = self.settings_of(table, row, seed)
            self.announce(f"table {table.name}, {row.name}, seed {seed}")
            output = self.run_folder(table, row, seed)
            result = self.train(
                settings.replace(output=output), verbose=0, announce=self.announce
            )
            evaluation = result.evaluation
            if evaluation is None:  # only the chief of several workers tests
                return
            score = evaluation.top1
            if score is None:
                score = evaluation.mean_average_precision
            if score is None or math.isnan(score):
                self.announce(
                    "the test has no result: no video could be read, or the network's "
                    "scores are NaN"
                )
                return
            values: dict[str, Any] = {"score": score, "top5": evaluation.top5}
            write_json(file, {"settings": settings.to_dict(), "seed": seed, **values})

    def score(self, table: Table, row: Row, seed: int) -> float | None:
        file = self.result_file(table, row, seed)
        if not file.exists():
            return None
        return float(json.loads(file.read_text("utf-8"))["score"])


def _source(table: Table, row: Row) -> tuple[Table, Row]:
    """Returns the table and the row whose network a row of long clips continues."""
    return next(
        (other, found)
        for other in PAPER_TABLES.values()
        for found in other.rows
        if other.layout == table.layout.continues
        and found.network == row.network
        and found.is_in_paper
    )


def _rows(table: Table, includes_large: bool) -> Iterable[Row]:
    return (
        row
        for row in table.rows
        if row.is_in_paper and (includes_large or not row.is_large)
    )


def _gathered(
    runs: _FullRuns, table: Table, seeds: int, includes_large: bool
) -> FullTable:
    scores: dict[str, dict[int, float]] = {}
    for row in _rows(table, includes_large):
        found = {seed: runs.score(table, row, seed) for seed in range(1, seeds + 1)}
        known = {seed: score for seed, score in found.items() if score is not None}
        if known:
            scores[row.name] = known
    claims = [
        claim
        for claim in table.claims
        if scores.get(claim.better, {}).keys() & scores.get(claim.worse, {}).keys()
    ]
    tested = compare([(scores[each.better], scores[each.worse]) for each in claims])
    return FullTable(table, scores, tuple(zip(claims, tested, strict=True)))


def _page(results: Iterable[FullTable], command: str) -> str:
    lines = ["# The paper's tables on your data", "", f"`{command}`", ""]
    for result in results:
        lines += [f"## {result.table.heading}. {result.table.title}", ""]
        lines += ["| network | here, % | seeds | paper, % |", "|---|---:|---:|---:|"]
        for name, scores in result.scores.items():
            cell = Cell.of(list(scores.values()))
            spread = cell.deviation
            own = f"{100 * cell.mean:.1f}"
            own += "" if spread is None else f" ± {100 * spread:.1f}"
            paper = result.table.row(name).paper
            written = "" if paper is None else paper
            lines.append(f"| {name} | {own} | {len(scores)} | {written} |")
        lines += ["", "| claim | difference | verdict |", "|---|---:|---|"]
        for claim, difference in result.differences:
            lines.append(
                f"| {claim.better} > {claim.worse} | {100 * difference.mean:+.1f} "
                f"| {difference.verdict} |"
            )
        lines.append("")
    return "\n".join(lines)
