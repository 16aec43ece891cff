"""Random generators whose state is not in a Keras variable."""

from collections.abc import Mapping

import keras
import numpy as np


def generator_states() -> dict[str, np.ndarray]:
    """Returns the states of PyTorch's generators, which its dropout uses.

    Returns:
        A mapping from names to bytes, empty on the other backends.
    """
    if keras.backend.backend() != "torch":
        return {}
    import torch

    states = {"cpu": torch.get_rng_state()}
    for index, state in enumerate(torch.cuda.get_rng_state_all()):
        states[f"cuda{index}"] = state
    return {name: state.numpy() for name, state in states.items()}


def restore_generators(states: Mapping[str, np.ndarray]) -> None:
    """Restores states that `generator_states` returned."""
    if keras.backend.backend() != "torch":
        return
    import torch

    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(torch.from_numpy(state))
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(torch.from_numpy(state), int(name[4:]))
