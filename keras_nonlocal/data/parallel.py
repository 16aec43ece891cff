"""Worker threads that can be stopped at once."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple


class StoppedError(BaseException):
    """Raised in a thread whose result is no longer needed."""


class _Result(NamedTuple):
    number: int
    value: Any
    error: BaseException | None


class Workers:
    """Calls a function for many items in several threads.

    An executor waits for its threads, at the latest when Python exits. These threads do
    not delay the exit: after `stop`, they end with their current item.

    Args:
        function: Called with an item. A long-running function may call `check_stop`.
        num_threads: Number of items at a time.
    """

    def __init__(self, function: Callable[[Any], Any], num_threads: int) -> None:
        self._function = function
        self._todo: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        self._num_threads = num_threads
        self._threads: list[threading.Thread] = []
        self._is_stopped = threading.Event()

    def check_stop(self) -> None:
        """Raises `StoppedError` in a thread whose result is no longer needed."""
        if self._is_stopped.is_set():
            raise StoppedError

    def completed(
        self, items: Iterable[Any], ahead: int | None = None
    ) -> Generator[tuple[int, Any]]:
        """Yields the number and the result of each item as soon as it is done.

        Args:
            items: The items. The next one is taken when a thread is free.
            ahead: Maximum distance of an item from the first one that is not done.
                Defaults to no limit.

        Raises:
            BaseException: If the function raises it.
        """
        numbered = enumerate(items)
        running: set[int] = set()
        newest = -1
        is_exhausted = False
        try:
            while True:
                while not is_exhausted and len(running) < self._num_threads:
                    if (
                        ahead is not None
                        and newest - min(running, default=newest) > ahead
                    ):
                        break
                    item = next(numbered, None)
                    if item is None:
                        is_exhausted = True
                    else:
                        newest = item[0]
                        running.add(newest)
                        self._submit(item)
                if not running:
                    return
                result = self._done.get()
                running.discard(result.number)
                if result.error is not None:
                    raise result.error
                yield result.number, result.value
        finally:
            self.stop()

    def in_order(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yields the results in the order of the items.

        No more items are taken than the threads need to continue.
        """
        waiting: dict[int, Any] = {}
        following = 0
        completed = self.completed(items, ahead=2 * self._num_threads)
        try:
            for index, value in completed:
                waiting[index] = value
                while following in waiting:
                    yield waiting.pop(following)
                    following += 1
        finally:
            completed.close()

    def stop(self, seconds: float = 0.0) -> None:
        """Abandons the remaining work.

        Args:
            seconds: Seconds to wait for threads that call `check_stop`.
        """
        self._is_stopped.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _submit(self, item: tuple[int, Any]) -> None:
        if len(self._threads) < self._num_threads:
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._todo.put(item)

    def _work(self) -> None:
        while (item := self._todo.get()) is not None and not self._is_stopped.is_set():
            index, content = item
            try:
                self._done.put(_Result(index, self._function(content), None))
            except BaseException as error:
                self._done.put(_Result(index, None, error))
