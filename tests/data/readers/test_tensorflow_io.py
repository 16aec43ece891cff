"""Reads with tensorflow-io where it is installed: see `.ci/tfio`."""

import sys
import types
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    PyAVReader,
    TensorFlowIOReader,
    VideoError,
    VideoList,
    video_dataset_from_list,
)
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")

NEEDS = r"^tensorflow-io 0\.37\.1 is needed, with TensorFlow 2\.16 .*PyAVReader`\.$"
# Not scaled: the two readers scale before and after the conversion of the colors.
FRAMING = Framing(36, (36, 48))


@pytest.fixture
def tfio() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow_io")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write_video(tmp_path / "v.mp4", moving_pictures(30, 36, 48))


def test_without_it_a_sentence_says_what_it_needs(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(ImportError, match=NEEDS):
        TensorFlowIOReader(path)


def test_libraries_that_do_not_load_are_told(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode_video(content: bytes) -> Any:
        raise NotImplementedError("unable to open file: libtensorflow_io.so")

    ffmpeg = types.SimpleNamespace(decode_video=decode_video)
    module = types.ModuleType("tensorflow_io")
    module.experimental = types.SimpleNamespace(ffmpeg=ffmpeg)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow_io", module)
    with pytest.raises(ImportError, match=NEEDS):
        TensorFlowIOReader(path)


def test_the_frames_are_those_of_the_file(tfio: Any, path: str) -> None:
    indices = np.array([[29, 3], [3, 11]])
    with PyAVReader(path) as video:
        expected = video.read(indices, FRAMING).astype(int)
        neighbors = video.read(indices - 1, FRAMING).astype(int)
    with TensorFlowIOReader(path, fps=30) as video:
        np.testing.assert_allclose(video.times, np.arange(30) / 30)
        got = video.read(indices, FRAMING)
    assert np.abs(got - expected).mean() < 1
    assert np.abs(got - neighbors).mean() > 15


def test_a_dataset_read_with_it(tfio: Any, path: str) -> None:
    dataset = video_dataset_from_list(
        VideoList((path,), (0,), ("a", "b")),
        num_frames=4,
        frame_stride=2,
        crop_size=24,
        short_side=36,
        shuffle=False,
        open_video=partial(TensorFlowIOReader, fps=15),
        with_info=True,
        verbose=False,
    )
    ((clips, labels, info),) = dataset
    assert labels.numpy().tolist() == [0]
    indices = np.round(info["times"][0] * 15).astype(int)
    assert indices.tolist() == [11, 13, 15, 17]
    with PyAVReader(path) as video:
        expected = video.read(indices, Framing(36, (24, 24)))[:, 0]
    assert np.abs(clips[0].numpy() - expected.astype(int)).mean() < 1


def test_broken_files_are_named(tfio: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"broken.mp4': .*Invalid data"):
        TensorFlowIOReader(str(tmp_path / "broken.mp4"))
    with pytest.raises(VideoError, match=r"none.mp4': No such file"):
        TensorFlowIOReader(str(tmp_path / "none.mp4"))
