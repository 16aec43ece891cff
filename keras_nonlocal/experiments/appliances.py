"""Currents of appliances when they are switched on: which appliance is it?"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from keras_nonlocal.experiments.digits import Part
from keras_nonlocal.experiments.pairs import generator
from keras_nonlocal.optional_packages import import_sktime_datasets

# The shape of the current, and the logarithms of its mean and its standard deviation.
CHANNELS = 3
_SMALLEST = 1e-5
# The unit of the logarithms, so that the channels have similar sizes.
_LOGARITHM = 4.0
# Every fifth signal for training is for validation instead.
_VALIDATION = 5


@lru_cache
def read_currents(part: Part, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the currents of one part, `(count, steps, 3)`, and the appliances.

    The channels are the current with mean 0 and standard deviation 1, and the
    logarithms of its mean and its standard deviation, because currents differ by
    factors of more than 10⁵. Zeros follow their ends (PLAID, Gao et al., 2014; PLAID of
    the UCR archive, as in the sktime package).

    Args:
        part: `"training"` and `"validation"` divide the archive's training signals
            that are not in its test, too. `"test"` are its test signals.
        steps: Steps of a signal. Longer ones are cut.

    Raises:
        ImportError: If sktime is not installed.
    """
    currents, appliances = _read_split("test", steps)
    if part == "test":
        return currents, appliances
    tested = {current.tobytes() for current in currents}
    currents, appliances = _read_split("train", steps)
    # The archive has a few signals in both of its parts.
    new = [current.tobytes() not in tested for current in currents]
    currents, appliances = currents[new], appliances[new]
    # The signals of an appliance follow each other.
    order = np.random.default_rng(0).permutation(len(appliances))
    is_validation = np.arange(len(appliances)) % _VALIDATION == 0
    chosen = order[is_validation == (part == "validation")]
    return currents[chosen], appliances[chosen]


def _read_split(split: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    table, names = import_sktime_datasets().load_plaid(split=split)
    currents = np.zeros((len(names), steps, CHANNELS), "float32")
    for current, values in zip(currents, table.iloc[:, 0], strict=True):
        values = values.to_numpy()[:steps]
        mean, deviation = values.mean(), values.std()
        sizes = np.array([abs(mean), deviation]) + _SMALLEST
        current[: len(values), 0] = (values - mean) / sizes[1]
        current[: len(values), 1:] = np.log(sizes) / _LOGARITHM
    return currents, np.array(names, int)


@dataclass(frozen=True)
class ApplianceTask:
    """Currents of 11 kinds of appliances, without any relation that was built in.

    Args:
        steps: Steps of a signal. Few have more than 640, of which the rest is cut.
    """

    kind: ClassVar[str] = "appliances"
    classes: ClassVar[int] = 11
    chance: ClassVar[float | None] = None

    steps: int = 640

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of a signal."""
        return self.steps, CHANNELS

    def draw(
        self, part: Part, count: int, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of currents, none of them twice, and their appliances.

        If a part has fewer than `count` currents, the batch has all of them.
        """
        currents, appliances = read_currents(part, self.steps)
        count = min(count, len(appliances))
        chosen = generator(seed, part, batch).choice(
            len(appliances), count, replace=False
        )
        return currents[chosen], appliances[chosen]

    @staticmethod
    def check_packages() -> None:
        """Raises an `ImportError` if sktime is not installed."""
        import_sktime_datasets()
