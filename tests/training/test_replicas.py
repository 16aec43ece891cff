"""`ReplicatedModel` under `MirroredStrategy`: the results of one device."""

import secrets
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.training import ReplicatedModel
from tests.training.processes import result_of, start_module

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)

TOLERANCE = 1e-5
COMPILED = (
    "xla",
    "xla_steps_per_execution",
    "xla_accumulation_adam_clip",
    "loss_scale",
)


def scenarios(replicas: int, *names: str) -> dict[str, Any]:
    seed = secrets.randbelow(2**31)
    module = "tests.training.replica_scenarios"
    return result_of(start_module(module, str(replicas), str(seed), *names))


def check_equal_to_one_device(result: dict[str, Any]) -> None:
    assert result["on_replicas"] == [False, True]
    assert result["moved"] > 100 * TOLERANCE
    for what in ("weights", "optimizer", "history", "scores"):
        assert result[what] < TOLERANCE, what
    assert {"loss", "val_loss", "val_accuracy"} <= set(result["logs"])


def test_two_replicas_equal_one_device_with_an_uneven_last_batch():
    check_equal_to_one_device(scenarios(2, "plain")["plain"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replicas", "names"),
    [
        (2, ("xla", "eager", "static_loss_scale", "ema", "sum_loss")),
        (2, ("steps_per_execution", "xla_steps_per_execution")),
        (2, ("accumulation", "xla_accumulation_adam_clip")),
        (2, ("clipnorm", "loss_scale", "synchronized")),
        # The last batch leaves one replica without samples.
        (4, ("plain", "xla")),
        (4, ("accumulation", "loss_scale")),
    ],
)
def test_replicas_equal_one_device(replicas, names):
    results = scenarios(replicas, *names)
    for name in names:
        check_equal_to_one_device(results[name])
        assert results[name]["jit_compile"] == (name in COMPILED)


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, 4])
def test_a_network_of_the_builders_trains_alike(replicas):
    result = scenarios(replicas, "builder_xla")["builder_xla"]
    assert result["type"] == "ReplicatedModel"
    assert result["moved"] > 100 * TOLERANCE
    assert result["weights"] < TOLERANCE


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_update_on_all():
    result = scenarios(2, "overflow_on_last_replica")["overflow_on_last_replica"]
    assert result["optimizer"] == "LossScaleOptimizer"
    assert result["scale"] == 0.5
    assert result["skipped"] == 0
    assert result["finite"]
    assert result["next_update"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, 4])
def test_single_batches_are_shared_out(replicas):
    result = scenarios(replicas, "batches")["batches"]
    assert result["logs"] < TOLERANCE
    assert result["weights"] < TOLERANCE


@pytest.mark.slow
def test_predictions_and_statistics_outside_of_training():
    names = ("predictions", "synchronized_evaluation", "precise_statistics")
    results = scenarios(2, *names)
    predicted = results["predictions"]
    assert predicted["rows"] == [[1, 1], [3, 3], [8, 8], [5, 5]]
    assert predicted["scores"] < TOLERANCE
    assert predicted["video"] < TOLERANCE
    # Of synchronised norms, training alone needs samples everywhere.
    assert results["synchronized_evaluation"]["logs"] < TOLERANCE
    assert results["precise_statistics"]["difference"] < TOLERANCE


@pytest.mark.slow
def test_moving_statistics_are_the_mean_over_the_replicas():
    result = scenarios(2, "moving_statistics")["moving_statistics"]
    for expected, copies in zip(result["expected"], result["copies"], strict=True):
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(copy, expected, rtol=1e-5)


@pytest.mark.slow
def test_what_replicas_cannot_do_is_refused():
    result = scenarios(2, "refusals")["refusals"]
    messages = result["messages"]
    assert messages["synchronized"].endswith("Received: jit_compile=True")
    assert messages["reduction"].endswith("Received: reductions ['None']")
    assert messages["accumulation"].endswith("Received: gradient_accumulation_steps=2")
    assert "at least one sample on every replica" in messages["empty_replica"]
    # "auto" on CPUs.
    assert result["auto"] is False


@pytest.mark.slow
def test_derived_models_stay_on_the_replicas():
    derived = scenarios(2, "derived_models")["derived_models"]
    assert [*derived.values()] == [[True, 2]] * 3


@pytest.mark.slow
def test_a_rematerialized_network_trains_alike():
    result = scenarios(2, "rematerialized_xla")["rematerialized_xla"]
    assert result["moved"] > 100 * TOLERANCE
    assert result["weights"] < TOLERANCE


@pytest.mark.slow
def test_logs_of_an_own_train_step_are_averaged():
    assert scenarios(4, "own_logs")["own_logs"]["rank"] == 1.5


def test_one_device_is_plain_keras():
    inputs = keras.Input((3,))
    model = ReplicatedModel(inputs, keras.layers.Dense(2)(inputs))
    assert not model.on_replicas
    x = np.random.default_rng().normal(size=(4, 3)).astype("float32")
    kernel, bias = (w.copy() for w in model.get_weights())
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    y = np.zeros((4, 2))
    loss = model.train_on_batch(x, y)
    scores = x @ kernel + bias
    np.testing.assert_allclose(loss, np.mean(scores**2), rtol=1e-5)
    step = 0.1 * x.T @ scores / 4
    np.testing.assert_allclose(model.get_weights()[0], kernel - step, atol=1e-6)


def test_auto_is_no_xla_on_cpus():
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    inputs = keras.Input((3,))
    model = ReplicatedModel(inputs, keras.layers.Dense(2)(inputs))
    model.compile("sgd", "mse")
    assert model.jit_compile is False
    assert model.get_compile_config()["jit_compile"] == "auto"


def test_keras_still_builds_state_where_this_class_hooks_in():
    """`_maybe_symbolic_build` overrides a private method; see there."""
    assert callable(keras.Model._maybe_symbolic_build)
    assert callable(keras.Model._symbolic_build)
    inputs = keras.Input((3,))
    model = ReplicatedModel(inputs, keras.layers.Dense(2)(inputs))
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    calls = []
    model._maybe_symbolic_build = lambda **arguments: calls.append(sorted(arguments))
    x, y = np.zeros((2, 3)), np.zeros((2, 2))
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.train_on_batch(x, y)
    model.test_on_batch(x, y)
    assert calls == [["iterator"], ["iterator"], ["data_batch"], ["data_batch"]]
