"""`StartTrainer`: trains the networks that longer runs start from."""

import abc
from pathlib import Path
from typing import Any

import keras

from keras_nonlocal.experiments.fitting import (
    Batch,
    compile_model,
    restart,
    set_learning_rate,
)
from keras_nonlocal.experiments.weight_files import load_weights, save_weights


class StartTrainer(abc.ABC):
    """Trains a network for each seed; its graph is traced only once.

    Args:
        training: The run, with a `recipe` and a `key`.
        steps: Number of training steps.
        folder: Folder of the weights.
    """

    def __init__(self, training: Any, steps: int, folder: Path) -> None:
        self._training = training
        self._steps = steps
        self._folder = folder
        self._compiled: keras.Model | None = None

    @abc.abstractmethod
    def _new(self, seed: int) -> keras.Model:
        """Returns the network with the initial values of a seed."""

    @abc.abstractmethod
    def _batch(self, seed: int, step: int) -> Batch:
        """Returns the batch of a step."""

    def file(self, seed: int) -> Path:
        """Returns the path of the trained weights."""
        return self._folder / f"{self._training.key}-{seed}.npz"

    def train(self, seed: int) -> None:
        """Trains and saves the network of a seed."""
        recipe = self._training.recipe
        model = self._new(seed)
        if self._compiled is None:
            compile_model(model, recipe)
            self._compiled = model
        model = restart(self._compiled, model)
        for step in range(self._steps):
            batch = self._batch(seed, step)
            set_learning_rate(model, recipe, step / self._steps)
            model.train_on_batch(*batch)
        save_weights(self.file(seed), model)

    def network(self, seed: int) -> keras.Model:
        """Returns the trained network of a seed."""
        model = self._new(seed)
        load_weights(self.file(seed), model)
        return model
