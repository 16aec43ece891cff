"""Worker processes and what they report."""

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any, NamedTuple

from keras_nonlocal.experiments.worker import Plan

_ERROR_LINES = 12


class Event(NamedTuple):
    """A report of a worker.

    Args:
        run: The key of the training run.
        seed: Its seed.
        fraction: The finished fraction of the run.
    """

    run: str
    seed: int
    fraction: float


def rotated(seeds: Sequence[int], start: int) -> list[int]:
    """Returns seeds in order, beginning in a different place."""
    start %= max(1, len(seeds))
    return [*seeds[start:], *seeds[:start]]


class Workers:
    """Worker processes that end with this process or with the `with` block.

    Args:
        count: Number of processes.
        folder: Path of the folder of runs.
        plan: The training runs.
        threads: Number of threads of each.
    """

    def __init__(self, count: int, folder: str, plan: Plan, threads: int = 1) -> None:
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._processes: list[subprocess.Popen[str]] = []
        self._errors: list[IO[str]] = []
        self._files = ExitStack()
        for number in range(count):
            # The first runs start from image networks that no other worker trains.
            own_plan = [
                [training.to_dict(), rotated(seeds, number)] for training, seeds in plan
            ]
            order = {"folder": folder, "threads": threads, "plan": own_plan}
            self._start(json.dumps(order))

    def events(self, poll_seconds: float = 10.0) -> Iterator[Event | None]:
        """Yields reports, and `None` where there was none for some seconds.

        Raises:
            ChildProcessError: If a process failed, after the others have ended.
        """
        running = len(self._processes)
        while running:
            try:
                event = self._events.get(timeout=poll_seconds)
            except queue.Empty:
                yield None
                continue
            if event is None:
                running -= 1
            else:
                yield event
        for process, errors in zip(self._processes, self._errors, strict=True):
            if process.wait():
                errors.seek(0)
                lines = errors.read().strip().splitlines()[-_ERROR_LINES:]
                raise ChildProcessError(
                    "A worker process failed; the same command resumes. "
                    f"Received: exit code {process.returncode} and\n" + "\n".join(lines)
                )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with suppress(OSError):
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    assert stream is not None
                    stream.close()
        self._files.close()

    def _start(self, order: str) -> None:
        errors = tempfile.TemporaryFile(  # noqa: SIM115
            "w+", encoding="utf-8", errors="replace"
        )
        self._files.callback(errors.close)
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_nonlocal.experiments.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self._processes.append(process)
        self._errors.append(errors)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has failed, which its exit code shows
            process.stdin.write(order + "\n")
            process.stdin.flush()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with suppress(ValueError):  # closed at the end
            for line in process.stdout:
                values: Mapping[str, Any] = json.loads(line)
                self._events.put(Event(**values))
        self._events.put(None)
