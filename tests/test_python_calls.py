"""Programs that end while `tf.data` loads ahead."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
# Each program imports TensorFlow.
pytestmark = pytest.mark.slow

PROGRAM = """
import sys, time
import numpy as np
from keras_nonlocal import data
from keras_nonlocal.training import Throughput

class Reader:
    def __init__(self, path):
        self.times = np.arange(4) / 4
    def __enter__(self):
        return self
    def __exit__(self, *error):
        pass
    def read(self, indices, framing):
        time.sleep(0.0005)
        sum(range(20_000))
        return np.zeros((*np.shape(indices), 1, 16, 16, 3), np.uint8)

videos = data.VideoList(tuple(map(str, range(100_000))))
clips = data.video_dataset_from_list(
    videos, batch_size=1, num_frames=2, crop_size=16, open_video=Reader,
    shuffle=False, verbose=False, on_error=sys.argv[1])
clips = Throughput().watch(clips).prefetch(10_000)
iterator = iter(clips)
print(next(iterator).shape)
"""


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_program_ends_in_the_middle_of_an_epoch(
    tmp_path: Path, on_error: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), on_error],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            output, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors
            assert output == "(1, 2, 16, 16, 3)\n"
    finally:
        for process in processes:
            process.kill()
