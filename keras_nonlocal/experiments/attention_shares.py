"""Measures how often a block attends from the ring to the digit in its color."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_nonlocal.experiments.relation_clips import (
    NUM_PLACES,
    QUARTERS,
    RING,
    ClipTask,
    OtherDigit,
    Scenes,
    draw_clips,
)
from keras_nonlocal.layers import NonLocalBlock

_CLIPS = 120
_OWN, _OTHER = 0, 1
CLIP_KINDS: tuple[OtherDigit, ...] = ("opposite", "independent")


@dataclass(frozen=True)
class AttentionShare:
    """Where the strongest weights of a block point from the ring.

    Args:
        block: Name of the layer.
        clips: `"opposite"` for clips with one 0 and one 1, of which either answers, or
            `"independent"` for clips in which only the ring's own digit answers.
        own: Share of the ring's positions whose strongest weight is on the digit in the
            ring's color.
        other: The same for the digit in the other color.
        ring: The same for the ring itself.
        uniform: The share if all weights were equal: that of one place in one quarter
            of the clip.
    """

    block: str
    clips: OtherDigit
    own: float
    other: float
    ring: float
    uniform: float = 1 / (NUM_PLACES * QUARTERS)

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes by name."""
        return dict(vars(self))


def attention_shares(
    model: keras.Model, task: ClipTask, seed: int
) -> list[AttentionShare]:
    """Measures all blocks of a network on test clips.

    Args:
        model: A trained network with blocks in the scope `"spacetime"`.
        task: The clips on which it was trained.
        seed: Seed of the clips.
    """
    blocks = [
        layer
        for layer in model.layers
        if isinstance(layer, NonLocalBlock) and layer.scope == "spacetime"
    ]
    features = keras.Model(model.input, [block.input for block in blocks])
    found = []
    for clip_kind in CLIP_KINDS:
        clips, scenes = draw_clips(
            replace(task, other_digit=clip_kind), "test", _CLIPS, seed
        )
        inputs = features(clips.astype("float32"), training=False)
        for block, x in zip(blocks, keras.tree.flatten(inputs), strict=True):
            weights = keras.ops.convert_to_numpy(block.attention_scores(x))[:, 0]
            shares = strongest_shares(weights, tuple(x.shape[1:-1]), scenes)
            found.append(AttentionShare(block.name, clip_kind, *shares))
    return found


def strongest_shares(
    weights: np.ndarray, positions: Sequence[int], scenes: Scenes
) -> tuple[float, float, float]:
    """Returns the shares of the own digit, the other digit and the ring.

    Args:
        weights: `(clips, N, N)`, the weights of a block without pooling.
        positions: Frames, rows and columns, whose product is N.
        scenes: The contents of the clips.
    """
    cells = _cells(positions)
    strongest = cells[weights.argmax(axis=-1)]
    cell_of = scenes.quarter * NUM_PLACES + scenes.place
    from_ring = cells == cell_of[:, RING, None]
    own, other, ring = (
        float((strongest == cell_of[:, thing, None])[from_ring].mean())
        for thing in (_OWN, _OTHER, RING)
    )
    return own, other, ring


def _cells(positions: Sequence[int]) -> np.ndarray:
    """Returns the quarter and place of each position, as one number, `(N,)`."""
    frames, rows, columns = (np.arange(size) for size in positions)
    quarter = frames * QUARTERS // positions[0]
    row = rows * 2 // positions[1]
    column = columns * 2 // positions[2]
    cell = quarter[:, None, None] * NUM_PLACES + row[:, None] * 2 + column
    return cell.ravel()
