"""`Training`: all settings that determine a small-scale run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_nonlocal.architectures import DEPTHS
from keras_nonlocal.experiments.relation_clips import NUM_COMBINATIONS, ClipTask
from keras_nonlocal.experiments.rows import BlockKind, Layout, Row
from keras_nonlocal.runs import NetworkSettings
from keras_nonlocal.runs.typed_values import as_json

if TYPE_CHECKING:
    from keras_nonlocal.experiments.clip_training import ClipTrainer

# Changes in the code that change results.
_VERSION = 1

# The paper's N(0, 0.01) is meant for hundreds of channels. In networks this narrow, the
# outputs of the blocks would be below the ε of the batch normalization, by a factor
# that depends on the mode.
KERNEL_INITIALIZER = "he_normal"
WIDTH = 8
# The task and the recipe were chosen on smaller seeds.
_FIRST_SEED = 101


@dataclass(frozen=True, kw_only=True)
class SmallRecipe:
    """The recipe of training runs at small scale.

    Args:
        steps: Number of updates on clips.
        batch_size: Number of clips per update.
        learning_rate: Initial rate of AdamW, lowered to 0 along a cosine.
        weight_decay: Decoupled weight decay.
        still_steps: Number of updates of the image network.
        still_batch_size: Number of images per update.
        validations: Number of validations, evenly spread.
        validation_clips: Number of clips in each.
        test_clips: Number of clips in the test, which takes place once, at the end. At
            least 12.
        precise_batches: Number of batches for the final statistics of the batch
            normalization.
    """

    steps: int = 240
    batch_size: int = 16
    learning_rate: float = 0.002
    weight_decay: float = 1e-4
    still_steps: int = 200
    still_batch_size: int = 32
    validations: int = 8
    validation_clips: int = 96
    test_clips: int = 1020
    precise_batches: int = 2

    def __post_init__(self) -> None:
        if self.test_clips < NUM_COMBINATIONS:
            raise ValueError(
                f"`test_clips` must be at least {NUM_COMBINATIONS}, so that every kind "
                f"of clip is tested. Received: test_clips={self.test_clips}"
            )


@dataclass(frozen=True, kw_only=True)
class StillTraining:
    """A training run of an image network on stills."""

    depth: int
    width: int
    size: int
    recipe: SmallRecipe

    @property
    def key(self) -> str:
        """A hash of all that the result depends on, except the seed."""
        recipe = self.recipe
        used = (
            recipe.still_steps,
            recipe.still_batch_size,
            recipe.learning_rate,
            recipe.weight_decay,
        )
        return hash_of(["stills", self.depth, self.width, self.size, used])


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training run on clips, for any seed.

    Args:
        network: The network.
        task: The clips.
        recipe: The recipe.
        block: What stands at the places of the blocks.
        continues: The run whose network is fine-tuned with frozen batch normalization.
            Defaults to `None`, an image network that is inflated.
    """

    network: NetworkSettings
    task: ClipTask
    recipe: SmallRecipe
    block: BlockKind = "nonlocal"
    continues: "Training | None" = None

    @property
    def stills(self) -> StillTraining:
        """The run whose image network is inflated."""
        return StillTraining(
            depth=self.network.depth,
            width=self.network.width,
            size=self.task.size,
            recipe=self.recipe,
        )

    @property
    def key(self) -> str:
        """A hash of all that the result depends on, except the seed."""
        return hash_of(self.to_dict())

    @property
    def measures_attention(self) -> bool:
        """Whether the result tells what the blocks look at."""
        network = self.network
        return (
            self.block == "nonlocal"
            and network.nonlocal_blocks == 5
            and network.nonlocal_scope == "spacetime"
            and network.variant == "c2d"
            and self.task.labels == "class"
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings in JSON types."""
        network = {
            name: as_json(getattr(self.network, name))
            for name in self.network.__dataclass_fields__
        }
        return {
            "network": network,
            "task": asdict(self.task),
            "recipe": asdict(self.recipe),
            "block": self.block,
            "continues": None if self.continues is None else self.continues.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Training":
        """Creates a run from the result of `to_dict`."""
        continues = values["continues"]
        return cls(
            network=NetworkSettings(**values["network"]),
            task=ClipTask(**values["task"]),
            recipe=SmallRecipe(**values["recipe"]),
            block=values["block"],
            continues=None if continues is None else cls.from_dict(continues),
        )

    @property
    def cost(self) -> float:
        """The approximate time of a run, in an arbitrary unit, for projections."""
        task, recipe = self.task, self.recipe
        clip = task.num_frames * task.size**2 / (8 * 32**2)
        blocks = self.network.nonlocal_blocks
        count = blocks if isinstance(blocks, int) else len(blocks)
        depth = sum(DEPTHS[self.network.depth].blocks) / sum(DEPTHS[50].blocks)
        return recipe.steps * (0.3 + 0.7 * clip) * (depth + 0.03 * count)

    def trainer(self, folder: Path) -> "ClipTrainer":
        """Returns what trains and tests the run, with weights in a folder."""
        from keras_nonlocal.experiments.clip_training import ClipTrainer, StillTrainer

        return ClipTrainer(self, StillTrainer(self.stills, folder), folder)


def seeds_of(count: int) -> tuple[int, ...]:
    """Returns the seeds of a number of runs."""
    return tuple(range(_FIRST_SEED, _FIRST_SEED + count))


def training_of(
    row: Row, layout: Layout, recipe: SmallRecipe | None = None
) -> Training:
    """Returns the training run of a row at small scale.

    Args:
        row: The row.
        layout: The clips of its table.
        recipe: The recipe, whose number of steps is multiplied by the length of the
            layout. Defaults to `SmallRecipe()`.
    """
    recipe = recipe or SmallRecipe()
    continues = None
    if layout.continues is not None:
        continues = training_of(row, layout.continues, recipe)
    return Training(
        network=NetworkSettings(
            **{
                "variant": "c2d",
                "weights": None,
                "width": WIDTH,
                "nonlocal_blocks": 0,
                "nonlocal_mode": "embedded_gaussian",
                "nonlocal_pool_size": None,
                "nonlocal_options": {"kernel_initializer": KERNEL_INITIALIZER},
                "stem_temporal_strides": layout.stem_temporal_strides,
                "normalization": "frozen_batch" if continues else "batch",
                **row.network,
            }
        ),
        task=replace(layout.task, other_digit=row.other_digit),
        recipe=replace(
            recipe,
            steps=max(1, round(recipe.steps * layout.length)),
            learning_rate=recipe.learning_rate * (0.25 if continues else 1),
        ),
        block=row.block,
        continues=continues,
    )


def hash_of(values: Any) -> str:
    """Returns a hash of settings in JSON types."""
    text = json.dumps([_VERSION, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
