import functools

import keras
import pytest

import keras_nonlocal


@functools.cache
def _network(variant: str, copy: int, options: tuple) -> keras.Model:
    return keras_nonlocal.NLResNet(
        50,
        variant,
        **{
            "input_shape": (4, 32, 32, 3),
            "classes": 3,
            "width": 2,
            "nonlocal_blocks": {"res3": (1,)},
            **dict(options),
        },
    )


@pytest.fixture
def small_network():
    """Networks of width 2 for tiny clips, built once: tests set their weights."""

    def get(variant: str = "i3d", *, copy: int = 0, **options) -> keras.Model:
        return _network(variant, copy, tuple(options.items()))

    return get
