"""The tables at full size, mostly with a recorder in place of training."""

import json
from types import SimpleNamespace

import keras
import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.experiments.full_runs import PAGE, run_full_experiments
from keras_nonlocal.experiments.full_size import full_settings
from keras_nonlocal.experiments.networks import full_network_of
from keras_nonlocal.experiments.tables import CHARADES, LONG_CLIPS, PAIRWISE, TABLES
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.runs import TrainingSettings, paper_recipe

SETTINGS = paper_recipe(TrainingSettings().replace(videos="train", test="test"))


class Recorder:
    """Notes the settings of all runs; accuracies grow with the number of the run."""

    def __init__(self):
        self.settings = []

    def __call__(self, settings, *, verbose, announce):
        self.settings.append(settings)
        score = 0.5 + len(self.settings) / 100
        return SimpleNamespace(evaluation=SimpleNamespace(top1=score, top5=0.9))


def test_rows_are_changed_settings_of_the_paper():
    row = PAIRWISE.row("dot product")
    settings = full_settings(PAIRWISE, row, SETTINGS)
    assert settings.recipe == SETTINGS.recipe
    assert settings.recipe.updates == 400_000
    network = settings.network
    assert (network.variant, network.depth, network.width) == ("c2d", 50, 64)
    assert (network.nonlocal_blocks, network.nonlocal_mode) == (1, "dot_product")
    assert network.nonlocal_pool_size == (1, 2, 2)
    assert network.weights == "imagenet"
    assert (settings.clips.num_frames, settings.clips.frame_stride) == (32, 2)
    assert network.stem_temporal_strides == (2, 2)
    with pytest.raises(ValueError, match="row='global average only' of table 'a'"):
        full_settings(PAIRWISE, PAIRWISE.row("global average only"), SETTINGS)
    long = full_settings(LONG_CLIPS, LONG_CLIPS.baseline, SETTINGS, weights="f.keras")
    assert long.network.normalization == "frozen_batch"
    assert long.network.weights == "f.keras"
    assert long.clips.num_frames == 128
    charades = full_settings(CHARADES, CHARADES.baseline, SETTINGS)
    assert charades.data.label_mode == "multi_hot"


def test_every_row_of_the_paper_has_settings():
    for table in TABLES.values():
        for row in table.rows:
            if row.is_in_paper:
                settings = full_settings(table, row, SETTINGS)
                assert settings.network.depth == row.network.get("depth", 50)


@pytest.mark.parametrize("row", TABLES["d"].rows[:-1], ids=lambda row: row.name)
def test_scopes_can_be_built_at_full_size(row):
    settings = full_settings(TABLES["d"], row, SETTINGS).replace(width=4, weights=None)
    blocks = [
        layer
        for layer in full_network_of(settings.network, 8).layers
        if isinstance(layer, NonLocalBlock)
    ]
    assert len(blocks) == settings.network.nonlocal_blocks
    scope = settings.network.nonlocal_scope
    assert {(block.scope, block.pool_size is None) for block in blocks} <= {
        (scope, scope == "time")
    }


def test_a_test_without_a_result_is_no_run(tmp_path):
    def train(settings, *, verbose, announce):
        is_broken = settings.network.nonlocal_blocks == 0
        score = float("nan") if is_broken else 0.5
        return SimpleNamespace(evaluation=SimpleNamespace(top1=score, top5=score))

    lines = []
    (table,) = run_full_experiments(
        SETTINGS, ["figure4"], folder=tmp_path, train=train, announce=lines.append
    )
    assert table.scores == {"NL C2D, 5 blocks": {1: 0.5}}
    assert sum(line.startswith("the test has no result") for line in lines) == 1


def test_shared_runs_are_trained_once_and_not_again(tmp_path):
    train, lines = Recorder(), []
    tables = run_full_experiments(
        SETTINGS, ["c", "d"], folder=tmp_path, train=train, announce=lines.append
    )
    # C2D and 5 blocks are in both tables; the global average is not in the paper.
    assert len(train.settings) == 6
    assert lines[0] == "table c, C2D, seed 1"
    assert {settings.recipe.seed for settings in train.settings} == {1}
    assert len({settings.run.output for settings in train.settings}) == 6
    assert tables[0].scores["C2D"] == tables[1].scores["C2D"] == {1: 0.51}
    (claim, difference), *_ = tables[0].differences
    assert (claim.better, claim.worse) == ("1 block", "C2D")
    assert difference.mean == pytest.approx(0.01)
    assert difference.verdict == "not distinguishable"
    assert "| C2D | 51.0 | 1 | 71.8 |" in (tmp_path / PAGE).read_text()
    again = Recorder()
    assert run_full_experiments(SETTINGS, ["c"], folder=tmp_path, train=again)
    assert again.settings == []
    # More seeds are new runs, and other videos are other runs.
    run_full_experiments(SETTINGS, ["c"], folder=tmp_path, train=again, seeds=2)
    assert len(again.settings) == 4
    other = SETTINGS.replace(videos="other")
    run_full_experiments(other, ["c"], folder=tmp_path, train=again)
    assert len(again.settings) == 8


def test_long_clips_start_from_the_runs_of_table_f(tmp_path):
    train = Recorder()
    run_full_experiments(SETTINGS, ["g"], folder=tmp_path, train=train)
    short, long, *_ = train.settings
    assert (short.clips.num_frames, long.clips.num_frames) == (32, 128)
    assert long.network.weights == str(short.run.output) + "/model.keras"
    assert len(train.settings) == 4
    run_full_experiments(SETTINGS, ["f"], folder=tmp_path, train=train)
    # Only C2D was missing.
    assert len(train.settings) == 5
    assert train.settings[-1].network.variant == "c2d"


def test_killed_runs_are_resumed_in_their_folders(tmp_path):
    def killed(settings, **_):
        killed.output = settings.run.output
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_full_experiments(SETTINGS, ["a"], folder=tmp_path, train=killed)
    train = Recorder()
    run_full_experiments(SETTINGS, ["a"], folder=tmp_path, train=train)
    assert train.settings[0].run.output == killed.output
    assert len(train.settings) == 5


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"test": None}, {"tables": ["a"]}, "`test` must be given.*test=None"),
        ({"videos": None}, {"tables": ["a"]}, "`videos` must be given"),
        ({}, {"tables": ["a", "charades"]}, r"one data set.*\('a', 'charades'\)"),
        ({}, {"tables": ["z"]}, "tables='z'"),
        ({"strategy": "multi-worker"}, {"tables": ["a"]}, "none or mirrored"),
        ({}, {"tables": ["a"], "seeds": 0}, "seeds=0"),
    ],
)
def test_errors(tmp_path, changes, arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        run_full_experiments(
            SETTINGS.replace(**changes), folder=tmp_path / "never", **arguments
        )
    assert not (tmp_path / "never").exists()


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
)
def test_command_trains_and_tests_on_videos(tmp_path, capsys):
    from tests.data.videos import moving_pictures, write_video

    for part in ("train", "test"):
        for name in ("clap", "wave"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            frames = moving_pictures(10, 40, 48, seed=len(part + name))
            write_video(folder / "0.mp4", frames)
    results = tmp_path / "results"
    options = (
        f"--data {tmp_path / 'train'} --test {tmp_path / 'test'} --recipe paper "
        "--weights none --width 4 --crop-size 32 --batch-size 2 --updates 1 "
        "--precise-statistics 0 --num-clips 1 --num-crops 1 "
        f"--tables figure4 --folder {results}"
    )
    assert main(["experiments", *options.split()]) == 0
    printed = capsys.readouterr().out
    assert "table figure4, NL C2D, 5 blocks, seed 1" in printed
    assert "1 epoch of 2 videos, 1 update" in printed
    files = sorted((results / "full_size").glob("*.json"))
    assert len(files) == 2
    for file in files:
        values = json.loads(file.read_text())
        assert values["score"] in (0.0, 0.5, 1.0)
        assert values["settings"]["clips"]["num_frames"] == 32
        assert values["settings"]["recipe"]["optimizer"] == "sgd"
    assert "| NL C2D, 5 blocks | " in (results / PAGE).read_text()
    assert main(["experiments", *options.split()]) == 0
    assert "table figure4" not in capsys.readouterr().out
