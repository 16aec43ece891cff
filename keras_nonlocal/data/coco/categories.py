"""Categories of a COCO file: class indices without gaps, and keypoints."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_nonlocal.arguments import (
    check_positive_number,
    integers,
    is_integer,
    is_number,
)

FlipPairs = Sequence[tuple[int | str, int | str]]

_MOST_SHOWN = 10
_MOST_BITS = 63  # pycocotools counts categories with signed integers.
_SIDES = (("left", "right"), ("Left", "Right"))
# Standard deviations of the 17 keypoints of COCO, from `cocoeval.py` of pycocotools.
_COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of an object.

    Args:
        names: Name of each point.
        flip_order: The point that takes the place of each when a picture is mirrored.
        sigmas: Standard deviation of each in the object keypoint similarity; `None` if
            it is unknown.
        skeleton: Pairs of points that a line connects in drawings.
    """

    names: tuple[str, ...]
    flip_order: tuple[int, ...]
    sigmas: tuple[float, ...] | None
    skeleton: tuple[tuple[int, int], ...] = ()

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of points that change places when a picture is mirrored."""
        return tuple(
            (one, other) for one, other in enumerate(self.flip_order) if one < other
        )


@dataclass(frozen=True)
class Categories:
    """The classes of a data set.

    Args:
        ids: The `id` of each class in COCO's files, ascending.
        names: The name of each class.
        entries: The categories as the file has them.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    entries: tuple[Mapping[str, Any], ...] = ()

    def labels(self) -> dict[int, int]:
        """Returns category id → class index."""
        return {category: label for label, category in enumerate(self.ids)}


def as_id(value: Any) -> int | str | None:
    """Returns the `id` of an image or a category; `None` if it can be none.

    Some programs write `1.0` for 1.
    """
    if isinstance(value, str):
        return value
    if is_integer(value):
        return int(value)
    is_whole = is_number(value) and float(value).is_integer()
    return int(value) if is_whole else None


def check_ids(what: str, ids: Sequence[Any]) -> None:
    """Checks that ids can be told apart and compared.

    Args:
        what: `"images"` or `"categories"`.
        ids: The `id` of each.
    """
    if len({isinstance(one, str) for one in ids}) > 1:
        raise ValueError(
            f"The `id` of {what} must be integers for all or strings for all. "
            f"Received: {what} with the ids {_first(ids)}"
        )
    if len({*ids}) < len(ids):
        raise ValueError(
            f"`annotations` must give each of its {what} an `id` of its own. "
            f"Received: {what} with the ids {_first(ids)}"
        )


def _first(ids: Sequence[Any]) -> str:
    rest = ", …" if len(ids) > _MOST_SHOWN else ""
    return f"[{', '.join(map(repr, ids[:_MOST_SHOWN]))}{rest}]"


def read_categories(entries: Sequence[Mapping[str, Any]]) -> Categories:
    """Sorts the categories of a file by their ids.

    Args:
        entries: The list `"categories"` of the file.
    """
    ids: list[Any] = []
    for entry in entries:
        own = as_id(entry.get("id"))
        if own is None or (isinstance(own, int) and own.bit_length() > _MOST_BITS):
            raise ValueError(
                "Every category must have an integer of 64 bits or a string as its "
                f"`id`. Received: category {dict(entry)!r}"
            )
        ids.append(own)
    check_ids("categories", ids)
    if not ids:
        raise ValueError(
            "`annotations` must list its categories. Received: categories=[]"
        )
    own_entries = {
        own: {**entry, "id": own} for own, entry in zip(ids, entries, strict=True)
    }
    ids.sort()
    sorted_entries = tuple(own_entries[own] for own in ids)
    return Categories(tuple(ids), _names(sorted_entries), sorted_entries)


def _names(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns a name of one line for each category, all different.

    Some programs list the data set itself as a category, named like its only class.
    """
    names = []
    for entry in entries:
        name = entry.get("name")
        name = str(name) if isinstance(name, str) or is_number(name) else ""
        # A line break would end a name in a list of names.
        names.append(" ".join(name.split()) or str(entry["id"]))
    while len({*names}) < len(names):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else f"{name} ({entry['id']})"
            for name, entry in zip(names, entries, strict=True)
        ]
    return tuple(names)


def read_keypoints(
    categories: Categories,
    flip_pairs: FlipPairs | None,
    sigmas: Sequence[float] | None,
) -> Keypoints:
    """Returns the keypoints that the categories name.

    Args:
        categories: The categories, of which some have `"keypoints"`.
        flip_pairs: Points that change places in a mirrored picture, by name or index;
            `None`: those whose names differ in "left" and "right".
        sigmas: As in `Keypoints`; `None`: those of COCO for 17 points.
    """
    lists = {
        tuple(entry["keypoints"])
        for entry in categories.entries
        if entry.get("keypoints")
    }
    if len(lists) != 1:
        raise ValueError(
            "`keypoints` needs categories that name their keypoints, the same for all. "
            f"Received: {len(lists)} different lists of keypoints"
        )
    names = lists.pop()
    if sigmas is None:
        sigmas = _COCO_SIGMAS if len(names) == len(_COCO_SIGMAS) else None
    elif len(sigmas) != len(names):
        raise ValueError(
            f"`oks_sigmas` must have a number for each of {len(names)} keypoints. "
            f"Received: oks_sigmas={sigmas!r}"
        )
    if sigmas is not None:
        sigmas = tuple(check_positive_number("oks_sigmas", sigma) for sigma in sigmas)
    return Keypoints(
        names, _flip_order(names, flip_pairs), sigmas, _skeleton(categories, names)
    )


def _skeleton(
    categories: Categories, names: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    """The lines of the categories, which count points from 1.

    They are only drawn, so those that make no sense are left out.
    """
    lines: dict[tuple[int, int], None] = {}
    for entry in categories.entries:
        listed = entry.get("skeleton")
        for line in listed if isinstance(listed, Sequence) else ():
            ends = integers(line)
            if ends is None or len(ends) != 2 or ends[0] == ends[1]:
                continue
            if _are_points((ends[0] - 1, ends[1] - 1), names):
                lines[ends[0] - 1, ends[1] - 1] = None
    return tuple(lines)


def _flip_order(names: tuple[str, ...], pairs: FlipPairs | None) -> tuple[int, ...]:
    order = [*range(len(names))]
    indices = _named_pairs(names) if pairs is None else _given_pairs(names, pairs)
    for one, other in indices:
        order[one], order[other] = other, one
    return tuple(order)


def _named_pairs(names: tuple[str, ...]) -> list[tuple[int, int]]:
    return [
        (names.index(name), names.index(name.replace(left, right)))
        for left, right in _SIDES
        for name in names
        if left in name and name.replace(left, right) in names
    ]


def _given_pairs(names: tuple[str, ...], pairs: FlipPairs) -> list[tuple[int, int]]:
    found = []
    for pair in pairs:
        places = [names.index(point) if point in names else point for point in pair]
        indices = integers(places)
        if indices is None or len({*indices}) != 2 or not _are_points(indices, names):
            raise ValueError(
                "`flip_pairs` must hold pairs of different keypoints, by name or "
                f"index. Received: {pair!r} of the keypoints {list(names)}"
            )
        found.append((indices[0], indices[1]))
    points = [point for pair in found for point in pair]
    if len({*points}) < len(points):
        raise ValueError(
            "`flip_pairs` must name each keypoint at most once. "
            f"Received: flip_pairs={[*pairs]!r}"
        )
    return found


def _are_points(indices: tuple[int, ...], names: tuple[str, ...]) -> bool:
    return all(0 <= index < len(names) for index in indices)
