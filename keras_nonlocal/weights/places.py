"""The place of a weight in the architecture, whatever a project calls it."""

from dataclasses import dataclass

NORM_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class WeightPlace:
    """Where a variable belongs.

    Attributes:
        unit: `"stem"`, `"block"` (a convolution or norm of a residual block),
            `"nonlocal"` or `"head"`; in detectors also `"pyramid"`, `"rpn"`, `"box"`,
            `"mask"` and `"keypoint"`.
        role: `"kernel"`, `"bias"`, `"gamma"`, `"beta"`, `"moving_mean"`,
            `"moving_variance"` or `"w_f"`.
        is_norm: Whether it belongs to a batch normalization.
        stage: 2 … 5, also the level of a pyramid, or 1 for the stem and 6 for the
            head.
        block: Index of the residual block inside its stage, from 0; in detectors the
            number of the layer, from 1.
        part: 0 (shortcut), 1, 2, 3 of a residual block; `"theta"`, `"phi"`, `"g"`,
            `"out"`, `"norm"` or `"w_f"` of a non-local block; `"lateral"`, `"conv"`,
            `"fc"`, `"deconv"`, `"logits"` or `"deltas"` of a detector.
    """

    unit: str
    role: str
    is_norm: bool = False
    stage: int = 1
    block: int = 0
    part: int | str = 0
