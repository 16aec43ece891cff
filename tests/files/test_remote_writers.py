"""Functions that write local files refuse a scheme, and make no folder `gs:`."""

from pathlib import Path

import keras
import pytest

import keras_nonlocal
from keras_nonlocal.data import VideoList
from keras_nonlocal.visualize import draw_attention
from keras_nonlocal.weights import download_preset, find_preset


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return keras_nonlocal.NLResNet50C2D(
        input_shape=(4, 32, 32, 3), classes=2, width=2, nonlocal_blocks=1
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="exports need TensorFlow"
)
def test_exports(model: keras.Model, in_empty_folder: Path) -> None:
    message = "`directory` must be a local path; .* Received: directory='gs://b/m'"
    with pytest.raises(ValueError, match=message):
        keras_nonlocal.export_saved_model(model, "gs://b/m")
    assert not any(in_empty_folder.iterdir())


def test_results(model: keras.Model, in_empty_folder: Path) -> None:
    videos = VideoList(("a.mp4",), (0,), ("x", "y"))
    message = "`results_file` must be a local path; .* results_file='s3://b/r.jsonl'"
    with pytest.raises(ValueError, match=message):
        keras_nonlocal.evaluate_videos(
            model, videos, results_file="s3://b/r.jsonl", verbose=0
        )
    assert not any(in_empty_folder.iterdir())


def test_pictures(model: keras.Model, in_empty_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"Received: output='gs://b/a\.mp4'"):
        draw_attention(model, "a.mp4", "gs://b/a.mp4")
    assert not any(in_empty_folder.iterdir())


def test_downloads(in_empty_folder: Path) -> None:
    preset = find_preset("kinetics400", depth=50, variant="i3d", nonlocal_blocks=5)
    with pytest.raises(ValueError, match="Received: cache_dir='gs://b/c'"):
        download_preset(preset, cache_dir="gs://b/c")
    assert not any(in_empty_folder.iterdir())


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path
