"""New classifiers, frozen stages, longer clips."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.replicas.sublayers import batch_norms
from keras_nonlocal.training import (
    freeze_batch_norm,
    freeze_stages,
    gradient_l2,
    replace_classifier,
    with_num_frames,
)


def network(**options):
    arguments = {
        "input_shape": (8, 32, 32, 3),
        "classes": 3,
        "width": 4,
        "nonlocal_blocks": {"res4": (4,)},
        "stem_temporal_strides": (2, 2),
    }
    return keras_nonlocal.NLResNet50I3D(**(arguments | options))


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        # Positive, for the variances among them.
        variable.assign(rng.uniform(0.01, 0.2, variable.shape))


def clips(num_frames, seed=1):
    shape = (2, num_frames, 32, 32, 3)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def to_numpy(value):
    return keras.ops.convert_to_numpy(value)


def test_a_new_classifier_sees_the_old_features():
    model = network()
    randomize(model)
    own = replace_classifier(
        model,
        5,
        classifier_activation="sigmoid",
        kernel_regularizer=gradient_l2(1e-3),
    )
    assert type(own) is type(model)
    assert [v.path for v in own.weights[:-2]] == [v.path for v in model.weights[:-2]]
    head = own.get_layer("predictions")
    assert own.losses
    assert float(to_numpy(own.losses[0])) == pytest.approx(
        5e-4 * float(np.square(to_numpy(head.kernel)).sum()), rel=1e-5
    )
    extractor = keras.Model(model.input, model.get_layer("dropout").input)
    features = to_numpy(extractor(clips(8))).astype("float64")
    kernel = np.random.default_rng(2).normal(size=(128, 5)) / np.abs(features).max()
    head.kernel.assign(kernel.astype("float32"))
    logits = features @ kernel
    np.testing.assert_allclose(
        to_numpy(own(clips(8))), 1 / (1 + np.exp(-logits)), rtol=1e-4, atol=1e-6
    )


def test_a_new_classifier_keeps_the_score_window():
    model = network(input_shape=(16, 64, 64, 3), score_window=(1, 1, 1))
    own = replace_classifier(model, 2, classifier_activation=None)
    assert own.get_layer("mean_scores") is not model.get_layer("mean_scores")
    assert own.get_layer("avg_pool").pool_size == (1, 1, 1)
    assert own.output_shape == (None, 2)


def test_frozen_stages_stay_as_they_are():
    model = network()
    frozen = freeze_stages(model, ("stem", "res2", "res3"))
    model.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False
    )
    before = {v.path: to_numpy(v).copy() for v in model.weights}
    model.train_on_batch(clips(8), np.array([0, 1]))
    changed = {
        v.path.split("/")[0]
        for v in model.weights
        if not np.array_equal(before[v.path], to_numpy(v))
    }
    assert not changed & set(frozen)
    assert {"conv5_block3_3_bn", "predictions"} <= changed
    assert all(name.startswith(("conv1", "conv2", "conv3")) for name in frozen)
    assert {"conv1_bn", "conv2_block1_0_conv", "conv3_block4_3_bn"} <= set(frozen)
    assert all(name.startswith(("conv4", "conv5", "predictions")) for name in changed)


def test_weights_carry_over_to_longer_clips():
    model = network()
    randomize(model)
    longer = with_num_frames(model, 32)
    assert type(longer) is type(model)
    assert longer.input_shape == (None, 32, 32, 32, 3)
    built = network(input_shape=(32, 32, 32, 3))
    built.set_weights(model.get_weights())
    np.testing.assert_allclose(
        to_numpy(longer(clips(32))), to_numpy(built(clips(32))), rtol=1e-5
    )
    for mine, theirs in zip(longer.weights, model.weights, strict=True):
        assert mine is not theirs
        np.testing.assert_array_equal(to_numpy(mine), to_numpy(theirs))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: freeze_stages(m, ["res6"]), ValueError, r"stages=\['res6'\]"),
        (
            lambda m: freeze_stages(keras.Sequential(name="mine"), ["res2"]),
            ValueError,
            "Received: model='mine'",
        ),
        (
            lambda m: replace_classifier(keras.Sequential(name="mine"), 3),
            ValueError,
            "with its top. Received: model='mine'",
        ),
        (lambda m: replace_classifier(m, 0), ValueError, "Received: classes=0"),
        (lambda m: with_num_frames(m, 0), ValueError, "Received: num_frames=0"),
        (lambda m: with_num_frames(m, 2.0), TypeError, "Received: num_frames=2.0"),
    ],
)
def test_wrong_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(network(nonlocal_blocks=0))


def test_frozen_norms_stay_frozen_in_copies(tmp_path):
    model = network(nonlocal_blocks=1)
    count = freeze_batch_norm(model)
    model.save(tmp_path / "model.keras")
    copies = (
        keras.saving.load_model(tmp_path / "model.keras"),
        with_num_frames(model, 16),
    )
    for copy in copies:
        norms = batch_norms(copy)
        assert len(norms) == count
        assert not any(norm.trainable for norm in norms)
        assert len(copy.trainable_variables) == len(model.trainable_variables)
