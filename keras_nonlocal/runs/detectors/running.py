"""`run_detector_training`: trains and tests a detector from settings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_nonlocal.detection import RegionModel
from keras_nonlocal.inference import CocoResult, evaluate_coco
from keras_nonlocal.runs.detectors.inputs import DetectorInputs, inputs_of_pictures
from keras_nonlocal.runs.detectors.network import compiled_detector
from keras_nonlocal.runs.detectors.plan import DetectorPlan
from keras_nonlocal.runs.detectors.settings import DetectorSettings
from keras_nonlocal.runs.plan import length_line
from keras_nonlocal.runs.training_run import TrainingRun, Verbose, strategy_of_run
from keras_nonlocal.training.workers.failures import worker_loss_named


@dataclass(frozen=True, eq=False)
class DetectorTrainingResult:
    """A finished training run of a detector.

    Attributes:
        settings: The settings.
        plan: The length of the run.
        class_names: Names of the classes.
        history: The logs of all epochs by name, such as `"loss"` and `"mask_loss"`.
        model: The trained detector.
        evaluation: COCO's figures of the test pictures, or `None` without any.
        folder: The run folder.
        model_path: The file of the model, for `keras.saving.load_model`.
        config: The content of `config.json`, except the versions.
        is_chief: Whether this process wrote the files. Of several workers, only one
            does.
    """

    settings: DetectorSettings
    plan: DetectorPlan
    class_names: tuple[str, ...]
    history: dict[str, list[float]]
    model: RegionModel
    evaluation: CocoResult | None
    folder: Path
    model_path: Path
    config: dict[str, Any]
    is_chief: bool


def run_detector_training(
    settings: DetectorSettings,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: Verbose = "auto",
    announce: Callable[[str], None] | None = None,
) -> DetectorTrainingResult:
    """Trains a detector of masks or keypoints, saves it and computes COCO's figures.

    If the run is interrupted at any moment, the same call resumes it and ends with the
    same weights. Afterwards, the run folder contains `model.keras`, `config.json`,
    `history.csv`, the class names, the detections of the test and the state for
    resuming. Training runs on the TensorFlow backend.

    Args:
        settings: Everything that the run depends on.
        callbacks: Additional callbacks for `fit`.
        verbose: As in `fit`.
        announce: Function such as `print`, called with lines about the length of the
            run, its projected duration, and whether it is resumed or already finished.
            Defaults to `None`.

    Returns:
        A `DetectorTrainingResult`.

    Raises:
        ValueError: If a setting is invalid, a picture cannot be read, or the run folder
            holds a run with different settings or pictures.
        NonFiniteLossError: If the weights are not finite after an epoch, or with
            `check_finite` as soon as the loss is not.
        WorkerLostError: If another worker has ended or cannot be reached.

    Example:

    >>> from keras_nonlocal.runs import DetectorSettings, run_detector_training
    >>> settings = DetectorSettings().replace(
    ...     annotations="train.json", images="train", test="val.json",
    ...     test_images="val", output="detector", horizontal_flip=True)
    >>> result = run_detector_training(settings)  # doctest: +SKIP
    >>> result.evaluation.mask["AP"]  # doctest: +SKIP
    """
    _check_backend(settings)
    with worker_loss_named():
        strategy = strategy_of_run(settings)
        inputs = inputs_of_pictures(settings)
        plan = DetectorPlan.of(settings.recipe, inputs)
        run = _DetectorRun.checked(settings, inputs, plan, strategy, verbose, announce)
        return run.result(DetectorTrainingResult, strategy, callbacks)


def _check_backend(settings: DetectorSettings) -> None:
    name = settings.run.strategy
    if name != "none" and keras.backend.backend() != "tensorflow":
        raise ValueError(
            '`strategy` must be "none" for detectors unless the backend of Keras is '
            f"TensorFlow. Received: strategy={name!r} with {keras.backend.backend()!r}"
        )


@dataclass(frozen=True)
class _DetectorRun(
    TrainingRun[DetectorSettings, DetectorInputs, DetectorPlan, CocoResult]
):
    """A checked training run of a detector."""

    def compiled_model(self) -> keras.Model:
        return compiled_detector(self.settings, self.inputs, self.plan)

    def length(self) -> str:
        plan, recipe = self.plan, self.settings.recipe
        is_chosen = recipe.epochs is None and recipe.updates is None
        pictures = (plan.num_pictures, "picture")
        length = length_line(plan.epochs, pictures, plan.updates, is_chosen)
        return length if self.inputs.test is not None else f"{length}; no test pictures"

    @property
    def speed_unit(self) -> str:
        return "pictures"

    def own_callbacks(self) -> Iterator[keras.callbacks.Callback]:
        yield from ()

    def evaluate(self, model: keras.Model) -> CocoResult:
        return evaluate_coco(
            model,
            self.inputs.test,
            results_file=self.folder.test_results,
            max_errors=self.settings.data.max_errors,
            verbose=int(self.verbose in ("auto", 1)),
        )
