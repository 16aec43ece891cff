"""Worker processes."""

from types import SimpleNamespace

import pytest

from keras_nonlocal.experiments.processes import Workers, rotated


def test_failed_workers_are_an_error_with_their_last_lines(tmp_path):
    broken = SimpleNamespace(to_dict=lambda: {"network": {"depht": 50}})
    with (
        Workers(2, str(tmp_path), [(broken, (1,))]) as workers,
        pytest.raises(ChildProcessError, match=r"(?s)exit code 1 and.*Error"),
    ):
        list(workers.events())


def test_workers_begin_with_different_seeds():
    orders = [rotated((101, 102, 103), number) for number in range(4)]
    assert orders == [
        [101, 102, 103],
        [102, 103, 101],
        [103, 101, 102],
        [101, 102, 103],
    ]
    assert rotated((), 3) == []


def test_workers_without_runs_end(tmp_path):
    with Workers(1, str(tmp_path), []) as workers:
        assert [event for event in workers.events() if event is not None] == []
