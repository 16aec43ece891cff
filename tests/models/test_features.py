"""A network without its classifier."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.models.clip_info import ClipInfo
from keras_nonlocal.models.features import feature_model


@pytest.mark.parametrize("score_window", [None, (2, 1, 1)])
def test_features_are_what_the_classifier_takes(score_window, rng):
    model = keras_nonlocal.NLResNet50C2D(
        classes=3,
        input_shape=(4, 32, 32, 3),
        width=4,
        classifier_activation=None,
        score_window=score_window,
    )
    model.clip_info = ClipInfo(class_names=("a", "b", "c"), frame_stride=5)
    network = feature_model(model)
    clips = rng.normal(size=(2, 4, 32, 32, 3)).astype("float32")
    features, logits = (m.predict_on_batch(clips) for m in (network, model))
    kernel, bias = (
        keras.ops.convert_to_numpy(weight)
        for weight in model.get_layer("predictions").weights
    )
    expected = features @ kernel.reshape(-1, 3) + bias
    # Sums of 128 products in float32.
    np.testing.assert_allclose(expected, logits, rtol=1e-4, atol=1e-4)
    assert network.clip_info.frame_stride == 5
    assert network.clip_info.class_names is None


def test_a_network_without_a_classifier_stays_as_it_is():
    model = keras_nonlocal.NLResNet50C2D(
        include_top=False, pooling="avg", input_shape=(4, 32, 32, 3), width=4
    )
    assert feature_model(model) is model
