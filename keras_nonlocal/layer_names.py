"""The names of a network's layers. They are written and parsed only here.

Residual blocks are named as in `keras.applications`: `conv4_block3_2_conv` is the
second convolution of the third block of res4. Indices start at 0 in this package and at
1 in these names.

| layer | name |
|---|---|
| stem | `conv1_pad`, …`_conv`, …`_bn`, …`_relu`, `pool1_pad`, `pool1_pool` |
| branch 1, 2 or 3 of a block | `conv4_block3_1_conv`, …`_pad`, …`_bn`, …`_relu` |
| shortcut of a block (branch 0) | `conv4_block1_0_conv`, …`_bn` |
| end of a block | `conv4_block3_add`, `conv4_block3_out` |
| non-local block after a block | `conv4_block3_nl` |
| temporal pooling after res2 | `pool2_pool` |
| top | `avg_pool` or `max_pool`, `dropout`, `predictions`, `mean_scores` |
"""

import re
from dataclasses import dataclass

STEM = "conv1"
STEM_POOL = "pool1"
TEMPORAL_POOL = "pool2_pool"
PREPROCESSING = "preprocessing"
AVERAGE_POOL = "avg_pool"
MAX_POOL = "max_pool"
DROPOUT = "dropout"
PREDICTIONS = "predictions"
MEAN_SCORES = "mean_scores"

_BLOCK_LAYER = re.compile(r"conv([2-5])_block([1-9]\d*)_(?:([0-3])_)?([a-z]+)")
_STEM_LAYER = re.compile(r"(?:conv|pool)1_[a-z]+")


@dataclass(frozen=True)
class BlockLayer:
    """A layer of a residual block, or the non-local block after it.

    Attributes:
        stage: 2 … 5 for res2 … res5.
        block: Index of the residual block in its stage, from 0.
        kind: `"conv"`, `"bn"`, `"pad"` or `"relu"` on a branch; `"add"` and `"out"`
            where the branches meet; `"nl"` for the non-local block.
        branch: 0 is the shortcut, 1 … 3 are the convolutions in order; `None` for a
            layer that is not on a branch.
    """

    stage: int
    block: int
    kind: str
    branch: int | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        block = block_name(self.stage, self.block)
        if self.branch is None:
            return f"{block}_{self.kind}"
        return f"{block}_{self.branch}_{self.kind}"

    @property
    def ends_block(self) -> bool:
        """Whether all later layers depend on this layer's output alone."""
        return self.kind in ("out", "nl")


def block_name(stage: int, block: int) -> str:
    """First part of the names of a residual block's layers.

    Args:
        stage: 2 … 5.
        block: Index of the residual block in its stage, from 0.
    """
    return f"conv{stage}_block{block + 1}"


def branch_name(block: str, branch: int) -> str:
    """First part of the names of the layers on a branch of a residual block."""
    return f"{block}_{branch}"


def pad_name(unit: str) -> str:
    """Name of the zero padding before a convolution or pooling."""
    return f"{unit}_pad"


def convolution_name(unit: str) -> str:
    """Name of the convolution of the stem or of a branch."""
    return f"{unit}_conv"


def norm_name(unit: str) -> str:
    """Name of the batch normalization of the stem or of a branch."""
    return f"{unit}_bn"


def relu_name(unit: str) -> str:
    """Name of the ReLU of the stem or of a branch."""
    return f"{unit}_relu"


def pool_name(unit: str) -> str:
    """Name of the max pooling of the stem."""
    return f"{unit}_pool"


def sum_name(block: str) -> str:
    """Name of the sum of a residual block's branches."""
    return f"{block}_add"


def output_name(block: str) -> str:
    """Name of the last ReLU of a residual block."""
    return f"{block}_out"


def nonlocal_name(block: str) -> str:
    """Name of the non-local block after a residual block."""
    return f"{block}_nl"


def convolution_of(norm: str) -> str:
    """Name of the convolution before a batch normalization."""
    return convolution_name(norm.removesuffix(norm_name("")))


def read_block_layer(name: str) -> BlockLayer | None:
    """Parses the name of a layer of a residual block.

    Example:

    >>> from keras_nonlocal.layer_names import read_block_layer
    >>> read_block_layer("conv4_block3_2_conv")
    BlockLayer(stage=4, block=2, kind='conv', branch=2)
    """
    match = _BLOCK_LAYER.fullmatch(name)
    if match is None:
        return None
    stage, block, branch, kind = match.groups()
    return BlockLayer(
        int(stage), int(block) - 1, kind, None if branch is None else int(branch)
    )


def stage_of(name: str) -> str | None:
    """Returns `"stem"`, `"res2"` … `"res5"`, or `None` for any other layer."""
    layer = read_block_layer(name)
    if layer is not None:
        return f"res{layer.stage}"
    return "stem" if _STEM_LAYER.fullmatch(name) else None
