"""Errors that tell of a lost worker, and others."""

import keras
import pytest

from keras_nonlocal.training import WorkerLostError
from keras_nonlocal.training.workers import failures
from keras_nonlocal.training.workers.failures import worker_loss_named


def raised(error):
    """What the error becomes."""
    with pytest.raises(Exception) as caught, worker_loss_named():  # noqa: PT011
        raise error
    return caught.value


@pytest.fixture
def on_jax(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(failures.keras.backend, "backend", lambda: "jax")


# What JAX 0.10 raises on CPUs after a kill.
READ_ERROR = (
    "UNKNOWN: Gloo AllGather failed: [external/gloo/gloo/transport/tcp/pair.cc:538] "
    "Read error [127.0.0.1]:25491: Connection reset by peer"
)


def test_errors_of_jax(on_jax):
    error = raised(ValueError("INTERNAL: " + "Error dispatching: " * 99 + READ_ERROR))
    assert isinstance(error, WorkerLostError)
    assert str(error).endswith(f"Received: {READ_ERROR.removeprefix('UNKNOWN: ')}")
    kind = type("JaxRuntimeError", (RuntimeError,), {})
    assert isinstance(raised(kind("UNAVAILABLE: no heartbeat")), WorkerLostError)


def test_other_errors_stay_as_they_are(on_jax):
    for error in (
        ValueError("`batch_size` must be positive. Received: batch_size=0"),
        OSError("Connection reset by peer"),  # a file on a share
        RuntimeError("RESOURCE_EXHAUSTED: out of memory"),
    ):
        assert raised(error) is error


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="errors of TensorFlow"
)
def test_errors_of_tensorflow():
    import tensorflow as tf

    message = (
        "Graph execution error:\n\nDetected at node Reduce (most recent call last):\n"
        '  File "train.py", line 1, in <module>\n\n'
        "Collective ops is aborted by: the tasks are unhealthy"
    )
    error = raised(tf.errors.UnavailableError(None, None, message))
    assert isinstance(error, WorkerLostError)
    assert str(error).endswith(
        "Received: Collective ops is aborted by: the tasks are unhealthy"
    )
    other = tf.errors.InvalidArgumentError(None, None, message)
    assert raised(other) is other
