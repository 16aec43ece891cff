"""An independent stream of random numbers for each purpose, epoch and video.

NumPy pads short seeds with zeros: `default_rng((seed, epoch))` and
`default_rng((seed, epoch, 0))` are the same generator, and so are those of `5`, `(5,)`
and `(5, 0)`. Code that seeds the order of an epoch with the first and the clip of its
first video with the second would draw the same numbers twice. The position of a stream
is therefore part of the *spawn key* of a `SeedSequence`, whose entries and length NumPy
distinguishes. It begins with the purpose of the stream.
"""

import enum
from typing import Any

import numpy as np


class Purpose(enum.IntEnum):
    """The uses of random numbers, each with its own number."""

    LIST = 0  # the order of a list before it is split
    EPOCH = 1  # the order of the videos in an epoch
    CLIP = 2  # the position of the clip and of the crop in a video
    STREAM = 3  # the seed of TensorFlow's shuffle buffer in an epoch
    PICTURE = 4  # the scale and the mirroring of the pictures in an epoch


def random_stream(
    seed: int, purpose: Purpose, *position: int | np.integer[Any]
) -> np.random.Generator:
    """Returns the generator for one purpose at one position.

    Args:
        seed: The user's seed.
        purpose: The use of the numbers.
        position: The epoch, or the epoch and the video.
    """
    key = (int(purpose), *map(int, position))
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=key))
