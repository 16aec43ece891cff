"""Several workers in one folder, with a recorder in place of training."""

import threading
import time
from pathlib import Path

import pytest

from keras_nonlocal.experiments import worker
from keras_nonlocal.experiments.plans import distinct_trainings
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.experiments.tables import DEEPER, LONG_CLIPS, NL_I3D, SCOPES
from keras_nonlocal.experiments.trainings import training_of


class Recorder:
    """Notes who trains what, in the order in which the runs begin."""

    def __init__(self, monkeypatch, seconds=0.01):
        self.runs = []
        self.stills = []
        monkeypatch.setattr(
            worker._RowOfRuns, "_made_trainer", lambda row: self._trainer(row)
        )
        self._seconds = seconds

    def _trainer(self, row):
        recorder = self

        class Stills:
            def file(self, seed):
                return Path(row._folder.weights, f"{row._training.stills.key}-{seed}")

            def train(self, seed):
                recorder.stills.append((row._training.stills.key, seed))
                time.sleep(recorder._seconds)
                self.file(seed).touch()

        class Clips:
            starts = Stills() if row._training.continues is None else None

            def run(self, seed, report):
                name = threading.current_thread().name
                recorder.runs.append((name, row._training.key, seed))
                time.sleep(recorder._seconds)
                report(1.0)
                return {"score": seed / 10}

        return Clips()


def plan_of(*tables, seeds=3):
    return [
        (training, tuple(range(1, count + 1)))
        for training, count in distinct_trainings(tables, seeds=seeds).items()
    ]


def work_in_threads(count, folder, plan):
    """Runs workers, between which locks hold as they do between processes."""
    threads = [
        threading.Thread(
            target=worker.work_on, args=(folder, plan, lambda *event: None)
        )
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("count", [1, 3])
def test_every_run_is_trained_once(tmp_path, monkeypatch, count):
    recorder, folder = Recorder(monkeypatch), RunFolder(tmp_path)
    plan = plan_of(DEEPER, SCOPES, LONG_CLIPS, NL_I3D)
    work_in_threads(count, folder, plan)
    trained = sorted((key, seed) for _, key, seed in recorder.runs)
    assert trained == sorted((t.key, seed) for t, seeds in plan for seed in seeds)
    assert len(recorder.stills) == len({*recorder.stills}) == 3
    assert folder.read(plan[0][0], (1, 2, 3))[2]["score"] == 0.2
    assert not [*tmp_path.rglob("*.lock")]
    # Whatever is finished stays finished.
    work_in_threads(count, folder, plan)
    assert len(recorder.runs) == len(trained)


def test_workers_begin_with_different_rows_and_share_the_last(tmp_path, monkeypatch):
    recorder, folder = Recorder(monkeypatch, seconds=0.2), RunFolder(tmp_path)
    plan = plan_of(DEEPER, seeds=2)[:2]
    work_in_threads(2, folder, plan)
    rows = {}
    for name, key, _ in recorder.runs:
        rows.setdefault(name, []).append(key)
    assert sorted(map(set, rows.values()), key=str) == sorted(
        ({training.key} for training, _ in plan), key=str
    )
    # With one row left, each worker takes some of its seeds.
    recorder.runs.clear()
    work_in_threads(2, folder, plan_of(SCOPES, seeds=4)[-1:])
    assert len({name for name, _, _ in recorder.runs}) == 2
    assert sorted(seed for _, _, seed in recorder.runs) == [1, 2, 3, 4]


def test_a_run_in_use_is_left_to_its_owner(tmp_path, monkeypatch):
    recorder, folder = Recorder(monkeypatch), RunFolder(tmp_path)
    training = training_of(SCOPES.row("C2D"), SCOPES.layout)
    with folder.claimed(training, 2):
        work_in_threads(1, folder, [(training, (1, 2, 3))])
    assert [seed for _, _, seed in recorder.runs] == [1, 3]
    work_in_threads(1, folder, [(training, (1, 2, 3))])
    assert [seed for _, _, seed in recorder.runs] == [1, 3, 2]


def test_sources_are_trained_first_even_if_the_plan_leaves_them_out(
    tmp_path, monkeypatch
):
    recorder, folder = Recorder(monkeypatch), RunFolder(tmp_path)
    training = training_of(LONG_CLIPS.row("I3D"), LONG_CLIPS.layout)
    work_in_threads(1, folder, [(training, (2,))])
    assert [(key, seed) for _, key, seed in recorder.runs] == [
        (training.continues.key, 2),
        (training.key, 2),
    ]
