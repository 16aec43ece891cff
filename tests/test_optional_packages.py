import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal import data
from keras_nonlocal.data import Framing, PyAVReader, video_dataset_from_directory
from tests.data.videos import moving_pictures, write_video


def test_without_pyav_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"^PyAV is needed .*`pip install av`\.$"):
        PyAVReader("video.mp4")


def test_without_tensorflow_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.mp4").touch()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"^TensorFlow is needed .*`pip install "):
        video_dataset_from_directory(tmp_path, verbose=False, dataset_type="tf.data")


def test_videos_are_read_without_keras_and_tensorflow(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_pictures(3, 48, 64))
    code = (
        "import sys, keras_nonlocal.data as data; "
        "assert 'av' not in sys.modules; "
        "(fact,) = data.scan_videos(sys.argv[1:]); "
        "assert fact.num_frames == 3, fact; "
        "assert not {'keras', 'tensorflow'} & {*sys.modules}; "
        "assert data.ClipEpochs.__module__ == 'keras_nonlocal.data.callbacks'"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)


def test_every_public_name_resolves() -> None:
    assert all(getattr(data, name) is not None for name in data.__all__)
    assert {*data.__all__} <= {*dir(data)}
    with pytest.raises(AttributeError, match="has no attribute 'ClipEpoch'"):
        data.ClipEpoch  # noqa: B018


@pytest.mark.slow
def test_memory_and_open_files_stay_flat(tmp_path: Path) -> None:
    code = f"""
import os, sys
import numpy as np
from keras_nonlocal import data
from keras_nonlocal.data import Framing, PyAVReader
framing = Framing(64, (56, 56))
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
sizes = []
for i in range(801):
    with PyAVReader({str(tmp_path / "v.mp4")!r}) as video:
        video.read((7 * i) % 200 + 8 * np.arange(8), framing)
    if i % 100 == 0:
        sizes.append(resident())
print(sizes, len(os.listdir("/proc/self/fd")))
sys.exit(sizes[-1] - sizes[2] > 5 or len(os.listdir("/proc/self/fd")) > 10)
"""
    write_video(tmp_path / "v.mp4", moving_pictures(300, 128, 160))
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_reader_of_ones_own_in_ten_lines(tmp_path: Path) -> None:
    class ArrayReader:
        def __init__(self, path: str) -> None:
            self.pictures = np.load(path)
            self.times = np.arange(len(self.pictures)) / 25

        def __enter__(self) -> "ArrayReader":
            return self

        def __exit__(self, *error: object) -> None:
            del self.pictures

        def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
            pictures = [framing.cut(picture) for picture in self.pictures[indices.flat]]
            return np.reshape(pictures, (*indices.shape, *pictures[0].shape))

    pictures = moving_pictures(9, 32, 40)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "1.mp4").open("wb") as file:
            np.save(file, pictures)
    pytest.importorskip("tensorflow")
    dataset = video_dataset_from_directory(
        tmp_path,
        num_frames=3,
        frame_stride=1,
        crop_size=32,
        shuffle=False,
        verbose=False,
        open_video=ArrayReader,
    )
    clips, labels = next(iter(dataset))
    np.testing.assert_array_equal(clips, [pictures[3:6, :, 4:36]] * 2)
    assert labels.numpy().tolist() == [0, 1]
