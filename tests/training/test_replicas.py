"""`ReplicatedModel` under `MirroredStrategy`: the results of one device."""

import functools
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
        (2, ("static_loss_scale", "ema", "accumulation_adam_clip", "unknown_length")),
        pytest.param(2, ("clipnorm", "synchronized"), marks=pytest.mark.thorough),
        # The last batch leaves one replica without samples.
        pytest.param(4, ("plain", "accumulation"), marks=pytest.mark.thorough),
    ],
)
def test_replicas_equal_one_device(replicas, names):
    results = scenarios(replicas, *names)
    for name in names:
        check_equal_to_one_device(results[name])
        assert not results[name]["jit_compile"]


@pytest.mark.slow
@pytest.mark.thorough
def test_a_network_of_the_builders_trains_alike():
    result = scenarios(2, "builder_xla")["builder_xla"]
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
@pytest.mark.parametrize(
    ("replicas", "how", "losses"),
    [
        # The last batch leaves a replica without samples.
        pytest.param(
            *(3, "graph", ("masked", "several_outputs", "sum_with_regularizer")),
            marks=pytest.mark.thorough,
        ),
        # To compile losses by XLA, or to run them step by step, takes long.
        (2, "xla", ("sum_and_mean",)),
        pytest.param(2, "eager", ("own_compute_loss",), marks=pytest.mark.thorough),
        pytest.param(
            *(2, "graph", ("ignored_class", "one_number_per_batch")),
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            *(2, "xla", ("mean_with_sample_weight", "masked_mean_with_sample_weight")),
            marks=pytest.mark.thorough,
        ),
        pytest.param(2, "eager", ("several_outputs",), marks=pytest.mark.thorough),
    ],
)
def test_losses_are_those_of_one_device(replicas, how, losses):
    results = scenarios(replicas, *(f"{name}:{how}" for name in losses))
    for name in losses:
        result = results[f"{name}:{how}"]
        assert result["jit_compile"] == (how == "xla")
        assert result["moved"] > 100 * TOLERANCE
        for what in ("weights", "history", "evaluation", "batch"):
            assert result[what] < TOLERANCE, (name, what)
        if name in ("several_outputs", "sum_and_mean"):
            assert {"first_loss", "val_second_loss"} <= set(result["logs"])


@pytest.mark.slow
def test_a_batch_without_samples_changes_nothing():
    # The weights of equal regularizers are nothing to a step without samples, either.
    assert scenarios(2, "empty_batches")["empty_batches"]["difference"] < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_a_replica_without_samples_skips_the_random_numbers_of_others(replicas):
    result = scenarios(replicas, "seeds")["seeds"]
    assert len(result["states"]) == len(result["sizes"])
    for step, states in enumerate(result["states"], 1):
        assert len(states) == 3
        for copies in states:
            assert len(copies) == replicas
            seed = copies[0][0]
            assert copies == [[seed, step]] * replicas, result["sizes"]


@pytest.mark.slow
def test_frozen_statistics_stay_as_they_are():
    # A third of the sum of three equal numbers is not always the number.
    result = scenarios(3, "frozen_statistics")["frozen_statistics"]
    assert result["moved"] > 0
    assert result["changed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, pytest.param(4, marks=pytest.mark.thorough)])
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
    # Of synchronized norms, training alone needs samples everywhere.
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
    assert messages["overwriting"].endswith("Received: ema_overwrite_frequency=3")
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


def test_functions_of_any_name_are_losses():
    from keras_nonlocal.replicas.loss_terms import replica_losses

    y, z = np.float32([[1, 2], [3, 5]]), np.float32([[1, 0], [4, 5]])
    losses = {
        "unnamed": lambda y_true, y_pred: keras.ops.abs(y_true - y_pred),
        "partial": functools.partial(keras.losses.huber, delta=0.5),
        "named": keras.losses.mean_squared_error,
    }
    wrapped = replica_losses(losses)
    assert float(wrapped["unnamed"](y, z)) == 0.75
    assert float(wrapped["partial"](y, z)) == pytest.approx((0.875 + 0.375) / 4)
    assert float(wrapped["named"](y, z)) == 1.25


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
