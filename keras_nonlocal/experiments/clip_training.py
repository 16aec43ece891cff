"""Trains and tests the network of a row for one seed after another."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.experiments.attention_shares import attention_shares
from keras_nonlocal.experiments.fitting import (
    Batch,
    Curve,
    compile_model,
    fit,
    restart,
)
from keras_nonlocal.experiments.networks import (
    clip_network_of,
    complexity_of,
    image_network_of,
)
from keras_nonlocal.experiments.relation_clips import (
    KINDS,
    NUM_CLASSES,
    ClipTask,
    Part,
    Scenes,
    draw_clips,
    draw_stills,
)
from keras_nonlocal.experiments.start_trainer import StartTrainer
from keras_nonlocal.experiments.trainings import SmallRecipe, StillTraining, Training
from keras_nonlocal.experiments.weight_files import load_weights, save_weights
from keras_nonlocal.metrics import MeanAveragePrecision
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.training import update_batch_norm_statistics
from keras_nonlocal.weights import inflate

# A multiple of 12 has every kind of clip equally often.
_EVALUATED_AT_ONCE = 60
# Batches with larger numbers are not used for training.
_PRECISE_BATCHES = 10**6
_PRECISE_BATCH_SIZE = 120


class StillTrainer(StartTrainer):
    """Trains the image networks that runs on clips start from.

    Args:
        training: The run.
        folder: Folder of the weights.
    """

    def __init__(self, training: StillTraining, folder: Path) -> None:
        super().__init__(training, training.recipe.still_steps, folder)
        self.training = training

    def _new(self, seed: int) -> keras.Model:
        return image_network_of(self.training, seed)

    def _batch(self, seed: int, step: int) -> Batch:
        task = ClipTask(size=self.training.size)
        size = self.training.recipe.still_batch_size
        images, label = draw_stills(task, "training", size, seed, step)
        return images.astype("float32"), label


class ClipTrainer:
    """Trains and tests the network of a row; its graph is traced only once.

    Args:
        training: The run.
        stills: The image networks.
        folder: Folder of the weights.
    """

    def __init__(self, training: Training, stills: StillTrainer, folder: Path) -> None:
        self.training = training
        self._stills = stills
        self._folder = folder
        self._compiled: keras.Model | None = None

    @property
    def starts(self) -> StillTrainer | None:
        """The image networks, if the run starts from one."""
        return self._stills if self.training.continues is None else None

    def file(self, seed: int) -> Path:
        """Returns the path of the trained weights."""
        return self._folder / f"{self.training.key}-{seed}.npz"

    def run(
        self, seed: int, report: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Trains and tests the network of a seed.

        Args:
            seed: The seed of clips, order and initial values.
            report: Called with the finished fraction after each validation.

        Returns:
            The result in JSON types.
        """
        began, began_processor = time.monotonic(), time.process_time()
        model = self._restarted(seed)
        curve = self._train(model, seed, report)
        recipe, task = self.training.recipe, self.training.task
        if self.training.continues is None:
            update_batch_norm_statistics(
                model, self._precise_batches(seed), recipe.precise_batches
            )
        outputs, scenes = evaluate(model, task, "test", recipe.test_clips, seed)
        save_weights(self.file(seed), model)
        counts = complexity_of(model)
        shares = []
        if self.training.measures_attention:
            shares = attention_shares(model, task, seed)
        return {
            "score": score_of(task, outputs, scenes),
            "by_kind": accuracy_by_kind(outputs, scenes),
            "curve": vars(curve),
            "attention": [share.to_dict() for share in shares],
            "parameters": counts.parameters,
            "multiply_adds": counts.multiply_adds,
            "seconds": round(time.monotonic() - began, 2),
            "processor_seconds": round(time.process_time() - began_processor, 2),
        }

    def _train(
        self, model: keras.Model, seed: int, report: Callable[[float], None] | None
    ) -> Curve:
        recipe, task = self.training.recipe, self.training.task

        def batch_of(step: int) -> Batch:
            clips, scenes = draw_clips(task, "training", recipe.batch_size, seed, step)
            return clips.astype("float32"), task.targets(scenes)

        def validate() -> float:
            count = recipe.validation_clips
            return 1 - accuracy(*evaluate(model, task, "validation", count, seed))

        return fit(model, recipe, batch_of, validate, report)

    def _precise_batches(self, seed: int) -> Iterator[np.ndarray]:
        for number in range(self.training.recipe.precise_batches):
            clips, _ = draw_clips(
                self.training.task,
                "training",
                _PRECISE_BATCH_SIZE,
                seed,
                _PRECISE_BATCHES + number,
            )
            yield clips.astype("float32")

    def _restarted(self, seed: int) -> keras.Model:
        """Returns the compiled network with the initial values of a seed."""
        model = clip_network_of(self.training, seed)
        if self.training.continues is None:
            inflate(self._stills.network(seed), model, strict=False)
        else:
            key = self.training.continues.key
            load_weights(self._folder / f"{key}-{seed}.npz", model)
        if self._compiled is None:
            recipe = self.training.recipe
            _compile(model, recipe, self.training.task.labels)
            self._compiled = model
        return restart(self._compiled, model)


def evaluate(
    model: keras.Model, task: ClipTask, part: Part, count: int, seed: int
) -> tuple[np.ndarray, Scenes]:
    """Returns the scores of clips, `(clips, outputs)`, and their contents."""
    outputs, contents = [], []
    for batch, begin in enumerate(range(0, count, _EVALUATED_AT_ONCE)):
        size = min(_EVALUATED_AT_ONCE, count - begin)
        clips, scenes = draw_clips(task, part, size, seed, batch)
        outputs.append(model.predict_on_batch(clips.astype("float32")))
        contents.append(scenes)
    joined = Scenes(*(np.concatenate(each) for each in zip(*contents, strict=True)))
    return np.concatenate(outputs), joined


def accuracy(outputs: np.ndarray, scenes: Scenes) -> float:
    """Returns the share of clips whose digit in the ring's color is found."""
    return float(_is_right(outputs, scenes).mean())


def accuracy_by_kind(outputs: np.ndarray, scenes: Scenes) -> dict[str, float]:
    """Returns the accuracy on the clips of each kind."""
    right = _is_right(outputs, scenes)
    return {
        kind: float(right[scenes.kind == index].mean())
        for index, kind in enumerate(KINDS)
    }


def score_of(task: ClipTask, outputs: np.ndarray, scenes: Scenes) -> float:
    """Returns the accuracy, or the mean average precision of several labels."""
    if task.labels == "class":
        return accuracy(outputs, scenes)
    metric = MeanAveragePrecision(task.num_outputs, capacity=len(outputs))
    metric.update_state(task.targets(scenes), outputs)
    return float(metric.result())


def _is_right(outputs: np.ndarray, scenes: Scenes) -> np.ndarray:
    return outputs[:, :NUM_CLASSES].argmax(axis=1) == scenes.label


def _digit_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    found, expected = (
        keras.ops.argmax(x[:, :NUM_CLASSES], axis=1) for x in (y_pred, y_true)
    )
    return keras.ops.cast(found == expected, "float32")


def _compile(model: keras.Model, recipe: SmallRecipe, labels: str) -> None:
    if labels == "class":
        compile_model(model, recipe)
    else:
        metric = keras.metrics.MeanMetricWrapper(_digit_accuracy, name="accuracy")
        compile_model(model, recipe, "binary_crossentropy", metric)
