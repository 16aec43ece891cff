"""The folder of results, from which several processes and machines take runs."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from keras_nonlocal.experiments.plans import AnyTraining
from keras_nonlocal.files import local_path, lock, replacing


class RunFolder:
    """A folder with one file per training run and seed.

    A file is named after the hash of all settings that its result depends on, and it
    appears only when the run is finished. A lock beside the file shows that a process
    is at work on it. The lock of a killed process has no effect.

    Args:
        path: The folder. It is created if it does not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = local_path("folder", path)
        self.weights = self.path / "weights"
        self._runs = self.path / "runs"
        for folder in (self.path, self.weights, self._runs):
            folder.mkdir(parents=True, exist_ok=True)

    def file(self, training: AnyTraining, seed: int) -> Path:
        """Returns the path of the result of a run."""
        return self._runs / f"{training.key}-{seed}.json"

    def is_done(self, training: AnyTraining, seed: int) -> bool:
        """Whether a run is finished."""
        return self.file(training, seed).exists()

    def claimed(
        self, training: AnyTraining, seed: int, *, waits: bool = False
    ) -> AbstractContextManager[None]:
        """Reserves a run for this process.

        Raises:
            InUseError: If another process has reserved it, unless `waits` is set.
        """
        return lock(self.file(training, seed), "folder", waits=waits)

    def claimed_for_all_seeds(
        self, training: AnyTraining
    ) -> AbstractContextManager[None]:
        """Tells other processes to start with another row, if there is one.

        Raises:
            InUseError: If another process has done so.
        """
        return lock(self._runs / training.key, "folder")

    def write(
        self, training: AnyTraining, seed: int, result: Mapping[str, Any]
    ) -> None:
        """Writes the result of a run."""
        values = {"training": training.to_dict(), "seed": seed, **result}
        write_json(self.file(training, seed), values)

    def read(self, training: AnyTraining, seeds: Sequence[int]) -> dict[int, Any]:
        """Returns the results of the finished runs by seed."""
        return {
            seed: json.loads(self.file(training, seed).read_text("utf-8"))
            for seed in seeds
            if self.is_done(training, seed)
        }


def write_json(path: Path, values: Any) -> None:
    """Writes values to a JSON file, completely or not at all."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """Writes a text file, completely or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, "utf-8")
