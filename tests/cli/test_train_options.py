"""What `keras-nonlocal train` makes of its options, and which it refuses."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_nonlocal
import keras_nonlocal.models
from keras_nonlocal.cli import _parser, main
from keras_nonlocal.cli.options.errors import in_options
from keras_nonlocal.cli.options.training import training_settings
from keras_nonlocal.runs import DetectorSettings, TrainingSettings
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
        (
            {"batch_size": 0},
            "`--batch-size` must be at least 1. Received: --batch-size=0",
        ),
        ({"epochs": 0}, "`--epochs` must be at least 1"),
        ({"save_every": 0}, "at least 1. Received: --save-every=0"),
        ({"num_clips": 0}, "at least 1. Received: --num-clips=0"),
        (
            {"gradient_accumulation": 100, "epochs": 1},
            "batches of the run, 3. Received: --gradient-accumulation=100",
        ),
        ({"weights": "nowhere.h5"}, "Received: --weights='nowhere.h5'"),
        (
            {"validation_split": 0.5},
            "`--validation-split` can be given only without videos to validate on.",
        ),
        (
            {"validation_split": 0.5, "validation": "val"},
            "Either `--validation` or `--validation-split`",
        ),
        (
            {"weights": "imagenet", "width": 8},
            "Received: --width=8",
        ),
        (
            {"weights": "caffe2_c2d_baseline_8x8_in_pretrain_400k", "width": 8},
            "Received: --width=8",
        ),
        (
            {"precision": "float16"},
            "without a GPU: TensorFlow trains no float16 on CPUs. Received: --precis",
        ),
        ({"test": "nowhere"}, "or a list. Received: 'nowhere'"),
        ({"decay_at": "0.5 0.2", "epochs": 2}, "`--decay-at` must increase. Received"),
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
        (1.5, "must be between 0 and 1. Received: --validation-split=1.5"),
        (-1, "must be between 0 and 1. Received: --validation-split=-1.0"),
        (1, "must be between 0 and 1. Received: --validation-split=1.0"),
        ("nan", "must be between 0 and 1. Received: --validation-split=nan"),
        (0.01, "and for validation. Received: --validation-split=0.01 of 10"),
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
            {"num_frames": 1},
            "must be at least 2 for this network. Received: --num-frames=1",
        ),
        ({"short_side": "40 20"}, "Received: --short-side=(40, 20)"),
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
        "keras-nonlocal: `--weights` must be none or the path of a file, since a "
        "download failed: URL fetch failure on https://a.b/c.h5: None -- no "
        "route. Received: --weights='imagenet'\n"
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
            *arguments(videos, tmp_path / "out", weights="imagenet", width=64),
        ],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {"KERAS_HOME": str(tmp_path), "https_proxy": nowhere, "HTTPS_PROXY": nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert "`--weights` must be none or the path of a file" in finished.stderr
    assert "URL fetch failure on" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out").exists()


def test_test_videos_must_have_the_classes(videos, tmp_path, capsys):
    for name in "bc":
        folder = tmp_path / "test" / name
        folder.mkdir(parents=True)
        write_video(folder / "0.mp4", moving_pictures(4, 24, 24, 0))
    command = arguments(videos / "train", tmp_path / "out", test=tmp_path / "test")
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert "names of the model's classes. Received: 'c', which is not in" in printed


def settings_of(*arguments):
    return training_settings(_parser().parse_args(["train", *arguments]))


def test_options_that_are_left_out_have_the_defaults_of_the_settings():
    assert settings_of("v") == TrainingSettings().replace(videos="v")


def test_options_are_fields():
    options = (
        "v --weights none --nonlocal-pool-size 1 3 3 --stem-temporal-strides 2 1 "
        "--decay-at 0.25 0.5 --freeze stem res2 --num-crops 1 --horizontal-flip "
        "--short-side 70 80 --optimizer adamw --epochs 3 --target-fps 12"
    )
    settings = settings_of(*options.split(" "))
    assert settings == TrainingSettings().replace(
        videos="v",
        weights=None,
        nonlocal_pool_size=(1, 3, 3),
        stem_temporal_strides=(2, 1),
        decay_at=(0.25, 0.5),
        freeze=("stem", "res2"),
        num_crops=1,
        horizontal_flip=True,
        short_side=(70, 80),
        optimizer="adamw",
        epochs=3,
        target_fps=12.0,
    )
    one = settings_of("v", "--nonlocal-pool-size", "none").network
    assert one.nonlocal_pool_size is None
    assert settings_of("v", "--nonlocal-pool-size", "2").network.nonlocal_pool_size == 2


def test_the_papers_recipe_is_an_option():
    paper = settings_of("v", "--recipe", "paper", "--batch-size", "8")
    assert paper.recipe.updates == 400_000
    assert paper.clips.horizontal_flip
    short = settings_of("v", "--recipe", "paper", "--epochs", "3")
    assert (short.recipe.updates, short.recipe.epochs) == (None, 3)


def test_settings_of_a_run_can_be_changed(tmp_path):
    before = TrainingSettings().replace(videos="v", updates=7, width=8)
    values = {"settings": before.to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(values))
    after = settings_of("--settings", str(tmp_path), "--width", "16", "--epochs", "2")
    assert after == before.replace(width=16, updates=None, epochs=2)


def test_without_videos_it_says_so(capsys):
    assert main(["train"]) == 2
    expected = "VIDEOS must be a directory or a list. Received: none\n"
    assert capsys.readouterr().err == f"keras-nonlocal: {expected}"


def test_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"keras-nonlocal {keras_nonlocal.__version__}\n"


def test_beginnings_of_options_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "videos", "--output", "run", "--crop", "32"])
    assert "unrecognized arguments: --crop 32" in capsys.readouterr().err


def test_advice_is_an_option_or_left_out():
    command = argparse.ArgumentParser()
    command.add_argument("--on-error")
    message = 'Cannot read it; pass `on_error="skip"` to leave it out'
    assert in_options(message, command) == (
        "Cannot read it; pass `--on-error skip` to leave it out"
    )
    message = "`x` must be 1; pass `labels=None` for no labels. Received: x=2"
    assert in_options(message, command) == "`x` must be 1. Received: x=2"
    command.add_argument("--no-masks", action="store_false", dest="masks")
    message = "Nothing is usable; pass `masks=False` for boxes. Received: 3"
    assert in_options(message, command) == (
        "Nothing is usable; pass `--no-masks` for boxes. Received: 3"
    )


def test_errors_speak_in_options():
    command = argparse.ArgumentParser()
    command.add_argument("--frame-stride")
    command.add_argument("--root")
    message = (
        "`frame_stride` or `labels` must fit `keras_nonlocal.x`. "
        "Received: frame_stride=0, labels=None, a.root=1 in 'root=2'"
    )
    assert in_options(message, command) == (
        "`--frame-stride` or `labels` must fit `keras_nonlocal.x`. "
        "Received: --frame-stride=0, labels=None, a.root=1 in 'root=2'"
    )
    command.add_argument("--no-cache", action="store_false", dest="cache")
    command.add_argument("--layer")
    message = "`cache` or `layer_name`. Received: cache=False, layer_name='x'"
    assert in_options(message, command, {"layer_name": "layer"}) == (
        "`--no-cache` or `--layer`. Received: --no-cache, --layer='x'"
    )


@pytest.mark.parametrize("content", ["", "[]", '{"options": 3}', '{"epochs": 2}'])
def test_a_foreign_config_is_one_error(videos, tmp_path, capsys, content):
    (tmp_path / "config.json").write_text(content)
    assert main(arguments(videos, tmp_path)) == 2
    printed = capsys.readouterr().err
    assert "whose config.json is of something else" in printed
    assert printed.count("\n") == 1


def test_a_run_of_another_command_is_named(videos, tmp_path, capsys):
    settings = DetectorSettings().to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"settings": settings}))
    assert main(arguments(videos, tmp_path)) == 2
    printed = capsys.readouterr().err
    assert "must be new, or hold a run of the same command. Received: " in printed
    assert "Settings" not in printed
    assert printed.count("\n") == 1


def test_what_is_neither_a_directory_nor_a_list(videos, tmp_path, capsys):
    one = next((videos / "train").rglob("*.mp4"))
    for source, problem in ((tmp_path / "no", "does not exist"), (one, "single video")):
        assert main(arguments(source, tmp_path / "out")) == 2
        printed = capsys.readouterr().err
        assert problem in printed
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


def test_errors_name_arguments_without_options_as_the_usage_does():
    command = argparse.ArgumentParser()
    command.add_argument("video", metavar="VIDEO")
    message = "`directory` holds nothing. Received: directory='x'"
    assert in_options(message, command, {"directory": "VIDEO"}) == (
        "`VIDEO` holds nothing. Received: VIDEO='x'"
    )
