"""Imports Keras and TensorFlow without garbage collections.

They create very many objects that stay, and next to no garbage. Collections would visit
these objects again and again, during the imports and after them.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from keras_nonlocal.import_hooks import around_import

_is_hooked = False


def import_uncollected() -> None:
    """Keeps the objects of Keras and TensorFlow out of garbage collections.

    Affects imports that are yet to come. All objects that exist after them are left
    alone, those of the program too.
    """
    global _is_hooked
    if _is_hooked:
        return
    _is_hooked = True
    for name in ("keras", "tensorflow"):
        if name not in sys.modules:
            around_import(name, _without_collections)


@contextmanager
def _without_collections() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        # Keras imports TensorFlow: the outer import ends the pause.
        if was_enabled:
            gc.enable()
