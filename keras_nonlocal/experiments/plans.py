"""From tables of all kinds to a list of training runs of all kinds."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from keras_nonlocal.experiments.rank_rows import RankTable
from keras_nonlocal.experiments.rank_trainings import RANK_TASKS, RankTraining
from keras_nonlocal.experiments.rows import Table
from keras_nonlocal.experiments.trainings import SmallRecipe, Training

AnyTraining = Training | RankTraining
AnyTable = Table | RankTable

# The runs on clips, which came first, do not name their kind.
_CLIPS = "clips"
_KINDS: dict[str, type[AnyTraining]] = {
    _CLIPS: Training,
    **dict.fromkeys(RANK_TASKS, RankTraining),
}


def training_from_dict(values: Mapping[str, Any]) -> AnyTraining:
    """Creates a run of any kind from the result of its `to_dict`."""
    return _KINDS[values.get("kind", _CLIPS)].from_dict(values)


def distinct_trainings(
    tables: Iterable[AnyTable],
    recipe: SmallRecipe | None = None,
    *,
    seeds: int | None = None,
    includes_large: bool = False,
) -> dict[AnyTraining, int]:
    """Returns the runs of tables, each once, with their numbers of seeds.

    Args:
        tables: The tables.
        recipe: As in `Table.trainings`.
        seeds: Number of seeds. Defaults to that of the tables. A run in several tables
            has the largest number of them.
        includes_large: Whether to include the rows with R101.

    Returns:
        Runs and numbers of seeds, where a run comes after the one that it continues.
    """
    found: dict[str, AnyTraining] = {}
    numbers: dict[str, int] = {}
    for table in tables:
        for row, ending in table.trainings(recipe):
            if row.is_large and not includes_large:
                continue
            for training in _with_sources(ending):
                key = training.key
                found[key] = training
                numbers[key] = max(numbers.get(key, 0), seeds or table.seeds)
    return {training: numbers[key] for key, training in found.items()}


def _with_sources(training: AnyTraining) -> Iterator[AnyTraining]:
    if training.continues is not None:
        yield from _with_sources(training.continues)
    yield training
