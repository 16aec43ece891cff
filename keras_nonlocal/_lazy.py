"""Imports the public names of a room on first use.

Keras and its backends take seconds to import, and most uses of this package need only
some of them.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from keras_nonlocal._keras_free import needs_keras
from keras_nonlocal._surface import PACKAGE, public_names, rooms


def lazy_room(
    room: str,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Returns `__getattr__`, `__dir__` and `__all__` for the module of a room.

    Args:
        room: The `__name__` of the module.
    """
    module_of = public_names(room)
    if room == PACKAGE:
        module_of = {name: f"{PACKAGE}.{name}" for name in rooms()} | module_of
    public = sorted({*module_of, *(["__version__"] if room == PACKAGE else [])})

    def import_name(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        if needs_keras(module_of[name]):
            # Not in the middle of the module, where another thread that imports Keras
            # and registers this module would wait for it: see `_registration`.
            import keras  # noqa: F401
        module = importlib.import_module(module_of[name])
        value = module if module_of[name] == f"{room}.{name}" else getattr(module, name)
        setattr(sys.modules[room], name, value)
        return value

    return import_name, lambda: [*public], public
