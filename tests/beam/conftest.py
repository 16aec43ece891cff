"""A collection with broken videos, and a small model."""

import keras
import pytest

import keras_nonlocal
from keras_nonlocal.beam import work_folder
from keras_nonlocal.data import VideoList
from tests.beam.collections import write_collection


@pytest.fixture
def videos(tmp_path, rng) -> VideoList:
    """Random videos, three of which cannot be read."""
    return write_collection(tmp_path / "videos", rng)


@pytest.fixture
def model(rng) -> keras.Model:
    """A random network for three classes."""
    keras.utils.set_random_seed(int(rng.integers(2**31)))
    return keras_nonlocal.NLResNet50C2D(
        classes=3, input_shape=(4, 32, 32, 3), width=4, nonlocal_blocks=1
    )


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    """Ten videos are three chunks."""
    monkeypatch.setattr(work_folder, "CHUNK_SIZE", 4)
