"""Everything that a training consists of, in one file."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.training.atomic_files import replacing
from keras_nonlocal.training.callback_memory import Memory
from keras_nonlocal.training.generators import generator_states, restore_generators

_FORMAT = 1
_NOTES = "notes"
_GENERATORS = "generators/"


@dataclass
class Progress:
    """How far a training has come.

    Args:
        epoch: Number of whole epochs.
        batch: Batches seen of the epoch after those.
        best: Best value of the monitored log so far.
        logs: What each whole epoch logged.
        stopped: Whether a callback ended the training.
        callbacks: What the callbacks remember.
    """

    epoch: int = 0
    batch: int = 0
    best: float | None = None
    logs: list[dict[str, float]] = field(default_factory=list)
    stopped: bool = False
    callbacks: Memory = field(default_factory=list)


def save_state(path: Path, model: keras.Model, progress: Progress) -> None:
    """Writes model, optimizer, metrics, random state and progress, atomically.

    Args:
        path: The file.
        model: A compiled model whose variables exist.
        progress: How far the training has come.
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for section, variables in _sections(model).items():
        for i, variable in enumerate(variables):
            values = _replica_values(model, variable)
            rows.append(_described(section, variable, len(values)))
            for replica, value in enumerate(values):
                arrays[f"{section}/{i}/{replica}"] = _storable(value)
    for name, state in generator_states().items():
        arrays[f"{_GENERATORS}{name}"] = state
    notes = {"format": _FORMAT, "progress": asdict(progress), "variables": rows}
    arrays[_NOTES] = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_progress(path: Path) -> Progress | None:
    """Returns how far the training of a file has come; `None` without a file.

    Raises:
        ValueError: If the file is none that `save_state` wrote.
    """
    if not path.exists():
        return None
    with _opened(path) as archive:
        return Progress(**_notes(path, archive)["progress"])


def load_state(path: Path, model: keras.Model, *, metrics: bool = False) -> None:
    """Gives the variables of a model and its optimizer the values of a file.

    Args:
        path: What `save_state` wrote.
        model: A compiled model whose variables exist.
        metrics: Whether to restore what the metrics have added up, too.

    Raises:
        ValueError: If the file is of another model or another optimizer.
    """
    with _opened(path) as archive:
        notes = _notes(path, archive)
        sections = _sections(model)
        if not metrics:
            # Keras makes them during the first step.
            del sections["metrics"]
        saved = [row for row in notes["variables"] if row["section"] in sections]
        _check_same_variables(path, sections, saved)
        counts = _replica_counts(saved)
        for section, variables in sections.items():
            for i, variable in enumerate(variables):
                values = [
                    archive[f"{section}/{i}/{replica}"]
                    for replica in range(counts[section][i])
                ]
                _assign(model, variable, values, adds_up=section == "metrics")
        _restore_generators(archive)


def has_finite_loss(model: keras.Model) -> bool:
    """Whether the mean of the loss since the last reset of the metrics is finite."""
    return all(
        _is_finite(model, variable)
        for metric in model.metrics
        if metric.name == "loss"
        for variable in metric.variables
    )


def has_finite_weights(model: keras.Model) -> bool:
    """Whether no trainable variable has an infinity or NaN."""
    return all(_is_finite(model, variable) for variable in model.trainable_variables)


def load_generators(path: Path) -> None:
    """Brings the generators of `generator_states` into the states of a file."""
    with _opened(path) as archive:
        _restore_generators(archive)


def _restore_generators(archive: Any) -> None:
    restore_generators(
        {
            name.removeprefix(_GENERATORS): archive[name]
            for name in archive.files
            if name.startswith(_GENERATORS)
        }
    )


def _sections(model: keras.Model) -> dict[str, list[keras.Variable]]:
    """All that a step of training reads and writes, random seeds included."""
    return {
        "model": [*model.variables],
        "optimizer": [*model.optimizer.variables],
        "metrics": [*model.metrics_variables],
    }


def _described(
    section: str, variable: keras.Variable, num_replicas: int
) -> dict[str, Any]:
    name = variable.name
    if section == "optimizer":
        # Before it stands the layer's name, which counts the layers of the process.
        name = name.rpartition("_")[2]
    return {
        "section": section,
        "name": name,
        "shape": [*variable.shape],
        "dtype": str(keras.backend.standardize_dtype(variable.dtype)),
        "num_replicas": num_replicas,
    }


def _check_same_variables(
    path: Path,
    sections: Mapping[str, Sequence[keras.Variable]],
    saved: Sequence[Mapping[str, Any]],
) -> None:
    own = [
        _described(section, variable, 0)
        for section, variables in sections.items()
        for variable in variables
    ]
    for mine, theirs in zip(own, saved, strict=False):
        if mine != {**theirs, "num_replicas": 0}:
            raise ValueError(
                "`directory` must hold a checkpoint of this model and optimizer; the "
                f"first variable that differs is {_called(mine)} here and "
                f"{_called(theirs)} there. Received: directory={str(path.parent)!r}"
            )
    if len(own) != len(saved):
        raise ValueError(
            "`directory` must hold a checkpoint of this model, optimizer and metrics, "
            f"which have {len(own)} variables. Received: "
            f"directory={str(path.parent)!r} with {len(saved)}"
        )


def _called(row: Mapping[str, Any]) -> str:
    return f"{row['section']} {row['name']} {tuple(row['shape'])} {row['dtype']}"


def _replica_counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    counts: dict[str, list[int]] = {"model": [], "optimizer": [], "metrics": []}
    for row in rows:
        counts[row["section"]].append(row["num_replicas"])
    return counts


def _replicas(model: keras.Model, variable: keras.Variable) -> tuple[Any, ...] | None:
    """The variable's copies on the replicas of this process; `None`: no strategy.

    The copies differ where Keras does not synchronise them: the moving statistics of
    batch normalisation and what metrics have added up.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return None
    return strategy.experimental_local_results(variable.value)


def _replica_values(model: keras.Model, variable: keras.Variable) -> list[np.ndarray]:
    replicas = _replicas(model, variable)
    if replicas is None:
        return [np.asarray(keras.ops.convert_to_numpy(variable.value))]
    values = [replica.numpy() for replica in replicas]
    if all(value.tobytes() == values[0].tobytes() for value in values):
        return values[:1]
    return values


def _is_finite(model: keras.Model, variable: keras.Variable) -> bool:
    # Copies on the replicas of this process: workers need not meet for it.
    return all(np.isfinite(value).all() for value in _replica_values(model, variable))


def _assign(
    model: keras.Model,
    variable: keras.Variable,
    values: Sequence[np.ndarray],
    adds_up: bool,
) -> None:
    dtype = keras.backend.standardize_dtype(variable.dtype)
    restored = [_as_stored(value, dtype) for value in values]
    replicas = _replicas(model, variable)
    if replicas is None:
        variable.assign(_merged(restored, adds_up))
        return
    if len(restored) != len(replicas):
        merged = _merged(restored, adds_up)
        others = np.zeros_like(merged) if adds_up and len(restored) > 1 else merged
        restored = [merged, *[others] * (len(replicas) - 1)]
    for replica, value in zip(replicas, restored, strict=True):
        replica.assign(value)


def _merged(values: Sequence[np.ndarray], adds_up: bool) -> np.ndarray:
    """One value for replicas that had different ones."""
    if len(values) == 1:
        return values[0]
    total = np.sum([value.astype(np.float64) for value in values], axis=0)
    return (total if adds_up else total / len(values)).astype(values[0].dtype)


def _storable(value: np.ndarray) -> np.ndarray:
    """NumPy's files do not know bfloat16 and the like: their bits."""
    return value if value.dtype.isbuiltin == 1 else value.view(f"u{value.itemsize}")


def _as_stored(value: np.ndarray, dtype: str) -> np.ndarray:
    return value if str(value.dtype) == dtype else value.view(np.dtype(dtype))


def _opened(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _not_a_checkpoint(path) from error


def _notes(path: Path, archive: Any) -> dict[str, Any]:
    if _NOTES not in getattr(archive, "files", ()):
        raise _not_a_checkpoint(path)
    notes = json.loads(archive[_NOTES].tobytes())
    if notes["format"] != _FORMAT:
        raise ValueError(
            "The checkpoint in `directory` was written by another version of "
            f"keras_nonlocal. Received: directory={str(path.parent)!r}"
        )
    return notes


def _not_a_checkpoint(path: Path) -> ValueError:
    return ValueError(
        f"`directory` holds a file {path.name} that is no checkpoint. "
        f"Received: directory={str(path.parent)!r}"
    )
