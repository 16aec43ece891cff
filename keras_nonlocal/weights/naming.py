"""The names that a project gives the weights of its networks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_nonlocal.weights.detector_layouts import DetectorLayout
from keras_nonlocal.weights.places import WeightPlace
from keras_nonlocal.weights.slots import Slot
from keras_nonlocal.weights.torch_names import Keys


@dataclass(frozen=True)
class Naming:
    """The names of one project.

    Attributes:
        name: The name for reports.
        fingerprints: Every file of this naming holds all keys of one of these groups.
        keys: Returns the keys that may hold the weight of a slot, the usual one first.
        is_training_state: Matches keys that are no weights: momenta, counters.
        head_prefix: The beginning of the classifier's keys, or `None` if it has none.
        channels_first: Whether kernels are `(out, in, …)`, not `(…, in, out)`.
        kernel_rank: Number of axes of the first kernel, if the names do not tell.
        detector: For files of whole detectors, the differences of their arrays.
        has_affine_norms: Whether the project freezes batch normalization to a scale and
            a bias, and may leave out the statistics.
    """

    name: str
    fingerprints: tuple[Keys, ...]
    keys: Callable[[Slot], Keys]
    is_training_state: re.Pattern[str]
    head_prefix: str | None
    channels_first: bool = True
    kernel_rank: int | None = None
    detector: DetectorLayout | None = None
    has_affine_norms: bool = False

    def fits(self, prefix: str, arrays: Mapping[str, np.ndarray]) -> bool:
        """Whether a file has this naming behind a prefix."""
        for group in self.fingerprints:
            if all(prefix + key in arrays for key in group):
                rank = arrays[prefix + group[0]].ndim
                return self.kernel_rank in (None, rank)
        return False


def placed(keys: Callable[[WeightPlace], Keys]) -> Callable[[Slot], Keys]:
    """Returns the keys of a slot, from the keys of its place."""

    def of_slot(slot: Slot) -> Keys:
        return () if slot.place is None else keys(slot.place)

    return of_slot
