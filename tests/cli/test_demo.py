"""`keras-nonlocal demo`, up to the page."""

import socket
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import predict_video
from keras_nonlocal.cli import main
from keras_nonlocal.data import ImageError, VideoError
from keras_nonlocal.demo.scoring import ClassifierDemo, DetectorDemo
from keras_nonlocal.inference import Views
from tests.data.videos import moving_pictures, write_video
from tests.detection.detectors import small_detector, small_keypoint_detector
from tests.inference.test_predicting import binary, small

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "x.mp4", moving_pictures(9, 48, 64, seed=2))


def test_scores_are_those_of_the_package(video, tmp_path):
    model = small()
    demo = ClassifierDemo(model, NAMES, Views(2, 3, frame_stride=2), tmp_path)
    expected = predict_video(model, video, 2, 3, frame_stride=2)
    found = demo.scores(video)
    assert list(found) == list(NAMES)
    np.testing.assert_allclose([*found.values()], expected, atol=1e-6)
    assert not demo.has_attention
    first, second = demo.activation(video, "b"), demo.activation(video, "d")
    assert first != second
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() != second.read_bytes()
    (tmp_path / "broken.mp4").write_bytes(b"x")
    with pytest.raises(VideoError, match="Invalid data"):
        demo.scores(str(tmp_path / "broken.mp4"))


def test_one_sigmoid_unit_has_two_classes(video, tmp_path):
    model = binary()
    demo = ClassifierDemo(model, ("no", "yes"), Views(1, 1, frame_stride=2), tmp_path)
    score = float(predict_video(model, video, 1, 1, frame_stride=2)[0])
    assert demo.scores(video) == pytest.approx({"no": 1 - score, "yes": score})


def test_attention_is_drawn(video, tmp_path):
    model = keras_nonlocal.NLResNet50C2D(input_shape=(4, 32, 32, 3), classes=2, width=4)
    demo = ClassifierDemo(model, ("x", "y"), Views(1, 1, frame_stride=2), tmp_path)
    assert demo.has_attention
    assert demo.attention(video).stat().st_size > 1000


@pytest.mark.parametrize("make", [small_detector, small_keypoint_detector])
def test_objects_are_drawn_and_listed(make, tmp_path):
    from PIL import Image

    model = make()
    pixels = np.random.default_rng(1).integers(0, 256, (48, 60, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "x.png")
    demo = DetectorDemo(model, tuple(map(str, range(model.classes))))
    found = keras_nonlocal.predict_picture(model, pixels)
    lowest = float(np.median(found["scores"]))
    drawn, rows = demo.detect(str(tmp_path / "x.png"), lowest)
    assert drawn.shape == pixels.shape
    assert len(rows) == int((found["scores"] >= lowest).sum()) > 0
    assert (drawn != pixels).any()
    assert rows[0][0] == str(found["labels"][0])
    (tmp_path / "broken.png").write_bytes(b"x")
    with pytest.raises(ImageError):
        demo.detect(str(tmp_path / "broken.png"), lowest)


def test_errors_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["demo", "model.keras", "--port", port]) == 2
        message = capsys.readouterr().err
        assert "`--port` must be free" in message
        assert f"Received: --port={port}" in message
    assert main(["demo", "model.keras", "--port", "70000"]) == 2
    assert "`--port` must be a number from 1 to 65535" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", "model.keras"]) == 2
    message = capsys.readouterr().err
    assert (
        "Gradio is needed for the demo: `pip install keras_nonlocal[demo]`" in message
    )
    assert not Path("demo").exists()
