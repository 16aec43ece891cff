"""Trains and tests a small network for signals or images for one seed after another."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.experiments.digits import Part
from keras_nonlocal.experiments.fitting import (
    Batch,
    compile_model,
    fit,
    restart,
)
from keras_nonlocal.experiments.rank_networks import (
    copy_first_half,
    rank_complexity_of,
    rank_network_of,
    single_network_of,
)
from keras_nonlocal.experiments.rank_trainings import RankTraining, SinglesTraining
from keras_nonlocal.experiments.start_trainer import StartTrainer


class SinglesTrainer(StartTrainer):
    """Trains the networks for single things whose first half other runs start from.

    Args:
        training: The run.
        folder: Folder of the weights.
    """

    def __init__(self, training: SinglesTraining, folder: Path) -> None:
        super().__init__(training, training.steps, folder)
        self.training = training

    def _new(self, seed: int) -> keras.Model:
        return single_network_of(self.training.task, seed)

    def _batch(self, seed: int, step: int) -> Batch:
        task, size = self.training.task, self.training.recipe.batch_size
        return task.draw_singles("training", size, seed, step)


class RankTrainer:
    """Trains and tests the network of a row; its graph is traced only once.

    Args:
        training: The run.
        folder: Folder of the weights.
    """

    def __init__(self, training: RankTraining, folder: Path) -> None:
        self.training = training
        self.starts: SinglesTrainer | None = None
        if training.singles is not None:
            self.starts = SinglesTrainer(training.singles, folder)
        self._compiled: keras.Model | None = None

    def run(
        self, seed: int, report: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Trains and tests the network of a seed.

        Args:
            seed: The seed of data, order and initial values.
            report: Called with the finished fraction after each validation.

        Returns:
            The result in JSON types.
        """
        began, began_processor = time.monotonic(), time.process_time()
        recipe = self.training.recipe
        model = self._restarted(seed)
        curve = fit(
            model,
            recipe,
            lambda step: self._draw("training", recipe.batch_size, seed, step),
            lambda: (
                1
                - _accuracy(
                    model, self._draw("validation", recipe.validation_clips, seed, 0)
                )
            ),
            report,
        )
        test = self._draw("test", recipe.test_clips, seed, 0)
        counts = rank_complexity_of(model)
        return {
            "score": _accuracy(model, test),
            "by_kind": {},
            "curve": vars(curve),
            "attention": [],
            "parameters": counts.parameters,
            "multiply_adds": counts.multiply_adds,
            "seconds": round(time.monotonic() - began, 2),
            "processor_seconds": round(time.process_time() - began_processor, 2),
        }

    def _draw(self, part: Part, count: int, seed: int, batch: int) -> Batch:
        return self.training.task.draw(part, count, seed, batch)

    def _restarted(self, seed: int) -> keras.Model:
        """Returns the compiled network with the initial values of a seed."""
        model = rank_network_of(self.training, seed)
        if self.starts is not None:
            copy_first_half(self.starts.network(seed), model)
        if self._compiled is None:
            compile_model(model, self.training.recipe)
            self._compiled = model
        return restart(self._compiled, model)


def _accuracy(model: keras.Model, batch: Batch) -> float:
    inputs, labels = batch
    found = model.predict(inputs, batch_size=128, verbose=0).argmax(axis=1)
    return float(np.mean(found == labels))
