"""Batches of pictures that processes read are those that threads read."""

import gc
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import ImageError
from tests.data.coco.annotated import write_many
from tests.data.coco.test_coco_dataset import assert_equal, load, one_epoch

pytest.importorskip("grain")
# Each process imports NumPy and Pillow.
pytestmark = pytest.mark.slow


@pytest.fixture
def source(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    return write_many(tmp_path, rng, 9), tmp_path


@pytest.mark.parametrize("dataset_type", ["tf.data", "keras"])
def test_the_batches_are_those_of_threads(
    source: tuple[Path, Path], dataset_type: str
) -> None:
    if dataset_type == "tf.data":
        pytest.importorskip("tensorflow")
    broken = Path(load(source, "keras").batch_paths(0, 1)[0])
    broken.write_bytes(b"no picture")
    options = {"on_error": "skip", "masks": True}
    own = load(source, dataset_type, workers=2, **options)
    other = load(source, dataset_type, **options)
    for _ in range(3):
        assert_equal(one_epoch(own), one_epoch(other))
    assert own.failures.reasons == other.failures.reasons
    assert [*own.failures.reasons] == [str(broken)]
    for epoch, batch in ((1, 1), (4, 0)):
        rests = [dataset.resume(epoch, batch) for dataset in (own, other)]
        assert_equal(*map(one_epoch, rests))
    with pytest.raises(Exception, match=r"no picture|is not|cannot") as raised:
        one_epoch(load(source, dataset_type, workers=1))
    assert dataset_type == "tf.data" or isinstance(raised.value, ImageError)


def test_processes_end_with_the_dataset(source: tuple[Path, Path]) -> None:
    dataset = load(source, "keras", workers=2)
    one_epoch(dataset)
    assert multiprocessing.active_children()
    del dataset
    # Grain waits up to 25 s for a process, and kills it then.
    end = time.monotonic() + 90
    while multiprocessing.active_children() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.1)
    assert not multiprocessing.active_children()


def test_bad_values(source: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match=r"`workers` must be .* Received: workers=-1"):
        load(source, workers=-1)
