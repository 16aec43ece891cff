"""`run_experiments`: trains the rows of tables at small scale and writes the page."""

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras_nonlocal
from keras_nonlocal.arguments import check_choice, check_positive_integer
from keras_nonlocal.experiments.figures import draw_table
from keras_nonlocal.experiments.page import Facts, figure_name, markdown_page
from keras_nonlocal.experiments.plans import (
    AnyTable,
    AnyTraining,
    distinct_trainings,
)
from keras_nonlocal.experiments.processes import Workers
from keras_nonlocal.experiments.progress import Progress, duration
from keras_nonlocal.experiments.results import TableResult, gather
from keras_nonlocal.experiments.run_folder import RunFolder, write_json, write_text
from keras_nonlocal.experiments.tables import PAPER_TABLES, TABLES
from keras_nonlocal.experiments.trainings import SmallRecipe, seeds_of
from keras_nonlocal.optional_packages import import_pyplot, import_scipy_stats
from keras_nonlocal.processors import num_processors

PAGE = "RESULTS.md"
RESULTS = "results.json"
# Shorter runs with fewer seeds, to see the command at work.
QUICK_RECIPE = SmallRecipe(steps=150, still_steps=120, validations=5, test_clips=480)
QUICK_TABLES = ("a", "d", "figure4")
QUICK_SEEDS = 2
_LINE_SECONDS = 30.0
_EVALUATION = (import_scipy_stats, import_pyplot)


@dataclass(frozen=True)
class ExperimentResults:
    """The results of `run_experiments`.

    Args:
        tables: The tables.
        page: Path of the page in Markdown. The figures are beside it.
        json: Path of the results in JSON.
    """

    tables: tuple[TableResult, ...]
    page: Path
    json: Path

    def table(self, name: str) -> TableResult:
        """Returns the result of the table with a name."""
        return next(each for each in self.tables if each.table.name == name)


def run_experiments(
    tables: Sequence[str] | None = None,
    *,
    folder: str | os.PathLike[str] = "experiments",
    seeds: int | None = None,
    workers: int | None = None,
    recipe: SmallRecipe | None = None,
    includes_large: bool = False,
    command: str = "run_experiments()",
    announce: Callable[[str], None] | None = None,
) -> ExperimentResults:
    """Trains the networks of the paper's tables on small clips and compares them.

    Three more tables, `"sequences"`, `"images"` and `"appliances"`, which are not in
    the paper, compare the block in small networks for signals and images with a
    convolution and with `keras.layers.MultiHeadAttention`.

    The runs are trained in worker processes. A run that several tables share is trained
    once. If the call is interrupted at any moment, the same call resumes it: finished
    runs are read from the folder. Several machines may work on one folder at once.

    Args:
        tables: Names in `TABLES`. Defaults to all.
        folder: Folder of the runs and the results.
        seeds: Number of seeds of each row. Defaults to that of each table, 3 or 5.
        workers: Number of worker processes, each of which uses one core. Defaults to
            the number of cores.
        recipe: The recipe. Defaults to `SmallRecipe()`.
        includes_large: Whether to train the rows with R101, too.
        command: The command that is shown on the page.
        announce: Function such as `print`, called with lines about the progress and the
            projected end. Defaults to `None`.

    Returns:
        The results.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If scikit-learn, SciPy or Matplotlib is not installed, or sktime,
            which only the tables `"sequences"` and `"appliances"` need.
        ChildProcessError: If a worker process failed.

    Example:

    >>> from keras_nonlocal.experiments import TABLES, run_experiments
    >>> ", ".join(TABLES)
    'a, b, c, d, e, f, g, charades, attention, figure4, sequences, images, appliances'
    >>> results = run_experiments(["a", "d"])  # doctest: +SKIP
    >>> results.table("d").to_baseline["space-time"].verdict  # doctest: +SKIP
    'seen'
    """
    chosen = _tables(tables)
    if seeds is not None:
        check_positive_integer("seeds", seeds)
    workers = num_processors() if workers is None else workers
    check_positive_integer("workers", workers)
    # A missing package is reported before hours of work, not after.
    for needed in (*(each.check_packages for each in chosen), *_EVALUATION):
        needed()
    run_folder = RunFolder(Path(folder))
    plan = _plan(chosen, recipe, seeds, includes_large)
    _train(run_folder, plan, workers, announce)
    results = gather(run_folder, chosen, recipe, seeds=seeds)
    facts = Facts(
        command,
        _machine(),
        f"{duration(_processor_seconds(run_folder, plan))} of processor time",
        _missing(results, includes_large),
    )
    return _write(run_folder, results, facts)


def _tables(names: Sequence[str] | None) -> tuple[AnyTable, ...]:
    for name in names or ():
        check_choice("tables", name, tuple(TABLES))
    return tuple(TABLES[name] for name in TABLES if names is None or name in names)


def _plan(
    tables: Iterable[AnyTable],
    recipe: SmallRecipe | None,
    seeds: int | None,
    includes_large: bool,
) -> dict[AnyTraining, tuple[int, ...]]:
    trainings = distinct_trainings(
        tables, recipe, seeds=seeds, includes_large=includes_large
    )
    return {training: seeds_of(count) for training, count in trainings.items()}


def _train(
    folder: RunFolder,
    plan: dict[AnyTraining, tuple[int, ...]],
    workers: int,
    announce: Callable[[str], None] | None,
) -> None:
    progress = Progress(folder, plan)
    say = announce or (lambda line: None)
    left = progress.total - progress.finished
    say(
        f"{progress.total} runs of {len(plan)} networks, {left} to train with "
        f"{workers} worker{'' if workers == 1 else 's'}"
    )
    if not left:
        return
    said = time.monotonic()
    with Workers(min(workers, left), str(folder.path), list(plan.items())) as running:
        for event in running.events():
            if event is not None:
                progress.update(*event)
            ended = event is not None and event.fraction == 1
            if ended or time.monotonic() - said > _LINE_SECONDS:
                say(progress.line())
                said = time.monotonic()
    elsewhere = progress.total - progress.finished
    if elsewhere:
        say(f"{elsewhere} runs are in progress elsewhere; call again when they end")


def _write(
    folder: RunFolder,
    results: tuple[TableResult, ...],
    facts: Facts,
) -> ExperimentResults:
    # Keras is imported after the training, and not for an error in an argument.
    from keras_nonlocal.experiments.full_size import full_counts

    counts = full_counts(folder, results)
    for result in results:
        draw_table(result, folder.path / figure_name(result))
    page, file = folder.path / PAGE, folder.path / RESULTS
    write_json(
        file,
        {
            **dataclasses.asdict(facts),
            "tables": [each.to_dict() for each in results],
        },
    )
    text = markdown_page(results, counts, facts)
    write_text(page, text)
    return ExperimentResults(results, page, file)


def _processor_seconds(
    folder: RunFolder, plan: dict[AnyTraining, tuple[int, ...]]
) -> float:
    return sum(
        run["processor_seconds"]
        for training, seeds in plan.items()
        for run in folder.read(training, seeds).values()
    )


def _missing(results: Iterable[TableResult], includes_large: bool) -> list[str]:
    trained = {each.table.name: each.table for each in results}
    missing = [f"table {name}" for name in PAPER_TABLES if name not in trained]
    has_large = any(row.is_large for table in trained.values() for row in table.rows)
    if not (includes_large and has_large):
        missing.append("the rows with R101")
    return [*missing, "COCO"]


def _machine() -> str:
    import keras

    system = f"{platform.system()} {platform.machine()}, {num_processors()} cores"
    return (
        f"{system}, Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, keras_nonlocal {keras_nonlocal.__version__}"
    )
