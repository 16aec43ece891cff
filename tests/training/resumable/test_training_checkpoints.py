"""Interrupted trainings end like uninterrupted ones."""

import csv
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_nonlocal.training import fit_resumably
from keras_nonlocal.training.resumable.progress import Progress
from keras_nonlocal.training.resumable.state_file import (
    capture_state,
    load_state,
    read_progress,
    write_state,
)
from keras_nonlocal.training.resumable.training_checkpoints import (
    BEST_FILE,
    LAST_FILE,
    STATE_FILE,
)
from keras_nonlocal.training.resumable.variables import metric_values
from tests.data.videos import moving_pictures, write_video
from tests.training.resumable.crashes import CrashAt, CrashError

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the clips come from tf.data"
)
NUM_BATCHES = 4


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for i in range(14):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        write_video(folder / f"{i}.mp4", moving_pictures(6, 24, 32, i))
    return root


def training(videos, directory, callbacks=(), epochs=3, save_freq=1, **compiling):
    """What a process does that is started by the same command again and again."""
    from tests.training.interrupted_training import dataset, network

    keras.utils.set_random_seed(7)
    model = network()
    if compiling:
        model.compile(**compiling)
    history = fit_resumably(
        model,
        dataset(videos),
        directory,
        epochs=epochs,
        save_freq=save_freq,
        validation_data=dataset(videos),
        callbacks=[*callbacks],
        verbose=0,
    )
    return model, history


@pytest.fixture(scope="module")
def uninterrupted(videos, tmp_path_factory):
    return training(videos, tmp_path_factory.mktemp("whole"))


def assert_same(one, other):
    (model, history), (expected, expected_history) = one, other
    for section in ("variables", "metrics_variables"):
        own, right = getattr(model, section), getattr(expected, section)
        for a, b in zip(own, right, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)
    own, right = model.optimizer.variables, expected.optimizer.variables
    for a, b in zip(own, right, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)
    assert history.epoch == expected_history.epoch
    assert history.history == expected_history.history


@pytest.mark.thorough
@pytest.mark.parametrize(
    "save_freq",
    [
        pytest.param(1, marks=pytest.mark.slow),
        3,
        pytest.param("epoch", marks=pytest.mark.slow),
    ],
)
def test_crashes_leave_no_trace(videos, uninterrupted, tmp_path, save_freq):
    for crash in (
        CrashAt(batches=2),
        CrashAt(batches=NUM_BATCHES),
        CrashAt(in_test_of_epoch=1),
        CrashAt(batches=3),
    ):
        with pytest.raises(CrashError):
            training(videos, tmp_path, [crash], save_freq=save_freq)
    assert_same(training(videos, tmp_path, save_freq=save_freq), uninterrupted)


def test_the_training_resumes_at_the_very_batch(videos, tmp_path):
    with pytest.raises(CrashError):
        training(videos, tmp_path, [CrashAt(batches=NUM_BATCHES + 3)])
    progress = read_progress(str(tmp_path / STATE_FILE))
    assert (progress.epoch, progress.batch) == (1, 2)
    counted = CrashAt(batches=100)
    training(videos, tmp_path, [counted])
    assert 100 - counted.batches_left == 3 * NUM_BATCHES - (NUM_BATCHES + 2)


def test_a_finished_training_is_not_repeated_and_can_go_on(
    videos, uninterrupted, tmp_path
):
    training(videos, tmp_path, epochs=2)
    counted = CrashAt(batches=100)
    model, history = training(videos, tmp_path, [counted], epochs=2)
    assert counted.batches_left == 100
    assert history.epoch == [0, 1]
    model.load_weights(tmp_path / LAST_FILE)
    assert_same(training(videos, tmp_path, epochs=3), uninterrupted)


def test_averaged_weights_come_at_the_end_alone(videos, tmp_path):
    compiling = {
        "loss": "sparse_categorical_crossentropy",
        "jit_compile": False,
    }

    def averaging():
        return keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7)

    whole = training(videos, tmp_path / "whole", optimizer=averaging(), **compiling)
    with pytest.raises(CrashError):
        training(
            videos,
            tmp_path / "parts",
            [CrashAt(batches=2)],
            optimizer=averaging(),
            **compiling,
        )
    parts = training(videos, tmp_path / "parts", optimizer=averaging(), **compiling)
    assert_same(parts, whole)


def test_an_early_stop_is_remembered(videos, tmp_path):
    class StopAfterFirst(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    _, history = training(videos, tmp_path, [StopAfterFirst()])
    assert history.epoch == [0]
    _, history = training(videos, tmp_path)
    assert history.epoch == [0]


def test_callbacks_go_on_with_what_they_had_counted(tmp_path):
    def train(folder, *ends):
        for epochs in ends:
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
            # Nothing is an improvement by that much.
            callbacks = [
                keras.callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=1e6),
                keras.callbacks.EarlyStopping("loss", patience=5, min_delta=1e6),
            ]
            history = fit_resumably(
                model, data, folder, epochs=epochs, callbacks=callbacks, verbose=0
            )
        return history.history["learning_rate"]

    data = x_y(np.ones((4, 1)), np.ones((4, 1)))
    whole = train(tmp_path / "whole", 9)
    assert len(whole) == 6
    assert whole == pytest.approx([0.1] * 3 + [0.01] * 2 + [0.001], rel=1e-3)
    assert train(tmp_path / "parts", 1, 2, 4, 9) == whole


def test_best_and_last_weights_are_those_of_their_epochs(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    # The targets move away: the first epoch is the best.
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    seen = []

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(model.get_weights())
            model.layers[0].bias.assign_add([10.0 if epoch else -0.5])

    x, y = np.zeros((4, 1)), np.full((4, 1), -1.0)
    fit_resumably(model, x_y(x, y), tmp_path, epochs=3, callbacks=[Spoil()], verbose=0)
    assert model.history.history["loss"] == pytest.approx([1.0, 0.25, 110.25])
    model.load_weights(tmp_path / BEST_FILE)
    # Callbacks of the user come first: the weights are those after them.
    assert model.layers[0].bias.numpy() == pytest.approx([9.5])
    model.load_weights(tmp_path / LAST_FILE)
    assert model.layers[0].bias.numpy() == pytest.approx([19.5])


def x_y(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(2)


def test_the_history_is_a_csv(videos, tmp_path):
    with pytest.raises(CrashError):
        training(videos, tmp_path, [CrashAt(batches=NUM_BATCHES + 1)])
    _, history = training(videos, tmp_path)
    with (tmp_path / "history.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values


def test_the_csv_does_not_depend_on_the_locale(tmp_path):
    code = (
        "import sys, warnings; from keras_nonlocal.training.resumable import "
        "history_file as t; warnings.simplefilter('error', EncodingWarning); "
        "t.write_history(sys.argv[1], [{'точность': 0.5}])"
    )
    path = tmp_path / "history.csv"
    command = [sys.executable, "-X", "warn_default_encoding", "-c", code, str(path)]
    subprocess.run(command, check=True)
    assert path.read_text("utf-8").splitlines() == ["epoch,точность", "0,0.5"]


def test_a_broken_loss_is_not_saved(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                model.layers[0].bias.assign([np.nan])

    data = x_y(np.zeros((4, 1)), np.ones((4, 1)))
    fit_resumably(model, data, tmp_path, epochs=2, callbacks=[Break()], verbose=0)
    assert read_progress(str(tmp_path / STATE_FILE)).epoch == 1
    model.load_weights(tmp_path / LAST_FILE)
    assert np.isfinite(model.layers[0].bias.numpy()).all()


class BreakAt(keras.callbacks.Callback):
    """Sets a weight to NaN before a batch, counted over all epochs."""

    def __init__(self, batch):
        super().__init__()
        self.batches_left = batch

    def on_train_batch_begin(self, batch, logs=None):
        if not self.batches_left:
            self.model.trainable_variables[0].assign(
                np.full(self.model.trainable_variables[0].shape, np.nan)
            )
        self.batches_left -= 1


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("callbacks", [(), (keras.callbacks.TerminateOnNaN,)])
def test_nothing_is_saved_after_the_loss_broke(
    videos, uninterrupted, tmp_path, callbacks, resumed
):
    broken_at = NUM_BATCHES + 2
    if resumed:
        with pytest.raises(CrashError):
            training(videos, tmp_path, [CrashAt(batches=NUM_BATCHES + 2)])
        broken_at = 1
    made = [make() for make in callbacks]
    _, history = training(videos, tmp_path, [BreakAt(broken_at), *made], epochs=3)
    assert history.epoch == ([0, 1] if callbacks else [0, 1, 2])
    assert np.isnan(history.history["loss"][1])
    progress = read_progress(str(tmp_path / STATE_FILE))
    # `CrashAt` and `BreakAt` come before the state is saved.
    assert (progress.epoch, progress.batch, progress.stopped) == (1, 1, False)
    assert_same(training(videos, tmp_path), uninterrupted)


def save_state(path, model, progress):
    write_state(str(path), capture_state(model, progress, metric_values(model)))


def compiled(units=2, optimizer="sgd", dtype=None):
    layer = keras.layers.Dense(units, dtype=dtype)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(optimizer, "mse", jit_compile=False)
    model.train_on_batch(np.ones((4, 3)), np.ones((4, units)))
    return model


def test_low_precision_variables_keep_their_bits(tmp_path):
    model, other = compiled(dtype="bfloat16"), compiled(dtype="bfloat16")
    save_state(tmp_path / STATE_FILE, model, Progress(2, 5, 0.5, [{"loss": 1.0}]))
    load_state(str(tmp_path / STATE_FILE), other, metrics=True)
    assert read_progress(str(tmp_path / STATE_FILE)) == Progress(
        2, 5, 0.5, [{"loss": 1.0}]
    )
    for a, b in zip(model.variables, other.variables, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    save_state(tmp_path / STATE_FILE, compiled(), Progress())
    with pytest.raises(ValueError, match=r"kernel \(3, 4\) float32 here and .* \(3, 2"):
        load_state(str(tmp_path / STATE_FILE), compiled(units=4))
    save_state(tmp_path / STATE_FILE, compiled(optimizer="adam"), Progress())
    with pytest.raises(ValueError, match=r"4 variables\. Received: .* with 8"):
        load_state(str(tmp_path / STATE_FILE), compiled())


@pytest.mark.parametrize("content", [b"", b"PK junk", b"junk" * 100])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"a file state\.npz that is damaged or no"):
        fit_resumably(compiled(), None, tmp_path, epochs=1)


def test_a_damaged_file_is_refused_and_changes_nothing(tmp_path, rng):
    path = tmp_path / STATE_FILE
    save_state(path, compiled(optimizer="adam"), Progress())
    content = path.read_bytes()
    model = compiled(optimizer="adam")
    before = [variable.numpy() for variable in model.variables]
    refused = []
    for place in rng.permutation(len(content))[:300]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_state(str(path), model)
        except ValueError as error:
            refused.append((type(error), str(error).partition(" Received")[0]))
            for variable, value in zip(model.variables, before, strict=True):
                np.testing.assert_array_equal(variable.numpy(), value)
        else:
            before = [variable.numpy() for variable in model.variables]
    assert len(refused) > 20
    (only,) = {*refused}
    assert only[0] is ValueError
    assert only[1].endswith("that is damaged or not a checkpoint.")


def test_arrays_of_something_else_are_refused(tmp_path):
    np.savez(tmp_path / STATE_FILE, a=np.zeros(3))
    with pytest.raises(ValueError, match=r"or not a checkpoint\. Received: directory"):
        read_progress(str(tmp_path / STATE_FILE))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_freq": 0}, ValueError, "Received: save_freq=0"),
        ({"save_freq": 5}, TypeError, "unless `clips` is a dataset of keras_nonlocal"),
        ({"mode": "auto"}, ValueError, "Received: mode='auto'"),
        ({"initial_epoch": 3}, ValueError, "Received: initial_epoch"),
        ({"monitor": "val_acc"}, ValueError, r"logs \['loss'\]. Received: monitor"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, options, error, message):
    data = x_y(np.ones((4, 3)), np.ones((4, 2)))
    if options == {"monitor": "val_acc"}:
        options = {"monitor": "accuracy"}
    with pytest.raises(error, match=message):
        fit_resumably(compiled(), data, tmp_path, epochs=1, verbose=0, **options)


def test_numpys_integers_are_numbers_of_epochs(tmp_path):
    data = x_y(np.ones((4, 3)), np.ones((4, 2)))
    for epochs in (np.int64(1), np.int16(3)):
        history = fit_resumably(compiled(), data, tmp_path, epochs=epochs, verbose=0)
        assert len(history.history["loss"]) == epochs
    for wrong in (2.0, True):
        with pytest.raises(TypeError, match=f"Received: epochs={wrong}"):
            fit_resumably(compiled(), data, tmp_path, epochs=wrong)


@pytest.mark.slow
def test_killed_processes_leave_no_trace(videos, tmp_path):
    """SIGKILL at random moments and in the middle of writing each of the files."""
    whole, parts, replicas = tmp_path / "whole", tmp_path / "parts", 2
    with running(videos, whole, replicas) as process:
        assert process.wait() == 0
    for name in (STATE_FILE, BEST_FILE, LAST_FILE):
        with running(videos, parts, replicas, seconds=1) as process:
            kill_when_writing(process, parts, name)
    with running(videos, parts, replicas, seconds=0.3) as process:
        process.stdout.readline()
        time.sleep(random.Random(os.urandom(8)).uniform(0, 6))
        process.kill()
    with running(videos, parts, replicas) as process:
        assert process.wait() == 0
    with np.load(whole / STATE_FILE) as expected, np.load(parts / STATE_FILE) as own:
        assert own.files == expected.files
        for key in expected.files:
            assert own[key].tobytes() == expected[key].tobytes(), key


@pytest.mark.slow
@pytest.mark.thorough
def test_killed_workers_leave_no_trace(videos, tmp_path):
    """Two workers over loopback; the chief alone writes."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with ExitStack() as stack:
        for process in workers(stack, videos, whole):
            assert process.wait() == 0
    with ExitStack() as stack:
        chief, other = workers(stack, videos, parts, seconds=1)
        kill_when_writing(chief, parts, STATE_FILE)
        other.kill()
    with ExitStack() as stack:
        for process in workers(stack, videos, parts):
            assert process.wait() == 0
    with np.load(whole / STATE_FILE) as expected, np.load(parts / STATE_FILE) as own:
        assert own.files == expected.files
        # Sums of metrics are those of both workers after a resume, and differ by
        # rounding in the logs.
        exact = [
            key for key in expected.files if key.startswith(("model", "optimizer"))
        ]
        assert exact
        for key in exact:
            assert own[key].tobytes() == expected[key].tobytes(), key


def workers(stack, videos, directory, seconds=0):
    """Starts two workers, which end with `stack` at the latest."""
    with ExitStack() as sockets:
        addresses = []
        for _ in range(2):
            free = sockets.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{free.getsockname()[1]}")
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        process = running(videos, directory, 1, seconds, TF_CONFIG=config)
        processes.append(stack.enter_context(process))
        stack.callback(process.kill)
    return processes


def running(videos, directory, replicas, seconds=0, **environment):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.training.interrupted_training"),
            *map(str, (videos, directory, replicas, seconds)),
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def kill_when_writing(process, folder, name):
    """Kills a process as soon as it writes a file that was not begun before."""
    pattern = f".unfinished/*-{name}"
    before = {*folder.glob(pattern)}
    while not {*folder.glob(pattern)} - before:
        assert process.poll() is None, f"ended without writing {name}"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert {*folder.glob(pattern)} - before, "killed too late"
