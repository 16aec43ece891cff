"""Built blocks with random weights, none of which leaves the block an identity."""

import numpy as np

from keras_nonlocal.layers import NonLocalBlock
from tests.layers.gradients import variable_name


def random_block(rng, shape, **options):
    """A block built for `shape`, every variable of order 1, and its weights by name."""
    block = NonLocalBlock(**options)
    block.build(shape)
    weights = {}
    for variable in block.variables:
        name = variable_name(variable)
        if name.startswith("seed"):
            continue
        weights[name] = _random_array(rng, name, variable.shape)
        variable.assign(weights[name])
    return block, weights


def _random_array(rng, name, shape):
    if name in ("norm/gamma", "norm/moving_variance"):
        sign = rng.choice([-1, 1], shape) if name == "norm/gamma" else 1
        array = sign * rng.uniform(0.5, 1.5, shape)
    else:
        array = rng.normal(size=shape)
    return np.float32(array)
