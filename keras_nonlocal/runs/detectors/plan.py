"""The length of a detector's training run."""

from dataclasses import asdict, dataclass
from typing import Any

from keras_nonlocal.runs.detectors.inputs import DetectorInputs
from keras_nonlocal.runs.detectors.settings import DetectorRecipeSettings
from keras_nonlocal.runs.plan import RunLength
from keras_nonlocal.training.detector_schedules import (
    DETECTOR_BATCH_SIZE,
    DETECTOR_SCHEDULES,
    ScheduleName,
    scaled_updates,
)

LEAST_UPDATES = 1_000
# Those of train2017 with objects, for which the schedules were made.
COCO_PICTURES = 117_266


@dataclass(frozen=True)
class DetectorPlan:
    """The length of a detector's training run.

    Without `updates` and `epochs` in its settings, a run has as many epochs as the
    schedule has on COCO, 12.3 for `"1x"`, but at least 1,000 updates, and at most the
    pictures of the schedule.

    Attributes:
        num_pictures: Number of training pictures.
        num_test_pictures: Number of pictures of the final test.
        classes: Number of classes.
        steps_per_epoch: Number of batches in an epoch.
        epochs: Number of epochs.
        updates: Number of weight updates in all epochs.
    """

    num_pictures: int
    num_test_pictures: int
    classes: int
    steps_per_epoch: int
    epochs: int
    updates: int

    @classmethod
    def of(
        cls, recipe: DetectorRecipeSettings, inputs: DetectorInputs
    ) -> "DetectorPlan":
        """Creates the plan.

        Raises:
            ValueError: If the run is too short for one update.
        """
        steps = inputs.steps_per_epoch
        length = RunLength.of(recipe, steps, _chosen_updates(recipe, steps))
        return cls(
            inputs.num_pictures,
            inputs.num_test_pictures,
            len(inputs.class_names),
            steps,
            length.epochs,
            length.updates,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes by name."""
        return asdict(self)


def schedule_name(recipe: DetectorRecipeSettings) -> ScheduleName:
    """Returns the published schedule whose length a run has by default."""
    return "1x" if recipe.schedule == "cosine" else recipe.schedule


def _chosen_updates(recipe: DetectorRecipeSettings, steps: int) -> int:
    name = schedule_name(recipe)
    seen = DETECTOR_SCHEDULES[name].updates * DETECTOR_BATCH_SIZE
    of_coco = seen / COCO_PICTURES * steps / recipe.gradient_accumulation
    batch_size = recipe.batch_size * recipe.gradient_accumulation
    return min(max(round(of_coco), LEAST_UPDATES), scaled_updates(name, batch_size))
