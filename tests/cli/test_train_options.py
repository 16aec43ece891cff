"""What `keras-nonlocal train` makes of its options, and which it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_nonlocal.models
from keras_nonlocal.cli import main
from keras_nonlocal.weights import DownloadError
from tests.cli.train_command import arguments
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command trains in TensorFlow"
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "`--batch-size` must be positive. Received: batch_size=0"),
        ({"epochs": 0}, "`--epochs` must be positive"),
        ({"save_every": 0}, "`--save-every` must be positive. Received: save_every=0"),
        ({"num_clips": 0}, "`--num-clips` must be positive. Received: num_clips=0"),
        (
            {"gradient_accumulation": 100, "epochs": 1},
            "batches of the training, 3. Received: gradient_accumulation=100",
        ),
        ({"weights": "nowhere.h5"}, "Received: weights='nowhere.h5'"),
        ({"validation_split": 0.5}, "Either `--validation` or `--validation-split`"),
        ({"test": "nowhere"}, "or a list. Received: 'nowhere'"),
        ({"decay_at": "0.5 0.2", "epochs": 2}, "`boundaries` must be positive and"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(
    videos, tmp_path, capsys, changes, message
):
    assert main(arguments(videos, tmp_path, **changes)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (1.5, "must be a share between 0 and 1. Received: validation_split=1.5"),
        (-1, "must be a share between 0 and 1. Received: validation_split=-1.0"),
        (1, "must be a share between 0 and 1. Received: validation_split=1.0"),
        ("nan", "must be a share between 0 and 1. Received: validation_split=nan"),
        (0.01, "and for the validation. Received: validation_split=0.01 of 10"),
    ],
)
def test_both_parts_of_a_split_have_videos(videos, tmp_path, capsys, share, message):
    command = arguments(videos / "train", tmp_path / "out", validation_split=share)
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_a_list_without_videos_is_refused(tmp_path, capsys):
    (tmp_path / "list.txt").write_text("")
    assert main(arguments(tmp_path / "list.txt", tmp_path / "out")) == 2
    assert "for training must be at least one. Received: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"num_frames": 0},
            "must be at least 2 for this network. Received: num_frames=0",
        ),
        ({"short_side": "40 20"}, "Received: short_side=(40, 20)"),
    ],
)
def test_wrong_options_leave_a_folder_in_which_others_can_train(
    videos, tmp_path, capsys, changes, message
):
    output = tmp_path / "out"
    assert main(arguments(videos, output, epochs=1, **changes)) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("kind", [Exception, DownloadError])
def test_weights_that_cannot_be_downloaded(videos, tmp_path, capsys, monkeypatch, kind):
    def fail(*arguments, **options):
        raise kind("URL fetch failure on https://a.b/c.h5: None -- no route.")

    monkeypatch.setattr(keras_nonlocal.models, "NLResNet", fail)
    assert main(arguments(videos, tmp_path / "out", weights="imagenet")) == 2
    assert capsys.readouterr().err == (
        "keras-nonlocal: The weights could not be downloaded, choose `--weights none` "
        "or a local file: URL fetch failure on https://a.b/c.h5: None -- no route. "
        "Received: weights='imagenet'\n"
    )
    monkeypatch.setattr(keras_nonlocal.models, "NLResNet", lambda *a, **b: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(arguments(videos, tmp_path / "out", weights="imagenet"))


@pytest.mark.slow
def test_without_a_connection_the_default_weights_are_one_error(videos, tmp_path):
    nowhere = "http://127.0.0.1:9"
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "keras_nonlocal"),
            *arguments(videos, tmp_path / "out", weights="imagenet"),
        ],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"KERAS_HOME": str(tmp_path), "https_proxy": nowhere, "HTTPS_PROXY": nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert "`--weights none` or a local file: URL fetch failure on" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out").exists()


def test_test_videos_must_have_the_classes(videos, tmp_path, capsys):
    for name in "bc":
        folder = tmp_path / "test" / name
        folder.mkdir(parents=True)
        write_video(folder / "0.mp4", moving_pictures(4, 24, 24, 0))
    command = arguments(videos / "train", tmp_path / "out", test=tmp_path / "test")
    assert main(command) == 2
    assert "must have the classes of those for training" in capsys.readouterr().err


def test_the_length_of_the_paper_in_epochs(videos):
    from keras_nonlocal.cli import _parser
    from keras_nonlocal.cli.train_plan import TrainingPlan, TrainingVideos

    def plan(**changes):
        options = _parser().parse_args(arguments(videos, "out", **changes))
        return TrainingPlan.of(options, TrainingVideos.of(options))

    assert plan().epochs == round(400_000 / 3)
    accumulated = plan(gradient_accumulation=2, updates=30)
    assert (accumulated.epochs, accumulated.updates) == (20, 30)
    assert accumulated.first_learning_rate == pytest.approx(0.01 * 8 / 64)
    assert plan(batch_size=64, updates=10).first_learning_rate == 0.01
    one = plan(gradient_accumulation=100, updates=1)
    assert (one.epochs, one.updates) == (34, 1)


@pytest.mark.parametrize("content", ["", "[]", '{"options": 3}', '{"epochs": 2}'])
def test_a_foreign_config_is_one_error(videos, tmp_path, capsys, content):
    (tmp_path / "config.json").write_text(content)
    assert main(arguments(videos, tmp_path)) == 2
    printed = capsys.readouterr().err
    assert "whose config.json is of something else" in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("part", ["validation", "test"])
def test_labels_beyond_the_classes_are_refused(videos, tmp_path, capsys, part):
    path = next((videos / "train").rglob("*.mp4"))
    (tmp_path / "train.txt").write_text(f"{path},0\n{path},1\n")
    (tmp_path / "other.txt").write_text(f"{path},1\n{path},2\n")
    output = tmp_path / "out"
    options = {part: tmp_path / "other.txt"}
    assert main(arguments(tmp_path / "train.txt", output, **options)) == 2
    expected = f"for {part} must have labels from 0 to 1, those for training. Received:"
    assert expected in capsys.readouterr().err
    assert not output.exists()
