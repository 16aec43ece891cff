"""Calls of Python from the threads of TensorFlow, which end before the program does.

`tf.data` loads ahead. If a program ends in the middle of an epoch, its threads still
call functions of Python, which is being taken apart: the program then hangs, or is
aborted. Therefore these calls fail as soon as a program ends, the end waits for those
that have begun, and iterators end before Python does.
"""

import atexit
import contextlib
import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from keras_nonlocal.optional_packages import import_tensorflow

_MOST_SECONDS = 10.0


class _Calls:
    """Counts the calls that run."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._num_running = 0
        self._is_used = self._has_ended = False

    def __enter__(self) -> None:
        with self._condition:
            if not self._is_used:
                self._is_used = True
                atexit.register(self.end)
            if self._has_ended:
                raise RuntimeError("The program has ended. Received: a call from it")
            self._num_running += 1

    def __exit__(self, *error: object) -> None:
        with self._condition:
            self._num_running -= 1
            self._condition.notify_all()

    def end(self) -> None:
        """Lets calls fail from now on, and ends the threads that ask for them."""
        with self._condition:
            self._has_ended = True
            self._condition.wait_for(lambda: self._num_running == 0, _MOST_SECONDS)
        _end_iterators()


def _end_iterators() -> None:
    """Ends the iterators of `tf.data`, which wait for their threads."""
    # There is no public name for them.
    with contextlib.suppress(ImportError):
        from tensorflow.python.data.ops.iterator_ops import OwnedIterator

        for value in gc.get_objects():
            if issubclass(type(value), OwnedIterator):
                value._iterator_resource = None


_CALLS = _Calls()


def numpy_function(
    function: Callable[..., Any], inputs: Iterable[Any], output_types: Any
) -> Any:
    """Returns `tf.numpy_function` of a function, which fails when the program ends."""

    def call(*arrays: Any) -> Any:
        with _CALLS:
            return function(*arrays)

    return import_tensorflow().numpy_function(call, [*inputs], output_types)


def until_the_end(values: Iterable[Any]) -> Iterator[Any]:
    """Yields values, and fails when the program ends."""
    iterator = iter(values)
    while True:
        with _CALLS:
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value
