"""`streams_ahead`: streams of values that threads compute ahead, one after the other.

A thread may not call functions of Python once Python is being taken apart: the program
would hang or be aborted. Therefore threads end as soon as their values are no longer
asked for, and the end of the program asks for none and waits for them.
"""

import atexit
import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from keras_nonlocal.data.parallel import StoppedError

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")

# Without a limit, a wait in Windows cannot be interrupted by Ctrl+C.
_SECONDS_BETWEEN_SIGNALS = 0.5
_SECONDS_TO_CLOSE = 1.0
_SECONDS_TO_EXIT = 10.0


def streams_ahead(
    function: Callable[[_Item], Generator[_Value]],
    items: Sequence[_Item],
    *,
    num_threads: int,
    room: int,
    size: Callable[[_Value], int],
) -> Generator[tuple[_Item, _Value]]:
    """Calls a generator function for each item in threads, and yields what it yields.

    The order is that of the items, and for each item that of its values: the order of
    `for item in items: for value in function(item)`. An error is raised in its place,
    after the values before it.

    Each thread has one item at a time. It may be ahead of the item whose values are
    yielded by the number of threads. All values that wait together take at most `room`.
    If others fill it, one value of the item that is yielded may wait besides, so a
    value may be larger than the room. Another value per thread may be on its way.

    When the generator is closed or the program ends, each thread ends after the value
    on its way, and closes what it called, in the thread that called it.

    Args:
        function: Returns a generator. It is called in several threads at a time.
        items: The items.
        num_threads: Number of threads.
        room: Limit of the sum of sizes of the values that wait.
        size: Returns the size of a value.

    Yields:
        An item and a value.

    Raises:
        BaseException: If the function raises it.
    """
    streams = _Streams(function, items, num_threads, room, size)
    try:
        streams.start()
        for number, item in enumerate(items):
            for value in streams.values(number):
                yield item, value
    finally:
        streams.stop(time.monotonic() + _SECONDS_TO_CLOSE)


class _End(NamedTuple):
    """The end of an item's values, or the error that ended them."""

    error: BaseException | None = None


class _Streams(Generic[_Item, _Value]):
    """Threads, and the values that they have computed; see `streams_ahead`."""

    def __init__(
        self,
        function: Callable[[_Item], Generator[_Value]],
        items: Sequence[_Item],
        num_threads: int,
        room: int,
        size: Callable[[_Value], int],
    ) -> None:
        self._function = function
        self._items = items
        self._num_threads = num_threads
        self._room = room
        self._size = size
        # Everything below changes under its lock only.
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[_Value | _End]] = {}
        self._size_waiting = 0
        self._num_begun = 0
        self._current = 0
        self._is_stopped = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the threads."""
        _RUNNING.add(self)
        for _ in range(min(self._num_threads, len(self._items))):
            thread = threading.Thread(
                target=self._work, name="keras_nonlocal_ahead", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def values(self, number: int) -> Iterator[_Value]:
        """Yields the values of the next item, and raises its error."""
        while not isinstance(value := self._next(number), _End):
            yield value
        if value.error is not None:
            raise value.error
        with self._changed:
            self._current = number + 1
            del self._waiting[number]
            self._changed.notify_all()

    def stop(self, deadline: float) -> None:
        """Ends the threads, and waits for them.

        Args:
            deadline: Time of `time.monotonic` until which to wait.
        """
        self._ask_to_stop()
        for thread in self._threads:
            # A garbage collection may close a generator in any thread.
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))
        # The end of the program waits for the others.
        if not any(thread.is_alive() for thread in self._threads):
            _RUNNING.discard(self)

    def _ask_to_stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _next(self, number: int) -> _Value | _End:
        with self._changed:
            while not self._waiting.get(number):
                if self._is_stopped:
                    raise RuntimeError(
                        "The program has ended. Received: a call from it"
                    )
                self._changed.wait(_SECONDS_BETWEEN_SIGNALS)
            value = self._waiting[number].popleft()
            if not isinstance(value, _End):
                self._size_waiting -= self._size(value)
            self._changed.notify_all()
        return value

    def _work(self) -> None:
        with contextlib.suppress(StoppedError):
            while (number := self._begin()) is not None:
                self._run(number)

    def _begin(self) -> int | None:
        """Returns the number of the next item, once it may be begun."""
        with self._changed:
            while self._num_begun > self._current + self._num_threads:
                self._wait()
            if self._is_stopped or self._num_begun == len(self._items):
                return None
            number = self._num_begun
            self._num_begun += 1
            self._waiting[number] = deque()
        return number

    def _run(self, number: int) -> None:
        end = _End()
        try:
            with contextlib.closing(self._function(self._items[number])) as values:
                for value in values:
                    self._put(number, value)
        except StoppedError:
            raise
        except BaseException as error:
            end = _End(error)
        with self._changed:
            if not self._is_stopped:
                self._waiting[number].append(end)
                self._changed.notify_all()

    def _put(self, number: int, value: _Value) -> None:
        size = self._size(value)
        with self._changed:
            while not (
                self._size_waiting + size <= self._room or self._is_next(number)
            ):
                self._wait()
            if self._is_stopped:
                raise StoppedError
            self._waiting[number].append(value)
            self._size_waiting += size
            self._changed.notify_all()

    def _is_next(self, number: int) -> bool:
        return number == self._current and not self._waiting.get(number)

    def _wait(self) -> None:
        if self._is_stopped:
            raise StoppedError
        self._changed.wait()


_RUNNING: "weakref.WeakSet[_Streams[Any, Any]]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    deadline = time.monotonic() + _SECONDS_TO_EXIT
    running = [*_RUNNING]
    for streams in running:
        streams._ask_to_stop()
    for streams in running:
        streams.stop(deadline)
