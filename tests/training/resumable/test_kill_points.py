"""A run that dies before or after any of its writes ends like one that never died."""

import contextlib
import csv
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal import files
from keras_nonlocal.training import fit_resumably
from keras_nonlocal.training.resumable.history_file import HISTORY_FILE
from keras_nonlocal.training.resumable.training_checkpoints import (
    BEST_FILE,
    LAST_FILE,
    STATE_FILE,
)

tf = pytest.importorskip("tensorflow")

EPOCHS = 2


class KilledError(BaseException):
    """Stands for the end of the process."""


class Killer:
    """Replaces `os.replace`, and dies before or after one of its calls."""

    def __init__(self, fatal_call: int, is_done: bool) -> None:
        self.calls = 0
        self.fatal_call = fatal_call
        self.is_done = is_done
        self.replace = os.replace

    def __call__(self, *arguments: Any) -> None:
        self.calls += 1
        is_fatal = self.calls == self.fatal_call
        if is_fatal and not self.is_done:
            raise KilledError
        self.replace(*arguments)
        if is_fatal:
            raise KilledError


def linear() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def model(rate: float = 0.1) -> keras.Model:
    keras.utils.set_random_seed(3)
    network = linear()
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    network.compile(optimizer, "mse", run_eagerly=True, jit_compile=False)
    return network


def data() -> Any:
    x = np.linspace(-1, 1, 12).reshape(6, 2).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, x[:, :1] - 2)).batch(2)


def run(directory: Any, epochs: int = EPOCHS, **options: Any) -> keras.Model:
    network = model()
    fit_resumably(network, data(), directory, epochs=epochs, verbose=0, **options)
    return network


def contents(directory: str) -> dict[str, Any]:
    """Everything that the files of a run say."""
    network = linear()
    found: dict[str, Any] = {}
    for name in (LAST_FILE, BEST_FILE):
        network.load_weights(os.path.join(directory, name))
        found[name] = [weight.tolist() for weight in network.get_weights()]
    with open(os.path.join(directory, HISTORY_FILE), newline="") as file:
        found[HISTORY_FILE] = [*csv.reader(file)]
    with np.load(os.path.join(directory, STATE_FILE)) as archive:
        found |= {name: archive[name].tobytes() for name in archive.files}
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = str(tmp_path_factory.mktemp("whole"))
    run(directory)
    return contents(directory)


@pytest.mark.parametrize("is_done", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_write_may_be_the_last(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, Any],
    is_done: bool,
) -> None:
    with monkeypatch.context() as patch:
        counter = Killer(0, is_done)
        patch.setattr(os, "replace", counter)
        run(str(tmp_path / "counted"))
    # The first state, and per epoch the state, the weights once or twice, the history.
    assert 1 + 3 * EPOCHS < counter.calls <= 1 + 4 * EPOCHS
    for fatal_call in range(1, counter.calls + 1):
        directory = str(tmp_path / str(fatal_call))
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", Killer(fatal_call, is_done))
            with pytest.raises(KilledError):
                run(directory)
        run(directory)
        assert contents(directory) == expected, fatal_call


def test_dying_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]
) -> None:
    fatal_call = 0
    while True:
        fatal_call = fatal_call % 7 + 1
        killer = Killer(fatal_call, is_done=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killer)
            try:
                run(tmp_path)
                break
            except KilledError:
                pass
    assert contents(str(tmp_path)) == expected


def test_lost_files_come_back(tmp_path: Path, expected: dict[str, Any]) -> None:
    run(tmp_path)
    # The first of two runs that die while they write the last epoch's files.
    for name in (LAST_FILE, HISTORY_FILE):
        (tmp_path / name).unlink()
    run(tmp_path)
    assert contents(str(tmp_path)) == expected


def test_a_kill_at_an_early_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping() -> list[Any]:
        return [keras.callbacks.EarlyStopping("loss", min_delta=1e6, patience=1)]

    for fatal_call in range(9, 13):
        directory = tmp_path / str(fatal_call)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", Killer(fatal_call, is_done=True))
            with contextlib.suppress(KilledError):
                run(directory, 9, callbacks=stopping())
        network = run(directory, 9, callbacks=stopping())
        assert network.history.epoch == [0, 1]


def test_remote_directories(
    request: pytest.FixtureRequest, tmp_path: Path, expected: dict[str, Any]
) -> None:
    directory = f"ram://{request.node.name}/run"
    run(directory, 1)
    # Another scheme of the same file system, in a process that knows nothing.
    assert files.list_names(directory) == sorted(
        (BEST_FILE, HISTORY_FILE, LAST_FILE, STATE_FILE)
    )
    run(directory)
    local = tmp_path / "copy"
    local.mkdir()
    for name in files.list_names(directory):
        with files.open_bytes(f"{directory}/{name}") as file:
            (local / name).write_bytes(file.read())
    assert contents(str(local)) == expected
    assert not Path("ram:").exists()


def test_a_directory_in_use(tmp_path: Path) -> None:
    class Other(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            import threading

            def second() -> None:
                try:
                    run(tmp_path)
                except ValueError as error:
                    messages.append(str(error))

            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    messages: list[str] = []
    run(tmp_path, 1, callbacks=[Other()])
    assert len(messages) == 1
    assert f"`directory` is in use by process {os.getpid()} on " in messages[0]
    assert messages[0].endswith(f"Received: directory={str(tmp_path)!r}")
    run(tmp_path)
