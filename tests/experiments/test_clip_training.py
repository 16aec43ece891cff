"""Training runs of a few steps."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_nonlocal.experiments.attention_shares import strongest_shares
from keras_nonlocal.experiments.clip_training import (
    ClipTrainer,
    StillTrainer,
    accuracy,
    accuracy_by_kind,
    score_of,
)
from keras_nonlocal.experiments.networks import clip_network_of
from keras_nonlocal.experiments.relation_clips import ClipTask, draw_clips, draw_scenes
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.experiments.tables import (
    LONG_CLIPS,
    NL_I3D,
    PAIRWISE,
    SCOPES,
)
from keras_nonlocal.experiments.trainings import training_of
from keras_nonlocal.experiments.worker import work_on
from tests.experiments.miniature import RECIPE

RECIPE_1 = dataclasses.replace(RECIPE, steps=2, validations=1)


def small(table, name):
    return training_of(table.row(name), table.layout, RECIPE_1)


@pytest.mark.slow
@pytest.mark.thorough
def test_runs_are_reproducible_and_seeds_differ(tmp_path):
    training = small(SCOPES, "space-time")
    results = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        stills = StillTrainer(training.stills, folder)
        trainer = ClipTrainer(training, stills, folder)
        for seed in (1, 2) if name == "one" else (2,):
            stills.train(seed)
            results[name, seed] = trainer.run(seed)
    # The second seed of a process equals the first one of another process.
    first, second = results["one", 2], results["two", 2]
    assert first["score"] == second["score"]
    assert first["curve"] == second["curve"]
    assert first["attention"] == second["attention"]
    assert first["curve"] != results["one", 1]["curve"]
    assert first["curve"]["steps"] == [2]
    assert len(first["attention"]) == 10
    assert {*first["by_kind"]} == {"space", "time", "both"}


@pytest.mark.thorough
@pytest.mark.slow
def test_rows_start_with_the_same_function(tmp_path):
    clips, _ = draw_clips(ClipTask(), "training", 3, seed=0)
    trainings = [
        small(PAIRWISE, name) for name in ("C2D", "dot product", "global average only")
    ]
    stills = StillTrainer(trainings[0].stills, tmp_path)
    stills.train(1)
    scores = []
    for training in trainings:
        assert training.stills == trainings[0].stills
        model = ClipTrainer(training, stills, tmp_path)._restarted(1)
        assert ("conv4_block5_nl" in [x.name for x in model.layers]) == (
            training is not trainings[0]
        )
        scores.append(model.predict_on_batch(clips.astype("float32")))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-5)
    np.testing.assert_allclose(scores[2], scores[0], rtol=1e-5)


@pytest.mark.slow
def test_kernels_of_blocks_depend_on_the_seed_and_their_number():
    training = small(SCOPES, "space-time")
    kernels = [
        keras.ops.convert_to_numpy(layer.theta.kernel)
        for seed in (1, 1, 2)
        for layer in clip_network_of(training, seed).layers
        if layer.name in ("conv4_block2_nl", "conv4_block4_nl")
    ]
    np.testing.assert_array_equal(kernels[0], kernels[2])
    np.testing.assert_array_equal(kernels[1], kernels[3])
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[4])


@pytest.mark.slow
@pytest.mark.thorough
def test_long_clips_continue_the_networks_of_the_table_before(tmp_path):
    training = small(LONG_CLIPS, "NL I3D, 5 blocks")
    source = small(NL_I3D, "NL I3D, 5 blocks")
    assert training.continues == source
    folder = RunFolder(tmp_path)
    events = []
    work_on(folder, [(training, (3,))], lambda *event: events.append(event))
    assert folder.is_done(source, 3)
    assert folder.is_done(training, 3)
    assert events[-1] == (training, 3, 1.0)
    stills = StillTrainer(training.stills, folder.weights)
    model = ClipTrainer(training, stills, folder.weights)._restarted(3)
    with np.load(ClipTrainer(source, stills, folder.weights).file(3)) as values:
        for variable in model.variables:
            if "seed_generator" not in variable.path:
                np.testing.assert_array_equal(variable, values[variable.path])
    # Finished runs are not trained again.
    changed = folder.file(training, 3).stat().st_mtime_ns
    work_on(folder, [(training, (3,)), (source, (3,))], lambda *event: None)
    assert folder.file(training, 3).stat().st_mtime_ns == changed


def test_scores_count_right_answers(rng):
    scenes = draw_scenes(ClipTask(), 24, rng)
    outputs = np.eye(2)[scenes.label]
    outputs[scenes.kind == 1] = 1 - outputs[scenes.kind == 1]
    assert accuracy(outputs, scenes) == pytest.approx(2 / 3)
    assert accuracy_by_kind(outputs, scenes) == {"space": 1, "time": 0, "both": 1}
    assert score_of(ClipTask(), outputs, scenes) == pytest.approx(2 / 3)
    several = ClipTask(labels="several")
    assert score_of(several, several.targets(scenes), scenes) == 1


@pytest.mark.parametrize("positions", [(4, 2, 2), (8, 4, 4), (4, 3, 3)])
def test_strongest_shares_of_made_up_weights(rng, positions):
    scenes = draw_scenes(ClipTask(), 12, rng)
    frames, rows, columns = positions
    grid = np.stack(np.indices(positions), -1).reshape(-1, 3)
    at = grid * [4, 2, 2] // [frames, rows, columns]
    count = len(grid)

    def inside(thing):
        places = [scenes.quarter, scenes.place // 2, scenes.place % 2]
        return np.all([at[:, a] == places[a][:, thing, None] for a in range(3)], axis=0)

    noise = rng.random((12, count, count)) / 2
    for thing, expected in ((0, (1, 0, 0)), (1, (0, 1, 0)), (2, (0, 0, 1))):
        weights = noise + inside(thing)[:, None]
        assert strongest_shares(weights, positions, scenes) == expected
    # Half of the clips look at each digit.
    towards = np.where(np.arange(12)[:, None] < 6, inside(0), inside(1))
    shares = strongest_shares(noise + towards[:, None], positions, scenes)
    assert shares[0] + shares[1] == pytest.approx(1)
    assert 0.2 < shares[0] < 0.8
