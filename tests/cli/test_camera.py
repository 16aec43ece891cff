"""`keras-nonlocal predict --camera`, with a generated recording as the camera."""

import av
import numpy as np
import pytest

from keras_nonlocal import decode_predictions, predict_video
from keras_nonlocal.cli import main
from keras_nonlocal.data.readers import camera
from tests.inference.test_predicting import small

RECORDING = "testsrc2=size=60x50:rate=10:duration={}"


@pytest.fixture
def recording(monkeypatch):
    """Substitutes recordings for cameras, and returns their frames."""
    devices = {"/dev/video0": 2.3, "/dev/video1": 0.2}

    def source(device):
        return RECORDING.format(devices[device or "/dev/video0"]), "lavfi"

    monkeypatch.setattr(camera, "camera_input", source)
    with av.open(*source(None)[:1], format="lavfi") as container:
        frames = container.decode(video=0)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = small()
    made.save("model.keras")
    return made


def test_the_last_line_is_the_end_of_the_recording(recording, model, capsys):
    command = ["predict", "model.keras", "--camera", "--frame-stride", "5"]
    assert main([*command, "--top", "2"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert len(recording) == 23
    scores = predict_video(model, recording[5:21:5], 1, 1, frame_stride=1)
    best = decode_predictions(scores, 2, [*"01234"])[0]
    assert last == ", ".join(f"{score:.2f} {name}" for name, score in best)


def test_clips_have_the_distance_and_rate_that_is_asked_for(recording):
    with camera.CameraClips(None, 3, 2, target_fps=5.0) as clips:
        *_, last = clips
    np.testing.assert_array_equal(last, recording[[12, 16, 20]])


def test_a_recording_that_is_too_short_has_no_clip(recording):
    with camera.CameraClips("/dev/video1", 3, 1) as clips:
        assert list(clips) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Either a VIDEO or `--camera` must be given. Received: neither"),
        (["a.mp4", "--camera"], "Received: 1 and a camera"),
        (["--camera", "--csv", "x.csv"], "`--csv` is for videos. Received: --csv="),
        (["--camera", "/dev/none"], "opened: No such file or directory. Received: "),
    ],
)
def test_errors_are_one_line(model, capsys, options, message):
    assert main(["predict", "model.keras", *options]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
