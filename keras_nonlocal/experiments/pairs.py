"""Pairs of things of the same kind, or of two kinds, equally often."""

from typing import NamedTuple

import numpy as np


class Pairs(NamedTuple):
    """Pairs of numbers of things.

    Args:
        first: `(pairs,)`, the numbers of the first things.
        second: `(pairs,)`, those of the second things, which are never the same ones.
        is_same: `(pairs,)`, 1 if both are of one kind, or 0.
    """

    first: np.ndarray
    second: np.ndarray
    is_same: np.ndarray


def draw_pairs(rng: np.random.Generator, kinds: np.ndarray, count: int) -> Pairs:
    """Draws pairs, of which half are of the same kind.

    All kinds are equally often first and second, in both halves, whatever the number of
    their things. Neither thing alone therefore tells anything.

    Args:
        rng: The random numbers.
        kinds: `(things,)`, the kind of each thing. Every kind has at least two.
        count: Number of pairs.
    """
    members = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    is_same = rng.permutation(np.arange(count) % 2)
    kind = rng.integers(len(members), size=count)
    other = (kind + rng.integers(1, len(members), size=count)) % len(members)
    pairs = np.zeros((count, 2), int)
    for pair, one, two, same in zip(pairs, kind, other, is_same, strict=True):
        if same:
            pair[:] = rng.choice(members[one], 2, replace=False)
        else:
            pair[:] = rng.choice(members[one]), rng.choice(members[two])
    return Pairs(pairs[:, 0], pairs[:, 1], is_same)


def generator(seed: int, part: str, batch: int) -> np.random.Generator:
    """Returns the random numbers of one batch of a part, the same for all networks."""
    return np.random.default_rng([seed, *part.encode(), batch])
