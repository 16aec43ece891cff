"""Scores of whole videos against one view at a time."""

import inspect

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import predict_video, predict_videos, preprocess_input
from keras_nonlocal.data import (
    ClipSampler,
    FrameFolderReader,
    FramingSampler,
    PyAVReader,
    VideoList,
)
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.models.clip_info import ClipInfo
from tests.data.pictures import png
from tests.data.videos import moving_pictures, write_video


def small(input_shape=(4, 32, 32, 3), include_preprocessing=False):
    """Any model from clips to scores will do; a tiny one is quick."""
    inputs = keras.Input(input_shape)
    x = PixelPreprocessing()(inputs) if include_preprocessing else inputs
    x = keras.layers.Conv3D(4, (2, 3, 3), activation="relu")(x)
    x = keras.layers.GlobalMaxPooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x))
    model.compile(jit_compile=False)
    return model


def binary():
    """A model with one sigmoid unit."""
    inputs = keras.Input((4, 32, 32, 3))
    x = keras.layers.Conv3D(4, (2, 3, 3), activation="relu")(inputs)
    x = keras.layers.GlobalMaxPooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(jit_compile=False)
    return model


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    sizes = [(48, 64, 20), (64, 48, 9), (50, 70, 3)]
    return [
        write_video(folder / f"{i}.mp4", moving_pictures(frames, height, width, seed=i))
        for i, (height, width, frames) in enumerate(sizes)
    ]


def one_view_at_a_time(model, path, num_clips, num_crops):
    scores = []
    with PyAVReader(str(path)) as video:
        indices = ClipSampler(4, 2, num_clips).frame_indices(video.times)
        views = video.read(indices, FramingSampler(32, None, num_crops).framing())
    for clip in range(num_clips):
        for crop in range(num_crops):
            x = preprocess_input(views[clip, :, crop][np.newaxis])
            scores.append(keras.ops.convert_to_numpy(model(x, training=False))[0])
    return np.mean(scores, axis=0)


@pytest.mark.parametrize(("num_clips", "num_crops"), [(1, 1), (4, 3)])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_equals_one_view_at_a_time(model, paths, num_clips, num_crops, batch_size):
    scores = predict_video(
        model, paths, num_clips, num_crops, frame_stride=2, batch_size=batch_size
    )
    expected = [one_view_at_a_time(model, p, num_clips, num_crops) for p in paths]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_one_path_gives_one_row(model, paths):
    row = predict_video(model, paths[0], 2, 1, frame_stride=2)
    assert row.shape == (5,)
    rows = predict_videos(model, paths[:1], 2, 1, frame_stride=2)
    np.testing.assert_allclose(rows, row[np.newaxis], atol=1e-7)
    # As in earlier versions.
    np.testing.assert_array_equal(
        predict_video(model, paths[:1], 2, 1, frame_stride=2), rows
    )
    with pytest.raises(TypeError, match=r"for one path, see `predict_video`.*'x.mp4'"):
        predict_videos(model, "x.mp4")


def test_segments_of_a_list_are_scored(model, paths):
    parts = VideoList((paths[0],) * 2, segments=((0.0, 0.2), (0.3, 0.6)))
    rows = predict_videos(model, parts, 1, 1, frame_stride=1)
    assert rows.shape == (2, 5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-6


def test_one_sigmoid_unit_gives_one_score(paths, rng):
    model = binary()
    rows = predict_videos(model, paths, 3, 1, frame_stride=2, reduction="logits")
    views = [preprocess_input(views_of(path, 3, 1)) for path in paths]
    for row, x in zip(rows, views, strict=True):
        p = model.predict_on_batch(x).astype("float64")
        mean = np.log(p / (1 - p)).mean(axis=0)
        np.testing.assert_allclose(row, 1 / (1 + np.exp(-mean)), atol=1e-5)
    assert predict_video(model, paths[1], 3, 1, frame_stride=2).shape == (1,)


def test_defaults_come_from_the_model(paths):
    plain, informed = small(), small()
    informed.set_weights(plain.get_weights())
    informed.clip_info = ClipInfo(frame_stride=2, target_fps=15.0)
    expected = predict_videos(plain, paths, 2, 1, frame_stride=2, target_fps=15.0)
    np.testing.assert_allclose(
        predict_videos(informed, paths, 2, 1), expected, atol=1e-6
    )
    other = predict_videos(informed, paths, 2, 1, frame_stride=1)
    assert np.abs(other - expected).max() > 1e-6


def test_preprocessing_follows_the_model(model, paths):
    with_pixels = small(include_preprocessing=True)
    with_pixels.set_weights(model.get_weights())
    expected = predict_video(model, paths[0], 2, 1, frame_stride=2)
    found = predict_video(with_pixels, paths[0], 2, 1, frame_stride=2)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    own = predict_video(
        model, paths[0], 2, 1, frame_stride=2, preprocessing=lambda x: x * 0.0
    )
    assert np.abs(own - expected).max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"video": []}, "at least one video"),
        ({"video": "missing.mp4"}, "Cannot read the video 'missing.mp4'"),
        ({"num_clips": 0}, "Received: num_clips=0"),
        ({"num_crops": 2}, "Received: num_crops=2"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"num_frames": 9}, "`num_frames` must be that of .*Received: num_frames=9"),
        ({"crop_size": 40}, r"`crop_size` must be .*Received: crop_size=\(40, 40\)"),
    ],
)
def test_wrong_values(model, paths, arguments, message):
    with pytest.raises(ValueError, match=message):
        predict_video(model, **{"video": paths} | arguments)


def test_a_model_of_something_else_is_refused(paths):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="`model` must have one input"):
        predict_video(model, paths)


def test_missing_files_are_left_out_like_broken_ones(model, paths):
    scores = predict_video(model, [paths[0], "missing.mp4"], 1, 1, on_error="skip")
    np.testing.assert_array_equal(scores[0], predict_video(model, paths[0], 1, 1))
    assert np.isnan(scores[1]).all()


def test_model_of_any_size_needs_sizes(paths):
    model = small(input_shape=(None, None, None, 3))
    with pytest.raises(ValueError, match="`num_frames` must be given"):
        predict_video(model, paths[0])
    with pytest.raises(ValueError, match="`crop_size` must be given"):
        predict_video(model, paths[0], num_frames=4)
    scores = predict_video(model, paths[0], 1, 1, num_frames=4, crop_size=40)
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def views_of(path, num_clips, num_crops):
    with PyAVReader(str(path)) as video:
        indices = ClipSampler(4, 2, num_clips).frame_indices(video.times)
        views = video.read(indices, FramingSampler(32, None, num_crops).framing())
    return views.transpose(0, 2, 1, 3, 4, 5).reshape(-1, 4, 32, 32, 3)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_reductions(paths, activation):
    inputs = keras.Input((4, 32, 32, 3))
    x = keras.layers.Conv3D(4, (2, 3, 3), activation="relu")(inputs)
    features = keras.layers.GlobalMaxPooling3D()(x)
    logits = keras.layers.Dense(5, kernel_initializer="he_normal")
    scores = keras.layers.Activation(activation)(logits(features))
    model, bare = keras.Model(inputs, scores), keras.Model(inputs, logits.output)
    for each in (model, bare):
        each.compile(jit_compile=False)
    views = [preprocess_input(views_of(path, 3, 3)) for path in paths]
    expected = {
        "mean": [model.predict_on_batch(x).mean(0) for x in views],
        "max": [model.predict_on_batch(x).max(0) for x in views],
        "logits": [
            keras.ops.convert_to_numpy(
                getattr(keras.ops, activation)(bare.predict_on_batch(x).mean(0))
            )
            for x in views
        ],
    }
    for reduction, rows in expected.items():
        found = predict_video(
            model, paths, 3, 3, frame_stride=2, reduction=reduction, batch_size=4
        )
        np.testing.assert_allclose(found, rows, atol=1e-6)
    assert np.abs(np.subtract(expected["mean"], expected["logits"])).max() > 1e-5


def test_whole_pictures_of_several_sizes(paths):
    model = small(input_shape=(4, None, None, 3))
    found = predict_video(
        model, paths, 2, 1, frame_stride=2, crop_size="whole", short_side=36
    )
    for path, row in zip(paths, found, strict=True):
        with PyAVReader(str(path)) as video:
            indices = ClipSampler(4, 2, 2).frame_indices(video.times)
            views = video.read(indices, Framing(36, None))[:, :, 0]
        assert min(views.shape[2:4]) == 36 < max(views.shape[2:4])
        expected = model.predict_on_batch(preprocess_input(views)).mean(0)
        np.testing.assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "num_crops", "message"),
    [
        ((4, None, None, 3), 3, "`num_crops` must be 1 .*Received: num_crops=3"),
        ((4, 32, 32, 3), 1, "needs a model that takes pictures of any size"),
    ],
)
def test_whole_pictures_ask_for_a_model(paths, shape, num_crops, message):
    with pytest.raises(ValueError, match=message):
        predict_video(small(input_shape=shape), paths, 1, num_crops, crop_size="whole")


def test_many_sizes_do_not_pile_up(paths, monkeypatch):
    model = small(input_shape=(4, None, None, 3))
    sizes = []
    original = model.predict_on_batch
    monkeypatch.setattr(
        model, "predict_on_batch", lambda x: (sizes.append(len(x)), original(x))[1]
    )
    many = [*paths] * 4
    found = predict_video(
        model, many, 3, 1, frame_stride=2, crop_size="whole", batch_size=2
    )
    assert max(sizes) == 2
    assert sum(sizes) == 36
    np.testing.assert_allclose(found[:3], found[3:6], atol=1e-6)


def test_frames_in_memory_are_a_video(model, tmp_path):
    frames = moving_pictures(14, 40, 52, seed=4)
    for number, pixels in enumerate(frames):
        (tmp_path / f"{number}.png").write_bytes(png(pixels))
    stored = predict_video(
        model, tmp_path, 3, 3, frame_stride=2, open_video=FrameFolderReader
    )
    given = predict_video(model, frames, 3, 3, frame_stride=2)
    np.testing.assert_allclose(given, stored, atol=1e-6)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 4, 8, 8, 3), "uint8"), np.zeros((4, 8, 8, 3))]
)
def test_other_arrays_are_one_sentence(model, array):
    with pytest.raises(ValueError, match=r"`video` must be a path, or RGB bytes of "):
        predict_video(model, array)


def test_the_name_of_an_argument_in_other_packages_is_said(model):
    message = r"`image_size` is called `crop_size` here. Received: image_size=\(8, 8\)"
    for function in (
        keras_nonlocal.predict_video,
        keras_nonlocal.predict_videos,
        keras_nonlocal.evaluate_videos,
        keras_nonlocal.data.video_dataset_from_directory,
        keras_nonlocal.data.video_dataset_from_list,
        keras_nonlocal.data.video_dataset_from_tfds,
        keras_nonlocal.export_model,
    ):
        with pytest.raises(TypeError, match=message):
            function(model, "x.mp4", image_size=(8, 8))
        assert "crop_size" in inspect.signature(function).parameters
