"""`keras-nonlocal train` on generated videos."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.runs import TrainingSettings
from keras_nonlocal.tensorflow_start.line_filter import is_startup_line
from tests.cli.train_command import arguments
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the command trains in TensorFlow",
    ),
    pytest.mark.usefixtures("shallow_networks"),
]


@pytest.fixture(scope="module")
def trained(videos, tmp_path_factory):
    """A whole training: the exit code, what it printed, its folder."""
    output = tmp_path_factory.mktemp("trained")
    command = arguments(
        videos,
        output,
        epochs=2,
        learning_rate=0.08,
        precise_statistics=2,
        save_every=2,
        check_finite=True,
        json=True,
    )
    finished = subprocess.run(
        [sys.executable, "-m", "tests.shallow", "keras_nonlocal", *command],
        cwd=Path(__file__).parents[2],
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stderr.encode().splitlines(keepends=True)
    assert not any(map(is_startup_line, lines)), finished.stderr
    return json.loads(finished.stdout), output


def test_what_it_prints_is_the_recipe_and_the_figures(trained, videos):
    printed, _ = trained
    assert printed["class_names"] == ["a", "b"]
    settings = printed["settings"]
    assert settings["recipe"]["learning_rate"] == 0.08
    assert settings["recipe"]["decay_at"] == [0.375, 0.75]
    assert settings["data"]["videos"] == str(videos)
    assert not settings["clips"]["horizontal_flip"]
    assert printed["plan"] == {
        "num_videos": 10,
        "num_validation_videos": 2,
        "num_test_videos": 4,
        "classes": 2,
        "steps_per_epoch": 3,
        "epochs": 2,
        "updates": 6,
        "first_learning_rate": 0.005,
    }
    assert len(printed["history"]["val_accuracy"]) == 2
    assert printed["history"]["clips_per_second"][1] > 0
    assert printed["test"]["videos"] == 4
    assert 0 <= printed["test"]["top1"] <= 1


def test_what_it_writes_is_what_it_trained(trained, videos):
    printed, output = trained
    config = json.loads((output / "config.json").read_text())
    assert config["settings"] == printed["settings"]
    settings = TrainingSettings.load(output)
    assert settings.to_dict() == printed["settings"]
    with (output / "history.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses == printed["history"]["loss"]
    model = keras.saving.load_model(output / "model.keras")
    assert model.input_shape == (None, 4, 32, 32, 3)
    assert model.output_shape == (None, 2)
    model.load_weights(output / "best.weights.h5")
    model.load_weights(output / "last.weights.h5")
    rates = model.optimizer.learning_rate
    assert model.optimizer.momentum == 0.9
    assert float(rates) == pytest.approx(5e-5)
    lines = (output / "test_scores.jsonl").read_text().splitlines()
    scores = [json.loads(line) for line in lines]
    assert (output / "class_names.txt").read_text() == "a\nb\n"
    tested = {Path(row["path"]) for row in scores if "path" in row}
    assert tested == {*(videos / "test").rglob("*.mp4")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.1}, "where `--learning-rate` is 0.08 instead of 0.1"),
        ({"epochs": 3}, "where `--epochs` is 2 instead of 3"),
        ({"schedule": "cosine"}, "`--schedule` is 'steps' instead of 'cosine'"),
        ({"batch_size": 5}, "where `--batch-size` is 4 instead of 5"),
    ],
)
def test_another_training_does_not_go_on_in_the_folder(
    trained, videos, capsys, changes, message
):
    options = {"epochs": 2, "learning_rate": 0.08, "precise_statistics": 2}
    assert main(arguments(videos, trained[1], **(options | changes))) == 2
    assert message in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_it_goes_on_without_a_video_at_which_it_stopped(videos, tmp_path, capsys):
    shutil.copytree(videos / "train", tmp_path / "videos")
    broken = tmp_path / "videos" / "b" / "4.mp4"
    broken.write_bytes(broken.read_bytes()[:200])
    command = arguments(
        tmp_path / "videos", tmp_path / "out", epochs=1, precise_statistics=0
    )
    assert main(command) == 2
    assert str(broken) in capsys.readouterr().err
    assert (tmp_path / "out" / "config.json").exists()
    assert main([*command, "--on-error", "skip"]) == 0
    assert (tmp_path / "out" / "model.keras").exists()


def test_the_test_can_be_asked_for_otherwise(trained, videos, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(trained[1], folder)
    changes = {
        "epochs": 2,
        "learning_rate": 0.08,
        "precise_statistics": 1,
        "on_error": "skip",
    }
    assert main(arguments(videos, folder, num_clips=1, **changes)) == 0
    assert "is finished: its last epoch, 2, is trained" in capsys.readouterr().out
    lines = (folder / "test_scores.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert json.loads(lines[0])["settings"]["num_clips"] == 1


@pytest.mark.slow
def test_other_videos_are_another_training(videos, tmp_path, capsys):
    options = {"epochs": 1, "precise_statistics": 0}
    listed = [*enumerate((videos / "train").rglob("*.mp4"))]

    def command(shift):
        rows = "".join(f"{path},{(i + shift) % 2}\n" for i, path in listed)
        (tmp_path / "list.txt").write_text(rows)
        return arguments(tmp_path / "list.txt", tmp_path / "out", **options)

    assert main(command(0)) == 0
    assert main(command(1)) == 2
    assert "the hash of the training data is " in capsys.readouterr().err


@pytest.mark.slow
def test_a_broken_video_is_one_line(videos, tmp_path, capsys):
    whole = next((videos / "train").rglob("*.mp4")).read_bytes()
    (tmp_path / "broken.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "list.txt").write_text("broken.mp4,0\nbroken.mp4,1\n")
    command = arguments(
        tmp_path / "list.txt", tmp_path / "out", root=tmp_path, epochs=1
    )
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("keras-nonlocal: Cannot read the video ")
    assert "broken.mp4" in printed
    assert printed.count("\n") == 1


@pytest.mark.slow
def test_a_training_of_one_step_that_fails(videos, tmp_path, capsys):
    """One step, of which the loss is NaN; JSON has no such number."""
    command = arguments(
        videos / "train",
        tmp_path,
        epochs=1,
        batch_size=16,
        learning_rate=1e30,
        validation=videos / "val",
        precise_statistics=0,
        tensorboard=True,
        json=True,
    )
    assert main(command) == 0

    def refuse(constant):
        raise AssertionError(constant)

    printed = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert printed["plan"]["updates"] == 1
    assert printed["history"]["val_loss"] == [None]


@pytest.mark.thorough
@pytest.mark.slow
def test_what_callbacks_take_is_no_wait_of_the_training(videos, tmp_path, monkeypatch):
    from keras_nonlocal import training

    seen = {}

    class Watching(training.Throughput):
        def watch(self, clips):
            seen["watched"] = clips
            return super().watch(clips)

    class Sampling(training.SampleClips):
        def __init__(self, log_dir, clips):
            seen["sampled"] = clips
            super().__init__(log_dir, clips)

    class Stopping(training.StopOnNonFiniteLoss):
        def __init__(self, clips):
            seen["checked"] = clips
            super().__init__(clips)

    monkeypatch.setattr(training, "Throughput", Watching)
    monkeypatch.setattr(training, "SampleClips", Sampling)
    monkeypatch.setattr(training, "StopOnNonFiniteLoss", Stopping)
    command = arguments(
        videos / "train",
        tmp_path,
        epochs=1,
        precise_statistics=0,
        tensorboard=True,
        check_finite=True,
    )
    assert main(command) == 0
    assert seen["sampled"] is seen["watched"]
    assert seen["checked"] is seen["watched"]


@pytest.mark.slow
def test_statistics_that_fail_lose_no_training(videos, tmp_path, monkeypatch):
    from keras_nonlocal import training

    def fail(*arguments):
        raise OSError("gone")

    monkeypatch.setattr(training, "update_batch_norm_statistics", fail)
    command = arguments(videos / "train", tmp_path, epochs=1, precise_statistics=1)
    assert main(command) == 2
    assert keras.saving.load_model(tmp_path / "model.keras").output_shape == (None, 2)


@pytest.mark.slow
def test_several_labels(tmp_path, capsys):
    lines = []
    for i in range(6):
        path = tmp_path / f"{i}.mp4"
        write_video(path, moving_pictures(8, 40, 48, i))
        lines.append(f"{path.name},{i % 3},{3 + i % 2}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    command = arguments(
        tmp_path / "list.txt",
        tmp_path / "out",
        root=tmp_path,
        validation=tmp_path / "list.txt",
        schedule="cosine",
        freeze="stem res2",
        epochs=1,
        precise_statistics=0,
        json=True,
    )
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["plan"]["classes"] == 5
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    assert model.layers[-1].activation.__name__ == "sigmoid"
    assert not model.get_layer("conv2_block1_1_conv").trainable
    assert 0 < printed["history"]["val_mean_average_precision"][0] <= 1


@pytest.mark.slow
def test_a_loss_that_is_nan_ends_it(videos, tmp_path, capsys):
    command = arguments(
        videos, tmp_path, epochs=1, learning_rate=1e30, check_finite=True, json=True
    )
    assert main(command) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("keras-nonlocal: The loss is nan since batch ")
    assert ".mp4" in printed


@pytest.mark.slow
def test_interrupted_it_says_how_it_is_resumed(videos, tmp_path):
    command = arguments(videos / "train", tmp_path, epochs=500, save_every=1)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.shallow", "keras_nonlocal", *command],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for_writes(process, tmp_path / "state.npz", 2)
        process.send_signal(signal.SIGINT)
        printed, error = process.communicate()
    assert process.returncode == 130
    assert "500 epochs of 10 videos" in printed
    expected = f"interrupted; the same command resumes the run in {tmp_path}\n"
    assert error.endswith(f"\nkeras-nonlocal: {expected}")
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.thorough
def test_killed_and_started_again_it_ends_the_same(videos, tmp_path):
    def start(output):
        command = arguments(
            videos, output, epochs=3, precise_statistics=2, save_every=1
        )
        return subprocess.Popen(
            [sys.executable, "-m", "tests.shallow", "keras_nonlocal", *command],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    with start(tmp_path / "whole") as process:
        assert process.wait() == 0
    with start(tmp_path / "parts") as process:
        wait_for_writes(process, tmp_path / "parts" / "state.npz", 3)
        assert (tmp_path / "parts" / "config.json").exists()
        process.send_signal(signal.SIGKILL)
    with start(tmp_path / "parts") as process:
        assert process.wait() == 0
    whole, parts = (
        keras.saving.load_model(tmp_path / name / "model.keras")
        for name in ("whole", "parts")
    )
    for own, expected in zip(parts.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), expected.numpy(), own.path)


def wait_for_writes(process, path, count):
    """Returns when a file was written anew that often."""
    seen = path.stat().st_ino if path.exists() else None
    while count:
        assert process.poll() is None, "ended too early"
        time.sleep(0.02)
        current = path.stat().st_ino if path.exists() else None
        if current != seen:
            seen = current
            count -= 1
