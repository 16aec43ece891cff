"""`WorkerLostError`: what the others see when a worker dies."""

import atexit
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import keras

from keras_nonlocal.training.workers.jax_workers import jax_process

# JAX raises plain errors, whose messages name what found out.
_OF_JAX = re.compile(
    r"\bgloo\b|\bnccl\b|coordination service|CoordinationService|"
    r"distributed service|Connection (?:reset|closed|refused)|"
    r"(?:^|\W)(?:UNAVAILABLE|DEADLINE_EXCEEDED):",
    re.IGNORECASE,
)
_REASON_OF_JAX = re.compile(rf"(?:{_OF_JAX.pattern}).*", re.IGNORECASE)
_LONGEST = 300
# The other processes of JAX abort as soon as the first one, which has their service,
# has ended. What ends it often ends them as well, and they should say so.
_SECONDS_FOR_OTHERS = 10


class WorkerLostError(RuntimeError):
    """Raised if another worker has ended, or cannot be reached.

    The workers cannot replace it. All of them must be started again, and resume from
    the last saved state. Threads of TensorFlow and JAX may wait for the lost worker, so
    end the process with `os._exit`.
    """


def exit_at_once(code: int) -> NoReturn:
    """Ends the process without its threads, which may wait for a lost worker.

    The first of several processes of JAX gives the others a few seconds to end first.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    index, count = jax_process()
    if count > 1 and index == 0:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(_SECONDS_FOR_OTHERS)
    os._exit(code)


def end_without_others(code: int) -> None:
    """Makes this process end with a code, without waiting for other ones of JAX.

    At their end, processes of JAX wait for each other. One that fails must not: the
    others wait for it in the middle of a step, and notice only that it has ended. The
    last call decides.
    """
    if jax_process()[1] > 1:
        # Python calls the last function first, so JAX's comes too late.
        atexit.register(exit_at_once, code)


@contextlib.contextmanager
def worker_loss_named() -> Iterator[None]:
    """Turns the error of a lost worker into a `WorkerLostError`.

    After any error, this process ends without waiting for the others.
    """
    try:
        yield
    except BaseException as error:
        end_without_others(1)
        if not isinstance(error, Exception) or not _tells_of_loss(error):
            raise
        raise WorkerLostError(
            "Another worker has ended or cannot be reached; its own output says why. "
            "Start all workers again, and they resume from the last saved state. "
            f"Received: {_reason(error)}"
        ) from error


def _tells_of_loss(error: Exception) -> bool:
    if keras.backend.backend() == "tensorflow":
        return isinstance(error, _errors_of_tensorflow())
    # A `ValueError` of JAX is one of the class itself.
    kinds = ("ValueError", "RuntimeError", "JaxRuntimeError", "XlaRuntimeError")
    return type(error).__name__ in kinds and _OF_JAX.search(str(error)) is not None


def _errors_of_tensorflow() -> tuple[Any, ...]:
    import tensorflow as tf

    # From heartbeats, and from a new process in the place of a lost one.
    return (
        tf.errors.UnavailableError,
        tf.errors.DeadlineExceededError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
    )


def _reason(error: Exception) -> str:
    """Returns the line of the error that tells most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TensorFlow's message begins with a traceback, and JAX's with many repetitions.
    telling = [line for line in lines if "aborted by" in line]
    of_jax = [found[0] for line in lines if (found := _REASON_OF_JAX.search(line))]
    return (telling or of_jax or lines or [type(error).__name__])[0][:_LONGEST]
