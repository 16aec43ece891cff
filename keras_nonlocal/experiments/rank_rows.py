"""The rows and tables of signals and images, which the paper does not have."""

from dataclasses import dataclass, replace
from typing import ClassVar

from keras_nonlocal.experiments.rank_trainings import (
    RankBlock,
    RankTask,
    RankTraining,
)
from keras_nonlocal.experiments.rows import Comparison
from keras_nonlocal.experiments.trainings import SmallRecipe


@dataclass(frozen=True)
class RankRow:
    """A network for signals or images.

    Args:
        name: The name in the table, unique there.
        block: As in `RankTraining`.
    """

    paper: ClassVar[None] = None
    paper_cost: ClassVar[None] = None
    is_large: ClassVar[bool] = False
    is_in_paper: ClassVar[bool] = False

    name: str
    block: RankBlock


@dataclass(frozen=True)
class RankTable(Comparison[RankRow]):
    """A table of networks for signals or images.

    Args:
        name: The name on the command line.
        title: The question of the table.
        rows: The rows. The first is the baseline.
        claims: The differences to test.
        task: The signals or images.
        description: What they are and where they are from, in Markdown.
        length: Length of the runs, relative to the recipe.
        batch: Size of the batches, relative to the recipe.
        seeds: Default number of seeds.
    """

    measure: ClassVar[str] = "top-1 accuracy"

    task: RankTask
    description: str
    length: float
    batch: int
    seeds: int = 3

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing, if it is known."""
        return self.task.chance

    def trainings(
        self, recipe: SmallRecipe | None = None
    ) -> tuple[tuple[RankRow, RankTraining], ...]:
        """Returns the rows and their training runs."""
        recipe = recipe or SmallRecipe()
        scaled = replace(
            recipe,
            steps=max(1, round(recipe.steps * self.length)),
            batch_size=recipe.batch_size * self.batch,
        )
        return tuple(
            (row, RankTraining(task=self.task, block=row.block, recipe=scaled))
            for row in self.rows
        )

    def check_packages(self) -> None:
        """Raises an `ImportError` if the package with the data is not installed."""
        self.task.check_packages()
