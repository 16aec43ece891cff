"""Initializers that several variables of a layer share."""

from typing import Any

import keras
import numpy as np


def initializer_of(initializer: Any, variable: int) -> Any:
    """Returns the initializer of one of the variables that share `initializer`.

    An instance with an integer seed returns the same values in each call, and so do its
    clones. Each variable therefore gets its own seed, derived from that one.

    Args:
        initializer: An initializer as returned by `keras.initializers.get`.
        variable: Number of the variable in its layer. Number 0 gets the seed itself.
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    seed = config.get("seed")
    if isinstance(seed, int) and variable:
        entropy = np.random.SeedSequence([seed % 2**64, variable])
        config["seed"] = int(entropy.generate_state(1)[0] >> 1)
    elif isinstance(getattr(initializer, "seed", None), keras.random.SeedGenerator):
        return initializer
    elif type(initializer).get_config is keras.initializers.Initializer.get_config:
        # Without a configuration, it cannot be copied.
        return initializer
    return type(initializer).from_config(config)
