"""`RankTraining`: all settings that determine a run on signals or images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_nonlocal.experiments.appliances import ApplianceTask
from keras_nonlocal.experiments.digit_pairs import DigitPairTask
from keras_nonlocal.experiments.speakers import SpeakerTask
from keras_nonlocal.experiments.trainings import SmallRecipe, hash_of

if TYPE_CHECKING:
    from keras_nonlocal.experiments.rank_trainer import RankTrainer

RankTask = SpeakerTask | DigitPairTask | ApplianceTask
RankBlock = Literal[
    "none",
    "hidden",
    "gaussian",
    "embedded_gaussian",
    "dot_product",
    "concatenation",
    "convolution",
    "attention",
]
RANK_TASKS: dict[str, type[RankTask]] = {
    task.kind: task for task in (SpeakerTask, DigitPairTask, ApplianceTask)
}
# Single digits in large black images take longer to learn than the stills of clips.
_SINGLES_LENGTH = 3
# Changes in the code that change results.
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SinglesTraining:
    """A training run on images of single digits."""

    task: DigitPairTask
    recipe: SmallRecipe

    @property
    def steps(self) -> int:
        """Number of updates."""
        return _SINGLES_LENGTH * self.recipe.still_steps

    @property
    def key(self) -> str:
        """A hash of all that the result depends on, except the seed."""
        recipe = self.recipe
        used = (
            self.steps,
            recipe.batch_size,
            recipe.learning_rate,
            recipe.weight_decay,
        )
        return hash_of(["singles", _VERSION, asdict(self.task), used])


@dataclass(frozen=True, kw_only=True)
class RankTraining:
    """A training run on signals or images, for any seed.

    Args:
        task: The signals or images.
        block: What stands in the middle of the network: a mode of `NonLocalBlock`,
            `"convolution"`, `"attention"` for `keras.layers.MultiHeadAttention`, or
            `"none"`. With `"hidden"`, nothing does, but a hidden layer follows the
            average over all positions.
        recipe: The recipe. Networks for images learn single digits first, for three
            times `still_steps`. The fields `still_batch_size` and `precise_batches`
            have no effect.
    """

    continues: ClassVar[None] = None

    task: RankTask
    block: RankBlock
    recipe: SmallRecipe

    @property
    def singles(self) -> SinglesTraining | None:
        """The run whose network gives the first half, if things are learned singly."""
        if isinstance(self.task, DigitPairTask):
            return SinglesTraining(task=self.task, recipe=self.recipe)
        return None

    @property
    def key(self) -> str:
        """A hash of all that the result depends on, except the seed."""
        return hash_of([_VERSION, self.to_dict()])

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings in JSON types."""
        return {
            "kind": self.task.kind,
            "task": asdict(self.task),
            "block": self.block,
            "recipe": asdict(self.recipe),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RankTraining":
        """Creates a run from the result of `to_dict`."""
        return cls(
            task=RANK_TASKS[values["kind"]](**values["task"]),
            block=values["block"],
            recipe=SmallRecipe(**values["recipe"]),
        )

    @property
    def cost(self) -> float:
        """The approximate time of a run, in the unit of `Training.cost`."""
        return 0.25 * self.recipe.steps

    def trainer(self, folder: Path) -> "RankTrainer":
        """Returns what trains and tests the run, with weights in a folder."""
        from keras_nonlocal.experiments.rank_trainer import RankTrainer

        return RankTrainer(self, folder)
