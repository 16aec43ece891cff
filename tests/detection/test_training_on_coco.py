"""A tiny detector trained on files in COCO's format."""

import json

import keras
import numpy as np
import pytest

from keras_nonlocal.data import coco_dataset
from keras_nonlocal.inference import evaluate_coco
from keras_nonlocal.training import fit_resumably
from tests.data.coco.annotated import write_many
from tests.detection.detectors import SIDE, small_detector

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return write_many(folder, np.random.default_rng(3), 7), folder


def load(pictures, dataset_type, **options):
    defaults = {
        "batch_size": 2,
        "seed": 4,
        "short_side": (48, SIDE),
        "long_side": SIDE,
        "mask_size": 14,
        "max_boxes": 4,
        "horizontal_flip": True,
        "verbose": False,
    }
    return coco_dataset(*pictures, dataset_type=dataset_type, **(defaults | options))


def compiled():
    model = small_detector()
    model.compile(keras.optimizers.SGD(0.002, momentum=0.9))
    return model


class Kill(keras.callbacks.Callback):
    """Ends the process in the second epoch, after its third batch."""

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (1, 2):
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.skipif(ON_TENSORFLOW, reason="tests/runs/detectors kill one there")
def test_a_killed_run_ends_in_the_weights_of_one_that_was_not(pictures, tmp_path):
    def run(model, folder, callbacks=()):
        return fit_resumably(
            model,
            load(pictures, "keras"),
            tmp_path / folder,
            epochs=2,
            save_freq=1,
            callbacks=[*callbacks],
            verbose=0,
        )

    whole, resumed = compiled(), compiled()
    start = [np.array(weight) for weight in resumed.get_weights()]
    whole.set_weights(start)
    expected = run(whole, "whole").history
    with pytest.raises(KeyboardInterrupt):
        run(resumed, "killed", [Kill()])
    resumed = compiled()
    history = run(resumed, "killed").history
    assert [*history] == [*expected]
    assert {"class_loss", "box_loss", "mask_loss", "rpn_box_loss"} < {*history}
    for name, values in expected.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(history[name], values, rtol=1e-4)
    changes = 0.0
    for weight, other, first in zip(
        resumed.get_weights(), whole.get_weights(), start, strict=True
    ):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)
        changes += np.abs(other - first).sum()
    assert changes > 0


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="one backend proves it")
def test_training_learns_and_is_evaluated(pictures, tmp_path):
    # Batches of two shapes, of which `fit` makes one graph.
    data = load(pictures, "tf.data", shuffle=False, long_side=96)
    assert {x["images"].shape[1:3] for x, _ in data} == {(64, 96), (96, 64)}
    model = small_detector(side=None, category_ids=data.category_ids)
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9))
    losses = model.fit(data, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    results = tmp_path / "results.jsonl"
    result = evaluate_coco(model, data, results_file=results, verbose=0)
    again = evaluate_coco(model, data, results_file=results, verbose=0)
    assert result.to_dict() == again.to_dict()
    assert result.num_pictures == 7
    assert len(results.read_text().splitlines()) == 8
    for figures in (result.box, result.mask):
        assert 0 <= figures["AP"] <= 1
    json.dumps([*result.detections])
