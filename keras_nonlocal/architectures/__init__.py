"""The networks as data: tables that are expanded into frozen specifications.

No code here builds a layer. Builders, weight converters and tests all iterate over the
`NetworkSpec` that `network_spec()` returns, so a new depth, variant or placement is one
line in `tables.py`.

Block indices start at 0 in each stage. A non-local block with index `i` follows
residual block `i` of its stage.
"""

from keras_nonlocal.architectures.specification import (
    BottleneckSpec,
    NetworkSpec,
    StageSpec,
    StemSpec,
    network_spec,
)
from keras_nonlocal.architectures.tables import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    DEPTHS,
    EXPANSION,
    STAGES,
    VARIANTS,
    DepthRow,
    Placement,
    StemPoolPadding,
    Variant,
    VariantRow,
    VideoVariant,
)

__all__ = [
    "BATCH_NORM_EPSILON",
    "BATCH_NORM_MOMENTUM",
    "DEPTHS",
    "EXPANSION",
    "STAGES",
    "VARIANTS",
    "BottleneckSpec",
    "DepthRow",
    "NetworkSpec",
    "Placement",
    "StageSpec",
    "StemPoolPadding",
    "StemSpec",
    "Variant",
    "VariantRow",
    "VideoVariant",
    "network_spec",
]
