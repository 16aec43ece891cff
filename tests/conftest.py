"""Settings before TensorFlow is imported, and random numbers."""

import gc
import os
import random
import signal

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Shells start what runs in the background with Ctrl-C ignored, which tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Initial weights, whose seeds Keras draws here, are the same in each run."""
    random.seed(item.nodeid)


def pytest_collection_finish():
    """Keeps the many objects of imported modules out of garbage collections.

    Keras collects garbage often, such as each time a layer gives up a variable.
    """
    gc.freeze()


@pytest.fixture
def rng(request):
    """Other random numbers in each run; the report of a failure says which."""
    seed = int(np.random.default_rng().integers(2**63))
    call = f"np.random.default_rng({seed})"
    request.node.add_report_section("setup", "random numbers", call)
    return np.random.default_rng(seed)


@pytest.fixture
def shallow_networks():
    """Networks of 50 layers have few: for tests of what surrounds them."""
    from tests.shallow import shallow_row

    with shallow_row():
        yield
