"""The length of a training run, derived from the settings and the number of videos."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from keras_nonlocal.runs.inputs import TrainingInputs
from keras_nonlocal.runs.setting_groups import RecipeSettings
from keras_nonlocal.runs.settings import PAPER_UPDATES

CHOSEN_EPOCHS = 100
LEAST_UPDATES = 300


class _LengthOfRun(Protocol):
    @property
    def epochs(self) -> int | None: ...

    @property
    def updates(self) -> int | None: ...

    @property
    def gradient_accumulation(self) -> int: ...


class RunLength(NamedTuple):
    """The length of a run.

    Args:
        epochs: Number of epochs.
        updates: Number of updates of the weights.
    """

    epochs: int
    updates: int

    @classmethod
    def of(cls, recipe: _LengthOfRun, steps: int, chosen: int) -> "RunLength":
        """Rounds the length that a recipe asks for to whole epochs.

        Args:
            recipe: The recipe.
            steps: Number of batches in an epoch.
            chosen: Number of updates if the recipe asks for no length.

        Raises:
            ValueError: If the run is too short for one update.
        """
        accumulated = recipe.gradient_accumulation
        epochs = recipe.epochs
        if epochs is None:
            updates = recipe.updates or chosen
            epochs = max(round(updates * accumulated / steps), -(-accumulated // steps))
        updates = epochs * steps // accumulated
        if not updates:
            raise ValueError(
                "`gradient_accumulation` must be at most the number of batches of the "
                f"run, {epochs * steps}. "
                f"Received: gradient_accumulation={accumulated}"
            )
        return cls(epochs, updates)


@dataclass(frozen=True)
class TrainingPlan:
    """The length of a training run.

    Without `updates` and `epochs` in its settings, a run has 100 epochs, but at least
    300 updates, and at most the 400,000 of the paper.

    Attributes:
        num_videos: Number of training videos.
        num_validation_videos: Number of validation videos.
        num_test_videos: Number of test videos.
        classes: Number of classes.
        steps_per_epoch: Number of batches in an epoch.
        epochs: Number of epochs.
        updates: Number of weight updates in all epochs.
        first_learning_rate: The learning rate after scaling to the number of clips per
            update.
    """

    num_videos: int
    num_validation_videos: int
    num_test_videos: int
    classes: int
    steps_per_epoch: int
    epochs: int
    updates: int
    first_learning_rate: float

    @classmethod
    def of(cls, recipe: RecipeSettings, inputs: TrainingInputs) -> "TrainingPlan":
        """Creates the plan.

        Raises:
            ValueError: If the run is too short for one update.
        """
        from keras_nonlocal.training import scaled_learning_rate

        accumulated = recipe.gradient_accumulation
        steps = inputs.steps_per_epoch
        length = RunLength.of(recipe, steps, _chosen_updates(steps, accumulated))
        rate = recipe.learning_rate
        if recipe.learning_rate_batch_size is not None:
            rate = scaled_learning_rate(
                recipe.batch_size * accumulated, rate, recipe.learning_rate_batch_size
            )
        return cls(
            inputs.num_videos,
            inputs.num_validation_videos,
            inputs.num_test_videos,
            inputs.classes,
            steps,
            length.epochs,
            length.updates,
            rate,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes by name."""
        return asdict(self)


def describe_length(plan: TrainingPlan, recipe: RecipeSettings) -> str:
    """Describes the length of the run in one line, and how to change a default."""
    is_chosen = recipe.epochs is None and recipe.updates is None
    return length_line(plan.epochs, (plan.num_videos, "video"), plan.updates, is_chosen)


def length_line(
    epochs: int, files: tuple[int, str], updates: int, is_chosen: bool
) -> str:
    """Describes the length of a run in one line, and how to change a default.

    Args:
        epochs: Number of epochs.
        files: Number of files, and what they are, in the singular.
        updates: Number of updates of the weights.
        is_chosen: Whether the length depends on the number of files.
    """
    parts = ((epochs, "epoch"), files, (updates, "update"))
    words = (f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in parts)
    length = "{} of {}, {}".format(*words)
    if is_chosen:
        length += (
            f"; chosen for this number of {files[1]}s, `epochs` or `updates` changes it"
        )
    return length


def _chosen_updates(steps: int, accumulated: int) -> int:
    chosen = max(CHOSEN_EPOCHS * steps // accumulated, LEAST_UPDATES)
    return min(chosen, PAPER_UPDATES)
