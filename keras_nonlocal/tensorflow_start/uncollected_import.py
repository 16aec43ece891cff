"""Imports Keras and TensorFlow without garbage collections.

They create very many objects that stay, and little garbage, which the first collection
after them finds. Collections in between would visit these objects again and again.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from keras_nonlocal.import_hooks import around_import

_is_hooked = False


def import_uncollected() -> None:
    """Pauses automatic collections in imports of Keras and TensorFlow yet to come."""
    global _is_hooked
    if _is_hooked:
        return
    _is_hooked = True
    for name in ("keras", "tensorflow"):
        if name not in sys.modules:
            around_import(name, _without_collections)


@contextmanager
def _without_collections() -> Iterator[None]:
    # Unlike `gc.disable`, it leaves the program's own choice alone.
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        # Not where the program has set others in the meantime.
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*thresholds)
