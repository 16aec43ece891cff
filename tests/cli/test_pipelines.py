"""`write-records`, `embed`, and `--runner`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import data, predict_videos
from keras_nonlocal.cli import main, parsed
from keras_nonlocal.cli.options.pipelines import pipeline_arguments
from tests.cli.train_command import arguments
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import small

VIEWS = ["--num-clips", "2", "--num-crops", "1", "--frame-stride", "2"]
NAME = "a é, b.mp4"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of five classes, two classes of videos, and broken ones."""
    for index, name in enumerate(("x/1.mp4", f"x/{NAME}", "y/2.mp4")):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, moving_pictures(9, 48, 64, seed=index))
    (tmp_path / "videos" / "y" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "videos" / "y" / "empty.mp4").touch()
    lines = [
        f"{path.relative_to(tmp_path / 'videos')} {int(path.parent.name == 'y')}"
        for path in sorted((tmp_path / "videos").glob("*/*"))
    ]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "y/missing.mp4 1\n"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records_in(directory):
    return {path.name: path.read_bytes() for path in Path(directory).glob("*.tfrecord")}


def test_write_records(folder, capsys):
    command = ["write-records", "videos", "records", "--short-side", "40"]
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert (
        printed == "3 of 5 videos written\nlist of the records: records/records.csv\n"
    )
    read = data.read_path_label_list("records/records.csv", "records", ("x", "y"))
    expected = data.write_video_records(
        data.list_directory("videos"),
        "expected",
        short_side=40,
        on_error="skip",
        verbose=False,
    )
    assert records_in("records") == records_in("expected")
    assert len(read.paths) == 3
    names = [Path(path).name for path in expected.paths]
    assert [Path(path).name for path in read.paths] == names
    assert read.labels == expected.labels
    assert Path("records/class_names.txt").read_text() == "x\ny\n"
    for name in ("broken", "empty"):
        Path(f"videos/y/{name}.mp4").unlink()
    shutil.rmtree("records")
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "num_videos": 3,
        "num_written": 3,
        "directory": "records",
        "list": "records/records.csv",
    }
    assert main([*command, "--max-errors", "-1"]) == 2
    assert "`--max-errors` must" in capsys.readouterr().err
    # A list has no names, and a file of them that is there stays.
    command[1] = "list.txt"
    assert main([*command, "--root", "videos"]) == 1
    assert Path("records/class_names.txt").read_text() == "x\ny\n"
    assert "from before: records/class_names.txt" in capsys.readouterr().out


@pytest.mark.usefixtures("shallow_networks")
def test_training_on_a_folder_of_records_knows_its_classes(folder, capsys):
    for name in ("broken", "empty"):
        Path(f"videos/y/{name}.mp4").unlink()
    assert main(["write-records", "videos", "records"]) == 0
    command = arguments("records", "run", epochs=1, test="videos", batch_size=2)
    assert main(command) == 0, capsys.readouterr().err
    assert Path("run/class_names.txt").read_text() == "x\ny\n"
    # Without the names, those of the folders cannot be told from each other.
    Path("records/class_names.txt").unlink()
    command[command.index("run")] = "other"
    assert main(command) == 2
    assert "`--class-names` must name the classes" in capsys.readouterr().err


def test_embed(folder, capsys):
    model = keras_nonlocal.NLResNet50C2D(
        classes=5, input_shape=(4, 32, 32, 3), width=4, nonlocal_blocks=0
    )
    model.save("model.keras")
    command = ["embed", "model.keras", "list.txt", "--root", "videos", *VIEWS]
    assert main([*command, "--csv", "rows.csv"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "6 rows of 128 features written to features.npy\n"
    assert len(captured.err.splitlines()) == 3
    features = np.load("features.npy")
    rows = Path("rows.csv").read_text().splitlines()
    assert rows[0] == "path,error"
    assert rows[2] == f'"videos/x/{NAME}",'
    assert [row.endswith(",") for row in rows[1:]] == [*~np.isnan(features[:, 0])]
    from keras_nonlocal.models.features import feature_model

    expected = predict_videos(
        feature_model(model), [f"videos/x/{NAME}"], 2, 1, frame_stride=2
    )
    np.testing.assert_allclose(features[1], expected[0], rtol=1e-5, atol=1e-6)
    assert main([*command, "--max-errors", "2"]) == 2
    assert "more than max_errors=2 videos" in capsys.readouterr().err


def test_options_of_beam_are_kept():
    options = parsed(
        ["scan", "a", "--runner", "FlinkRunner", "--parallelism=4", "--b_c", "--csv=x"]
    )
    expected = ["--runner=FlinkRunner", "--parallelism=4", "--b_c"]
    assert pipeline_arguments(options) == expected
    assert options.csv == "x"
    assert parsed(["scan", "a"]).pipeline_options == []


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("scan a --parallelism=4", "--parallelism=4"),
        ("scan a --runner R --max-erors=4", "--max-erors=4"),
        ("scan a --runner R --parallelism 4", "4"),
        ("scan a --runner R -x", "-x"),
        ("predict m a --runner R", "--runner R"),
    ],
)
def test_unknown_options_are_errors(words, unknown, capsys):
    with pytest.raises(SystemExit) as error:
        parsed(words.split())
    assert error.value.code == 2
    assert f"unrecognized arguments: {unknown}\n" in capsys.readouterr().err


def test_a_work_directory_and_a_runner_belong_together(folder, capsys):
    small().save("model.keras")
    commands = {
        "scan": ["scan", "videos"],
        "embed": ["embed", "model.keras", "videos"],
        "evaluate": ["evaluate", "model.keras", "videos"],
    }
    for command in commands.values():
        assert main([*command, "--runner", "FnApiRunner"]) == 2
        message = "`--work-directory` must be given with `--runner`"
        assert message in capsys.readouterr().err
        assert main([*command, "--work-directory", "w"]) == 2
        assert "`--work-directory` needs `--runner`" in capsys.readouterr().err
    runner = ["--runner", "FnApiRunner", "--threads", "2"]
    for command in ([*commands["scan"], "--work-directory", "w"], RECORDS):
        assert main([*command, *runner]) == 2
        assert "`--threads` must not be given" in capsys.readouterr().err


RECORDS = ["write-records", "videos", "records"]
ON_CLUSTER = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]


@pytest.mark.slow
def test_commands_do_the_same_on_clusters(folder, capsys):
    pytest.importorskip("apache_beam")
    small().save("model.keras")
    source = ["list.txt", "--root", "videos"]

    def both(command, here, there, code):
        printed = []
        for options in (here, [*there, *ON_CLUSTER]):
            assert main([*command, *options]) == code
            printed.append(capsys.readouterr().out)
        return printed

    outputs = both(
        ["write-records", "list.txt"],
        ["one", "--root", "videos"],
        ["two", "--root", "videos"],
        1,
    )
    assert outputs[0].replace("one", "two") == outputs[1]
    assert records_in("one") == records_in("two") != {}
    assert Path("one/records.csv").read_bytes() == Path("two/records.csv").read_bytes()
    outputs = both(
        ["scan", *source, "--json"],
        ["--csv", "one.csv"],
        ["--csv", "two.csv", "--work-directory", "scan"],
        1,
    )
    assert outputs[0].replace("one.csv", "two.csv") == outputs[1]
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    names = ["--class-names", "names.txt"]
    Path("names.txt").write_text("x\ny\nc\nd\ne\n")
    outputs = both(
        ["evaluate", "model.keras", *source, *names, *VIEWS, "--json"],
        [],
        ["--work-directory", "evaluation", "--results-file", "scores.jsonl"],
        1,
    )
    assert json.loads(outputs[0])["failures"] == json.loads(outputs[1])["failures"]
    assert json.loads(outputs[0])["top1"] == json.loads(outputs[1])["top1"]
    assert len(Path("scores.jsonl").read_text().splitlines()) == 7
    both(
        ["embed", "model.keras", *source, *VIEWS],
        ["--output", "one.npy", "--csv", "one.csv"],
        ["--output", "two.npy", "--csv", "two.csv", "--work-directory", "features"],
        1,
    )
    np.testing.assert_allclose(
        np.load("one.npy"), np.load("two.npy"), rtol=1e-5, atol=1e-6
    )
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


def test_the_folder_that_an_error_is_about_is_named(folder, capsys):
    assert main(["write-records", "videos", "others"]) == 1
    assert main(["write-records", "videos", "others", "--quality", "9"]) == 2
    assert "`DIR` must hold no records but those of the same" in capsys.readouterr().err
    shutil.rmtree("videos/x")
    assert main(["write-records", "videos", "records"]) == 2
    error = capsys.readouterr().err
    assert "`VIDEOS` must have a subdirectory for each of at least two" in error
    assert "Received: VIDEOS='videos' with the classes ['y']" in error
