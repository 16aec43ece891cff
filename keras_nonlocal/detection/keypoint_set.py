"""`KeypointSet`: the keypoints of a detector, which are saved with it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from keras_nonlocal.arguments import (
    check_positive_integer,
    check_positive_number,
    integers,
)
from keras_nonlocal.weights.coco_keypoints import (
    COCO_FLIP_PAIRS,
    COCO_KEYPOINT_NAMES,
    COCO_OKS_SIGMAS,
    COCO_SKELETON,
)

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class KeypointSet:
    """The keypoints that a detector finds of each object.

    Args:
        count: Number of keypoints.
        names: Name of each; `None` if they are unknown.
        flip_pairs: Indices of the keypoints that change places in a mirrored picture.
        oks_sigmas: Standard deviation of each in the object keypoint similarity; `None`
            if they are unknown.
        skeleton: Indices of the keypoints that a line connects in drawings.
    """

    count: int
    names: tuple[str, ...] | None = None
    flip_pairs: Pairs = ()
    oks_sigmas: tuple[float, ...] | None = None
    skeleton: Pairs = ()

    @classmethod
    def of(
        cls,
        num_keypoints: int,
        names: Sequence[str] | None = None,
        flip_pairs: Sequence[Sequence[int]] | None = None,
        oks_sigmas: Sequence[float] | None = None,
        skeleton: Sequence[Sequence[int]] | None = None,
    ) -> Self:
        """Checks the arguments of a builder. 17 keypoints without names are COCO's.

        Raises:
            ValueError: If an argument does not fit.
        """
        count = check_positive_integer("num_keypoints", num_keypoints)
        if names is None and count == len(COCO_KEYPOINT_NAMES):
            names = COCO_KEYPOINT_NAMES
            flip_pairs = COCO_FLIP_PAIRS if flip_pairs is None else flip_pairs
            oks_sigmas = COCO_OKS_SIGMAS if oks_sigmas is None else oks_sigmas
            skeleton = COCO_SKELETON if skeleton is None else skeleton
        if names is not None:
            names = _checked_names(names, count)
        if oks_sigmas is not None:
            if len(oks_sigmas) != count:
                raise ValueError(
                    f"`oks_sigmas` must have a number for each of {count} keypoints. "
                    f"Received: oks_sigmas={oks_sigmas!r}"
                )
            oks_sigmas = tuple(
                check_positive_number("oks_sigmas", sigma) for sigma in oks_sigmas
            )
        return cls(
            count,
            names,
            _checked_pairs("flip_pairs", flip_pairs or (), count, once=True),
            oks_sigmas,
            _checked_pairs("skeleton", skeleton or (), count),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as lists and numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the keypoints of which `to_dict` gave the values."""
        return cls.of(
            values["count"],
            values["names"],
            values["flip_pairs"],
            values["oks_sigmas"],
            values["skeleton"],
        )


def _checked_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    is_right = not isinstance(names, str) and len(names) == len({*names}) == count
    if not is_right or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"`keypoint_names` must have one name for each of the {count} keypoints, "
            f"all different. Received: keypoint_names={names!r}"
        )
    return tuple(names)


def _checked_pairs(
    argument: str, pairs: Sequence[Any], count: int, once: bool = False
) -> Pairs:
    checked = []
    for pair in pairs:
        indices = integers(pair)
        is_pair = indices is not None and len(indices) == len({*indices}) == 2
        if (
            indices is None
            or not is_pair
            or not 0 <= min(indices) <= max(indices) < count
        ):
            raise ValueError(
                f"`{argument}` must have pairs of different indices below {count}. "
                f"Received: {argument} with {pair!r}"
            )
        checked.append((indices[0], indices[1]))
    points = [point for pair in checked for point in pair]
    if once and len({*points}) < len(points):
        raise ValueError(
            f"`{argument}` must name each keypoint at most once. "
            f"Received: {argument}={checked!r}"
        )
    return tuple(checked)
