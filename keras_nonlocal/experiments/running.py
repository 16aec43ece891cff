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
from keras_nonlocal.experiments.processes import Workers
from keras_nonlocal.experiments.progress import Progress, duration
from keras_nonlocal.experiments.results import TableResult, gather
from keras_nonlocal.experiments.rows import Table
from keras_nonlocal.experiments.run_folder import RunFolder, write_json, write_text
from keras_nonlocal.experiments.tables import TABLES
from keras_nonlocal.experiments.trainings import (
    SmallRecipe,
    Training,
    distinct_trainings,
    seeds_of,
)
from keras_nonlocal.optional_packages import (
    import_digits,
    import_pyplot,
    import_scipy_stats,
)
from keras_nonlocal.processors import num_processors

PAGE = "RESULTS.md"
RESULTS = "results.json"
# Shorter runs with fewer seeds, to see the command at work.
QUICK_RECIPE = SmallRecipe(steps=150, still_steps=120, validations=5, test_clips=480)
QUICK_TABLES = ("a", "d", "figure4")
QUICK_SEEDS = 2
_LINE_SECONDS = 30.0


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
        ImportError: If scikit-learn, SciPy or Matplotlib is not installed.
        ChildProcessError: If a worker process failed.

    Example:

    >>> from keras_nonlocal.experiments import TABLES, run_experiments
    >>> ", ".join(TABLES)
    'a, b, c, d, e, f, g, charades, attention, figure4'
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
    for needed in (import_digits, import_scipy_stats, import_pyplot):
        needed()
    run_folder = RunFolder(Path(folder))
    plan = _plan(chosen, recipe, seeds, includes_large)
    _train(run_folder, plan, workers, announce)
    results = gather(run_folder, chosen, recipe, seeds=seeds)
    return _write(run_folder, results, plan, command)


def _tables(names: Sequence[str] | None) -> tuple[Table, ...]:
    for name in names or ():
        check_choice("tables", name, tuple(TABLES))
    return tuple(TABLES[name] for name in TABLES if names is None or name in names)


def _plan(
    tables: Iterable[Table],
    recipe: SmallRecipe | None,
    seeds: int | None,
    includes_large: bool,
) -> dict[Training, tuple[int, ...]]:
    trainings = distinct_trainings(
        tables, recipe, seeds=seeds, includes_large=includes_large
    )
    return {training: seeds_of(count) for training, count in trainings.items()}


def _train(
    folder: RunFolder,
    plan: dict[Training, tuple[int, ...]],
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
    plan: dict[Training, tuple[int, ...]],
    command: str,
) -> ExperimentResults:
    # Keras is imported after the training, and not for an error in an argument.
    from keras_nonlocal.experiments.full_size import full_counts

    counts = full_counts(folder, results)
    trained = {each.table.name for each in results}
    seconds = sum(
        run["processor_seconds"]
        for training, seeds in plan.items()
        for run in folder.read(training, seeds).values()
    )
    facts = Facts(
        command,
        _machine(),
        f"{duration(seconds)} of processor time",
        _missing(trained, plan),
    )
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


def _missing(trained: set[str], plan: dict[Training, tuple[int, ...]]) -> list[str]:
    missing = [f"table {name}" for name in TABLES if name not in trained]
    if all(training.network.depth == 50 for training in plan):
        missing.append("the rows with R101")
    return [*missing, "COCO"]


def _machine() -> str:
    import keras

    system = f"{platform.system()} {platform.machine()}, {num_processors()} cores"
    return (
        f"{system}, Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, keras_nonlocal {keras_nonlocal.__version__}"
    )
