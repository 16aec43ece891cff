"""`CocoResult`: COCO's figures of a detector."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_nonlocal.arguments import counted
from keras_nonlocal.files import printable

Figures = Mapping[str, float]
Detection = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CocoResult:
    """COCO's figures of a detector, each between 0 and 1.

    `box` and `mask` have `"AP"` (over the overlaps 0.5, 0.55, …, 0.95), `"AP50"`,
    `"AP75"`, `"APs"`, `"APm"`, `"APl"` (small, medium and large objects), `"AR1"`,
    `"AR10"`, `"AR100"` (by the number of detections) and `"ARs"`, `"ARm"`, `"ARl"`.
    `keypoints` has `"AP"`, `"AP50"`, `"AP75"`, `"APm"`, `"APl"`, `"AR"`, `"AR50"`,
    `"AR75"`, `"ARm"` and `"ARl"`. A figure is NaN if there are no objects of its kind,
    where pycocotools prints −1.

    Args:
        num_pictures: Number of pictures that were evaluated.
        box: Figures of the boxes.
        mask: Figures of the masks; `None` if the model draws none.
        keypoints: Figures of the keypoints; `None` if the model finds none.
        per_class: For each class: `"class"` (its name), `"objects"` (their number,
            without crowds), and the `"AP"` of each part by its name: `"box"`,
            `"mask"`, `"keypoints"`.
        detections: All detections in COCO's format of results.
        failures: Pictures that could not be read, each with the reason. They do not
            count.
    """

    num_pictures: int
    box: Figures
    mask: Figures | None = None
    keypoints: Figures | None = None
    per_class: Sequence[Mapping[str, Any]] = ()
    detections: Sequence[Detection] = field(default=(), repr=False)
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Figures]:
        """Returns the figures of each part that the model has, by its name."""
        parts = {"box": self.box, "mask": self.mask, "keypoints": self.keypoints}
        return {name: figures for name, figures in parts.items() if figures is not None}

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON has them, with `None` for NaN."""
        return {
            "pictures": self.num_pictures,
            **{name: _json(figures) for name, figures in self.parts.items()},
            "per_class": [_json(row) for row in self.per_class],
            "failures": dict(self.failures),
        }

    def __str__(self) -> str:
        lines = [
            f"{counted(self.num_pictures, 'picture')}, "
            f"{counted(len(self.detections), 'detection')}"
        ]
        for name, figures in self.parts.items() if self.num_pictures else ():
            shown = ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
            lines.append(f"{name}: {shown}")
        if self.failures:
            lines.append(f"{counted(len(self.failures), 'picture')} could not be read:")
            lines += [f"  {printable(p)}: {why}" for p, why in self.failures.items()]
        return "\n".join(lines)


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
