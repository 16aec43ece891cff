"""Saves and restores training state.

The file `state.npz` is a NumPy archive with one array per variable and replica, the
states of the random generators, and `notes`. The notes are JSON, stored as bytes. They
contain the progress and the name, shape and dtype of each variable, which reveal a file
of a different model.
"""

import errno
import json
import struct
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from keras_nonlocal import files
from keras_nonlocal.training.resumable.process_state import (
    generator_states,
    restore_generators,
)
from keras_nonlocal.training.resumable.progress import Progress, parsed_progress
from keras_nonlocal.training.resumable.variables import (
    MetricValues,
    assign,
    is_learning_rate,
    replica_values,
    sections,
)

_FORMAT = 1
_NOTES = "notes"
_GENERATORS = "generators/"
# Whether one value of a metric is the sum over all replicas, and not that of each.
_HAS_SUMS = "metrics_are_sums"

# The arrays of a file, by name.
State = dict[str, np.ndarray]


def capture_state(
    model: keras.Model, progress: Progress, metrics: MetricValues
) -> State:
    """Copies the variables of a model, the random generators and the progress.

    Args:
        model: A compiled model whose variables exist.
        progress: The progress of the run.
        metrics: The result of `metric_values`.
    """
    arrays: State = {}
    rows = []
    for section, variables in sections(model).items():
        for i, variable in enumerate(variables):
            if section == "metrics":
                values = metrics[i]
            else:
                values = replica_values(model, variable)
            rows.append(_described(section, variable, len(values)))
            for replica, value in enumerate(values):
                arrays[f"{section}/{i}/{replica}"] = _storable(value)
    for name, state in generator_states().items():
        arrays[f"{_GENERATORS}{name}"] = state.copy()
    notes = {
        "format": _FORMAT,
        "progress": asdict(progress),
        "variables": rows,
        _HAS_SUMS: True,
    }
    arrays[_NOTES] = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    return arrays


def write_state(path: str, state: State) -> None:
    """Writes the result of `capture_state` atomically."""
    with files.replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]


def read_progress(path: str) -> Progress | None:
    """Returns the progress in a file, or `None` if the file does not exist.

    Raises:
        ValueError: If `write_state` did not write the file.
    """
    if not files.exists(path):
        return None
    with _Archive(path) as archive:
        try:
            return parsed_progress(archive.notes["progress"])
        except TypeError:
            raise archive.other_version() from None


def load_state(path: str, model: keras.Model, *, metrics: bool = False) -> None:
    """Assigns the values of a file to the variables of a model and its optimizer.

    Learning rates are also assigned if the file and the optimizer have the same number.

    Args:
        path: A file of `write_state`.
        model: A compiled model whose variables exist.
        metrics: Whether to also restore the sums of the metrics.

    Raises:
        ValueError: If the file belongs to a different model or optimizer.
    """
    wanted = {"model", "optimizer", *(["metrics"] if metrics else [])}
    variables = [
        (_described(section, variable, 0), variable)
        for section, members in sections(model).items()
        for variable in members
        if section in wanted  # Keras creates those of metrics in the first step.
    ]
    with _Archive(path) as archive:
        rows = [row for row in archive.rows if row["section"] in wanted]
        if _num_rates(rows) != _num_rates([row for row, _ in variables]):
            # A schedule has replaced a variable, or vice versa.
            rows = [row for row in rows if not _is_rate(row)]
            variables = [item for item in variables if not _is_rate(item[0])]
        archive.check_same([row for row, _ in variables], rows)
        # A damaged file changes nothing.
        values = [archive.values(row) for row in rows]
        for row, (_, variable), value in zip(rows, variables, values, strict=True):
            is_sum = len(value) > 1 or bool(archive.notes.get(_HAS_SUMS))
            adds_up = row["section"] == "metrics" and is_sum
            assign(model, variable, value, adds_up=adds_up)
        archive.restore_generators()


def load_generators(path: str) -> None:
    """Restores the random generators from a file."""
    with _Archive(path) as archive:
        archive.restore_generators()


class _Archive:
    """A file of `write_state`, opened for reading.

    Attributes:
        notes: The parsed notes.
        rows: The description of each variable, with its `"place"` in its section.
    """

    def __init__(self, path: str) -> None:
        self._folder = path.removesuffix("/state.npz")
        self._file = files.open_bytes(path)
        try:
            with self._damage_named():
                self._arrays = np.load(self._file, allow_pickle=False)
                self.notes = json.loads(self._arrays[_NOTES].tobytes())
                is_current = self.notes["format"] == _FORMAT
            if not is_current:
                raise self.other_version()
            with self._damage_named():
                self.rows = _with_places(self.notes["variables"])
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def values(self, row: Mapping[str, Any]) -> list[np.ndarray]:
        """Returns the values of a variable, one per saved replica."""
        name = f"{row['section']}/{row['place']}"
        with self._damage_named():
            values = [
                _as_stored(self._arrays[f"{name}/{replica}"], row["dtype"])
                for replica in range(row["num_replicas"])
            ]
            if any(list(value.shape) != row["shape"] for value in values):
                raise ValueError(row)
            return values

    def restore_generators(self) -> None:
        """Restores the random generators."""
        with self._damage_named():
            states = {
                name.removeprefix(_GENERATORS): self._arrays[name]
                for name in self._arrays.files
                if name.startswith(_GENERATORS)
            }
        restore_generators(states)

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Raises the error of a file that is damaged or of another kind."""
        try:
            yield
        except _DAMAGE as error:
            # A place before the beginning of the file.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ValueError(
                "`directory` must not hold a file state.npz that is damaged or not a "
                f"checkpoint. Received: directory={self._folder!r}"
            ) from error

    def check_same(
        self, own: Sequence[Mapping[str, Any]], saved: Sequence[Mapping[str, Any]]
    ) -> None:
        """Checks that the model's variables are those of the file."""
        for mine, theirs in zip(own, saved, strict=False):
            if any(mine[key] != theirs[key] for key in _IDENTITY):
                raise ValueError(
                    "`directory` must hold a checkpoint of this model and optimizer; "
                    f"the first variable that differs is {_called(mine)} here and "
                    f"{_called(theirs)} there. Received: directory={self._folder!r}"
                )
        if len(own) != len(saved):
            raise ValueError(
                "`directory` must hold a checkpoint of this model, optimizer and "
                f"metrics, which have {len(own)} variables. Received: "
                f"directory={self._folder!r} with {len(saved)}"
            )

    def other_version(self) -> ValueError:
        """Returns the error for a file that this version cannot read."""
        return ValueError(
            "`directory` must hold a checkpoint of this version of keras_nonlocal. "
            f"Received: directory={self._folder!r} of another version"
        )


_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    RuntimeError,  # a part that is marked as encrypted
    SyntaxError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_IDENTITY = ("section", "name", "shape", "dtype")


def _described(
    section: str, variable: keras.Variable, num_replicas: int
) -> dict[str, Any]:
    name = variable.name
    if section == "optimizer":
        # The rest contains the layer's name, whose number depends on the process.
        name = name.rpartition("_")[2]
    return {
        "section": section,
        "name": name,
        "shape": [*variable.shape],
        "dtype": str(keras.backend.standardize_dtype(variable.dtype)),
        "num_replicas": num_replicas,
    }


def _with_places(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    placed = []
    for row in rows:
        placed.append({**row, "place": counts[row["section"]]})
        counts[row["section"]] += 1
    return placed


def _is_rate(row: Mapping[str, Any]) -> bool:
    return is_learning_rate(row["section"], row["name"])


def _num_rates(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(map(_is_rate, rows))


def _called(row: Mapping[str, Any]) -> str:
    return f"{row['section']} {row['name']} {tuple(row['shape'])} {row['dtype']}"


def _storable(value: np.ndarray) -> np.ndarray:
    """Returns the bits of dtypes that NumPy files do not support, such as bfloat16."""
    return value if value.dtype.isbuiltin == 1 else value.view(f"u{value.itemsize}")


def _as_stored(value: np.ndarray, dtype: str) -> np.ndarray:
    return value if str(value.dtype) == dtype else value.view(np.dtype(dtype))
