"""Signals with two recordings: does one speaker say both?"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from keras_nonlocal.experiments.digits import Part
from keras_nonlocal.experiments.pairs import draw_pairs, generator
from keras_nonlocal.optional_packages import import_sktime_datasets

COEFFICIENTS = 12
LONGEST = 29
# Of the 30 recordings of each speaker for training.
_FOR_TRAINING = 22


class Recordings(NamedTuple):
    """Recordings of one part.

    Args:
        signals: Arrays, `(steps, 12)`, of 7 to 29 steps.
        speakers: `(count,)`, numbers of the speakers.
    """

    signals: tuple[np.ndarray, ...]
    speakers: np.ndarray


@lru_cache
def read_recordings(part: Part) -> Recordings:
    """Returns the recordings of one part.

    Nine speakers say a Japanese vowel (Kudo, Toyama and Shimbo, 1999; JapaneseVowels of
    the UEA archive, as in the sktime package). The training recordings have mean 0 and
    standard deviation 1 in each coefficient.

    Args:
        part: `"training"` and `"validation"` divide the archive's training recordings.
            `"test"` are its test recordings.

    Raises:
        ImportError: If sktime is not installed.
    """
    signals, speakers = _raw_recordings(part)
    steps = np.concatenate(_raw_recordings("training").signals)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    return Recordings(tuple((x - mean) / deviation for x in signals), speakers)


def _raw_recordings(part: Part) -> Recordings:
    split = "test" if part == "test" else "train"
    table, names = import_sktime_datasets().load_japanese_vowels(split=split)
    signals = [np.stack([*row], axis=-1).astype("float32") for row in table.values]
    speakers = np.array(names, int)
    chosen = np.arange(len(speakers))
    if part != "test":
        ranks = np.array([np.sum(speakers[:i] == speakers[i]) for i in chosen])
        chosen = np.flatnonzero((ranks < _FOR_TRAINING) == (part == "training"))
    return Recordings(tuple(signals[i] for i in chosen), speakers[chosen])


@dataclass(frozen=True)
class SpeakerTask:
    """Signals of zeros with two recordings far apart, by one speaker or by two.

    Args:
        steps: Steps of a signal.
        gap: The smallest number of steps between the recordings.
    """

    kind: ClassVar[str] = "sequences"
    classes: ClassVar[int] = 2
    chance: ClassVar[float] = 0.5

    steps: int = 96
    gap: int = 30

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of a signal."""
        return self.steps, COEFFICIENTS

    def draw(
        self, part: Part, count: int, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of signals and whether one speaker says both recordings."""
        rng = generator(seed, part, batch)
        signals, speakers = read_recordings(part)
        pairs = draw_pairs(rng, speakers, count)
        together = np.zeros((count, *self.input_shape), "float32")
        for signal, one, two in zip(together, pairs.first, pairs.second, strict=True):
            first, second = signals[one], signals[two]
            free = self.steps - self.gap - len(first) - len(second)
            begin, added = np.sort(rng.integers(free + 1, size=2))
            signal[begin : begin + len(first)] = first
            begin = added + len(first) + self.gap
            signal[begin : begin + len(second)] = second
        return together, pairs.is_same

    @staticmethod
    def check_packages() -> None:
        """Raises an `ImportError` if sktime is not installed."""
        import_sktime_datasets()
