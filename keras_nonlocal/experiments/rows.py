"""The types of the tables: rows, tables, and what the paper claims about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from keras_nonlocal.experiments.relation_clips import ClipTask
from keras_nonlocal.optional_packages import import_digits

if TYPE_CHECKING:
    from keras_nonlocal.experiments.trainings import SmallRecipe, Training

BlockKind = Literal["nonlocal", "global_context"]


@dataclass(frozen=True)
class Row:
    """A network of a table, as its differences from the plain C2D of R50.

    Args:
        name: The name in the table, unique there.
        network: Fields of `keras_nonlocal.runs.NetworkSettings` with their values.
        paper: The paper's top-1 accuracy or mAP in percent, or `None`.
        paper_cost: The paper's ratios of the parameters and the FLOPs to those of the
            table's first row, or `None`.
        block: `"nonlocal"`, or `"global_context"` for a row whose blocks only average
            over all positions. The paper has no such row.
        other_digit: As in `ClipTask`.
        is_large: Whether the row is left out unless it is asked for.
    """

    name: str
    network: Mapping[str, Any] = field(default_factory=dict)
    paper: float | None = None
    paper_cost: tuple[float, float] | None = None
    block: BlockKind = "nonlocal"
    other_digit: Literal["opposite", "independent"] = "opposite"
    is_large: bool = False

    @property
    def is_in_paper(self) -> bool:
        """Whether the row can be trained on the paper's data sets."""
        return self.block == "nonlocal" and self.other_digit == "opposite"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


AnyRow = TypeVar("AnyRow", bound=_Named)


@dataclass(frozen=True)
class Claim:
    """A difference that the paper reports.

    Args:
        better: Name of the row with the higher accuracy.
        worse: Name of the row with the lower accuracy.
        is_in_paper: Whether the paper makes the claim. The others are our questions.
    """

    better: str
    worse: str
    is_in_paper: bool = True


@dataclass(frozen=True)
class Layout:
    """The clips of a table at small scale and in the paper.

    Args:
        task: The small clips.
        length: Length of the small runs, relative to the recipe.
        stem_temporal_strides: Of the small networks.
        paper_clips: Fields of `keras_nonlocal.runs.ClipSettings` in the paper.
        continues: The layout whose trained networks are fine-tuned with frozen batch
            normalization, or `None` for networks inflated from an image network.
    """

    task: ClipTask
    length: float = 1.0
    stem_temporal_strides: tuple[int, int] = (1, 1)
    paper_clips: Mapping[str, Any] = field(
        default_factory=lambda: {"num_frames": 32, "frame_stride": 2}
    )
    continues: "Layout | None" = None


@dataclass(frozen=True)
class Comparison(Generic[AnyRow]):
    """A table of the experiments: rows, and claims about their differences.

    Args:
        name: The name on the command line.
        title: The question of the table.
        rows: The rows. The first is the baseline.
        claims: The differences to test.
    """

    name: str
    title: str
    rows: tuple[AnyRow, ...]
    claims: tuple[Claim, ...]

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        assert len({*names}) == len(names)
        assert all({claim.better, claim.worse} <= {*names} for claim in self.claims)

    @property
    def heading(self) -> str:
        """The name as a heading, such as "Table a" or "Figure 4"."""
        if len(self.name) == 1:
            return f"Table {self.name}"
        return re.sub(r"(?<=[a-z])(?=\d)", " ", self.name).capitalize()

    @property
    def baseline(self) -> AnyRow:
        """The row to which all others are compared."""
        return self.rows[0]

    def row(self, name: str) -> AnyRow:
        """Returns the row with a name."""
        return next(row for row in self.rows if row.name == name)


@dataclass(frozen=True)
class Table(Comparison[Row]):
    """A table of the paper.

    Args:
        name: The name on the command line.
        title: The question of the table.
        rows: The rows. The first is the baseline.
        claims: The differences to test.
        layout: The clips.
        seeds: Default number of seeds at small scale.
        data: The data set of the paper.
    """

    layout: Layout
    seeds: int = 3
    data: Literal["kinetics", "charades"] = "kinetics"

    @property
    def measure(self) -> str:
        """Name of the score of the test clips."""
        if self.layout.task.labels == "class":
            return "top-1 accuracy"
        return "mean average precision"

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing, if it is known."""
        return 0.5 if self.layout.task.labels == "class" else None

    def trainings(
        self, recipe: "SmallRecipe | None" = None
    ) -> tuple[tuple[Row, "Training"], ...]:
        """Returns the rows and their training runs at small scale."""
        from keras_nonlocal.experiments.trainings import training_of

        return tuple((row, training_of(row, self.layout, recipe)) for row in self.rows)

    def check_packages(self) -> None:
        """Raises an `ImportError` if scikit-learn, which has digits, is missing."""
        import_digits()
