"""The facts about its training that a model keeps, from `fit` to the saved file."""

import logging

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.models import ClipInfo
from keras_nonlocal.models.clip_model import clip_model
from keras_nonlocal.training import transform_clips
from keras_nonlocal.weights import TORCH_IMAGENET_NORMALIZATION
from tests.data.videos import moving_pictures, write_video


@pytest.fixture
def videos(tmp_path):
    for seed, name in enumerate(("wave", "clap")):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "videos" / name / f"{number}.mp4"
            write_video(path, moving_pictures(11, 40, 48, seed=seed))
    return tmp_path / "videos"


def network(**options):
    options = {"classes": 2, "width": 4, "include_preprocessing": True} | options
    model = keras_nonlocal.ResNet50C2D(input_shape=(4, 32, 32, 3), **options)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    return model


def clips(videos, **options):
    options = {"num_frames": 4, "frame_stride": 3, "crop_size": 32} | options
    return video_dataset_from_directory(
        videos, batch_size=2, seed=0, verbose=False, **options
    )


def test_a_trained_and_saved_model_knows_its_clips(videos, tmp_path, caplog):
    model = network()
    train = transform_clips(clips(videos, target_fps=15), lambda data: data.take(1))
    model.fit(train, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.clip_info == ClipInfo(("clap", "wave"), 4, 3, 15.0)
    path = videos / "wave" / "0.mp4"
    known = keras_nonlocal.predict_video(loaded, path, 2, 1)
    assert caplog.messages == []
    same = {"frame_stride": 3, "target_fps": 15}
    given = keras_nonlocal.predict_video(loaded, path, 2, 1, **same)
    np.testing.assert_array_equal(known, given)
    assert caplog.messages == []
    result = keras_nonlocal.evaluate_videos(loaded, videos, 1, 1, verbose=0)
    assert result.class_names == ("clap", "wave")


def test_names_that_do_not_fit_the_scores_are_not_taken():
    clips = ClipInfo(("a", "b", "c"), 8, 2)
    own = ClipInfo(("x", "y"), 4, 5, 30.0, TORCH_IMAGENET_NORMALIZATION)
    for outputs, names in ((3, ("a", "b", "c")), (2, ("x", "y")), (None, ("x", "y"))):
        info = own.trained_on(clips, outputs)
        assert info == ClipInfo(names, 8, 2, None, TORCH_IMAGENET_NORMALIZATION)
    assert own.trained_on(ClipInfo(("p", "q"), 8, 2), 1).class_names == ("p", "q")
    assert own.trained_on(ClipInfo(None, 8, 2), 2).class_names == ("x", "y")


def test_two_names_of_one_logit_are_not_used(videos):
    backbone = network(include_top=False, pooling="avg")
    logit = keras.layers.Dense(1)(backbone.output)
    model = keras_nonlocal.training.ReplicatedModel(backbone.input, logit)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(clips(videos, label_mode="binary"), verbose=0, shuffle=False)
    assert model.clip_info.frame_stride == 3
    assert clip_model(model).class_names is None
    path = videos / "wave" / "0.mp4"
    assert keras_nonlocal.predict_video(model, path, 1, 1).shape == (1,)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_cast_to_float32_does_not_hide_the_activation(activation):
    backbone = network(include_top=False, pooling="avg")
    scores = keras.layers.Dense(2, activation=activation)(backbone.output)
    for cast in (
        keras.layers.Activation("linear", dtype="float32"),
        lambda x: keras.ops.cast(x, "float32"),
    ):
        model = keras.Model(backbone.input, cast(scores))
        assert clip_model(model).activation == activation


def test_what_is_no_clip_info_is_refused():
    model = network()
    with pytest.raises(TypeError, match=r"Received: clip_info=\{'frame_stride': 2\}"):
        model.clip_info = {"frame_stride": 2}
    assert model.clip_info == ClipInfo()
    assert ClipInfo(np.array(["clap", "wave"])).class_names == ("clap", "wave")
    with pytest.raises(TypeError, match="sequence of strings"):
        ClipInfo(np.array([1, 2]))


def test_a_model_that_is_not_compiled_keeps_its_facts(videos):
    model = keras_nonlocal.ResNet50C2D(input_shape=(4, 32, 32, 3), classes=2, width=4)
    model.clip_info = ClipInfo(frame_stride=7)
    with pytest.raises(ValueError, match="compile"):
        model.fit(clips(videos), verbose=0)
    assert model.clip_info == ClipInfo(frame_stride=7)


def test_another_stride_is_said_once(caplog):
    model = network(name="gestures")
    model.clip_info = ClipInfo(frame_stride=3, target_fps=12.0)
    own = clip_model(model)
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        assert own.frame_rate(3) == (3, 12.0)
        assert own.frame_rate() == (3, 12.0)
        assert caplog.messages == []
        assert [own.frame_rate(7), own.frame_rate(7)] == [(7, None)] * 2
    assert caplog.messages == [
        "The clips have a frame stride of 7, but the model 'gestures' was trained "
        "with a frame stride of 3"
    ]


def test_models_of_plain_keras_are_trained_as_before(videos):
    inputs = keras.Input((4, 32, 32, 3))
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling3D()(inputs))
    model = keras.Model(inputs, scores)
    model.compile("sgd", "mse", jit_compile=False)
    quietly = {"verbose": 0, "shuffle": False}
    model.fit(clips(videos, label_mode="categorical").take(1), **quietly)
    assert not hasattr(model, "clip_info")
