"""Mean average precision against loops in float64 and against scikit-learn."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_nonlocal.training import MeanAveragePrecision


def average_precision(labels, scores, weights):
    """One class, by the definition: a threshold at every distinct score."""
    total = sum(w for w, label in zip(weights, labels, strict=True) if label)
    value = recall_before = 0.0
    for threshold in sorted(set(scores), reverse=True):
        hits = videos = 0.0
        for label, score, weight in zip(labels, scores, weights, strict=True):
            if score >= threshold:
                hits += weight * label
                videos += weight
        if videos:
            value += (hits / total - recall_before) * hits / videos
        recall_before = hits / total
    return value


def mean_average_precision(labels, scores, weights=None):
    weights = np.ones(len(labels)) if weights is None else weights
    return np.mean(
        [
            average_precision(labels[:, c].tolist(), scores[:, c].tolist(), weights)
            for c in range(labels.shape[1])
            if (labels[:, c] * weights).any()
        ]
    )


def random_videos(seed, num_videos=37, num_classes=6, decimals=None):
    rng = np.random.default_rng(seed)
    labels = (rng.random((num_videos, num_classes)) < 0.2).astype("float64")
    labels[:, 3] = 0
    labels[rng.integers(num_videos)] = 0
    scores = rng.random((num_videos, num_classes)).astype("float32")
    scores = scores if decimals is None else scores.round(decimals)
    return labels, scores.astype("float64"), rng.random(num_videos)


def filled(labels, scores, weights=None, batch_size=5, **options):
    metric = MeanAveragePrecision(labels.shape[1], **{"capacity": 50} | options)
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        metric.update_state(
            labels[part],
            scores[part].astype("float32"),
            None if weights is None else weights[part],
        )
    return metric


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_is_that_of_the_definition(decimals, weighted):
    labels, scores, weights = random_videos(decimals or 0, decimals=decimals)
    weights = weights if weighted else None
    metric = filled(labels, scores, weights)
    expected = mean_average_precision(labels, scores, weights)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_value_is_that_of_scikit_learn(decimals):
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    labels, scores, weights = random_videos(11, 500, 20, decimals)
    present = labels.any(axis=0)
    metric = filled(labels, scores, capacity=500)
    expected = sklearn_metrics.average_precision_score(
        labels[:, present], scores[:, present], average="macro"
    )
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    each = sklearn_metrics.average_precision_score(
        labels[:, present],
        scores[:, present],
        average=None,
        sample_weight=weights,
    )
    own = keras.ops.convert_to_numpy(
        filled(labels, scores, weights, capacity=500).class_results()
    )
    np.testing.assert_allclose(own[present], each, rtol=2e-5)
    assert np.isnan(own[~present]).all()


def test_the_classes_one_by_one():
    labels, scores, _ = random_videos(2)
    own = keras.ops.convert_to_numpy(filled(labels, scores).class_results())
    assert np.isnan(own[3])
    for c in (0, 1, 2, 4, 5):
        expected = average_precision(labels[:, c], scores[:, c], np.ones(len(labels)))
        assert own[c] == pytest.approx(expected, rel=1e-5)


def test_unlabeled_videos_as_in_the_evaluation_of_charades():
    labels, scores, _ = random_videos(3)
    labels[5:12] = 0
    last = np.where(labels.any(axis=1, keepdims=True), scores, -np.inf)
    expected = []
    for c in range(labels.shape[1]):
        hit = labels[np.argsort(-last[:, c], kind="stable"), c] == 1
        precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
        if hit.any():
            expected.append(precision[hit].mean())
    metric = filled(labels, scores, ignore_unlabeled=True)
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-5)
    assert float(filled(labels, scores).result()) != pytest.approx(np.mean(expected))


def test_the_former_spelling_of_an_argument_is_understood():
    config = MeanAveragePrecision(3, capacity=5).get_config()
    del config["ignore_unlabeled"]
    former = MeanAveragePrecision.from_config(config | {"ignore_unlabelled": True})
    assert former.ignore_unlabeled
    assert "ignore_unlabelled" not in former.get_config()


def test_value_grows_with_the_videos_and_starts_anew():
    labels, scores, _ = random_videos(4)
    metric = filled(labels[:20], scores[:20])
    expected = mean_average_precision(labels[:20], scores[:20])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.update_state(labels[20:], scores[20:].astype("float32"))
    expected = mean_average_precision(labels, scores)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0
    metric.update_state(labels[7:30], scores[7:30].astype("float32"))
    expected = mean_average_precision(labels[7:30], scores[7:30])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_too_many_videos_are_told():
    labels, scores, _ = random_videos(5)
    metric = filled(labels, scores, capacity=37)
    expected = mean_average_precision(labels, scores)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.update_state(labels[:1], scores[:1].astype("float32"))
    with pytest.raises(ValueError, match="Received: capacity=37 and 38 videos"):
        metric.result()
    with pytest.raises(ValueError, match="Received: capacity=37 and 38 videos"):
        metric.class_results()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MeanAveragePrecision(0, 5), "Received: num_classes=0"),
        (lambda: MeanAveragePrecision(5, -2), "Received: capacity=-2"),
        (
            lambda: MeanAveragePrecision(3, 5).update_state([[1, 0]], [[0.1, 0.2]]),
            r"`y_true` must have the shape \(batch, 3\)",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def classifier(metric):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(6, activation="sigmoid")]
    )
    model.compile("sgd", "binary_crossentropy", metrics=[metric], jit_compile=False)
    return model


def test_evaluate_gives_the_value_of_all_batches():
    labels, _, _ = random_videos(6)
    clips = np.random.default_rng(7).normal(size=(37, 4)).astype("float32")
    model = classifier(MeanAveragePrecision(6, 37))
    logs = model.evaluate(clips, labels, batch_size=8, verbose=0, return_dict=True)
    scores = model.predict(clips, verbose=0)
    expected = mean_average_precision(labels, scores.astype("float64"))
    assert logs["mean_average_precision"] == pytest.approx(expected, rel=1e-5)
    copy = MeanAveragePrecision.from_config(model.metrics[1].metrics[0].get_config())
    assert (copy.num_classes, copy.capacity, copy.name) == (
        6,
        37,
        "mean_average_precision",
    )


REPLICAS = """
import keras, numpy as np, tensorflow as tf
from tests.metrics.test_mean_average_precision import *
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 3,
)
# `keras.Model` wants batches that divide by the number of replicas.
labels = random_videos(8)[0][:36]
clips = np.random.default_rng(9).normal(size=(36, 4)).astype("float32")
strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(3)])
with strategy.scope():
    model = classifier(MeanAveragePrecision(6, 20))
logs = model.evaluate(clips, labels, batch_size=9, verbose=0, return_dict=True)
scores = model.predict(clips, 9, verbose=0).astype("float64")
expected = mean_average_precision(labels, scores)
np.testing.assert_allclose(logs["mean_average_precision"], expected, rtol=1e-5)
history = model.fit(clips, labels, batch_size=9, epochs=1, shuffle=False, verbose=0)
assert 0 < history.history["mean_average_precision"][0] < 1
outside = MeanAveragePrecision(6, 20)
try:
    with strategy.scope():
        outside.update_state(labels, labels)
except ValueError as error:
    assert "must be created under the scope" in str(error), error
else:
    raise SystemExit("no error")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strategies belong to TensorFlow"
)
def test_replicas_together_have_the_value_of_all_videos():
    finished = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        cwd=Path(__file__).parents[2],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]


def test_a_score_that_is_not_a_number_makes_the_value_one():
    metric = MeanAveragePrecision(2, capacity=4)
    metric.update_state([[1, 1], [0, 0]], [[float("nan"), 0.5], [0.2, 0.1]])
    assert np.isnan(float(metric.result()))
    values = keras.ops.convert_to_numpy(metric.class_results())
    np.testing.assert_array_equal(values, [np.nan, 1.0])
