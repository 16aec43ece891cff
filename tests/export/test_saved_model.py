"""SavedModels: what they answer, to whom, and what is in their folders."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_nonlocal import export_model, export_saved_model, preprocess_input
from keras_nonlocal.data import Framing
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from tests.export.clip_models import (
    published_network,
    random_clips,
    scores_of,
    small_network,
)

NAMES = ("clap", "drink", "jump", "run", "walk", "wave")
SIGNATURES = {
    "serving_default",
    "views",
    "encoded_clips",
    "encoded_clips_with_status",
    "encoded_views",
    "encoded_views_with_status",
}


def load(folder):
    return tf.saved_model.load(str(folder)).signatures


def pictures(*shape, seed=0):
    """PNG pictures of the shape `(…, height, width, 3)` as an array of strings."""
    frames = random_clips(*shape, seed=seed)
    encoded = [tf.io.encode_png(f).numpy() for f in frames.reshape(-1, *shape[-3:])]
    return np.array(encoded, object).reshape(shape[:-3])


def read_with_the_package(encoded, framing):
    """Crops `(num_crops, num_frames, height, width, 3)` of one clip of pictures."""
    reader = PicturesReader("pictures", [*encoded], 30)
    return reader.read(np.arange(len(encoded)), framing).swapaxes(0, 1)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    model = published_network()
    directory = tmp_path_factory.mktemp("gestures")
    return model, export_saved_model(model, directory, class_names=NAMES)


def test_process_with_only_tensorflow(published, tmp_path):
    model, folder = published
    views = random_clips(2, 3, 4, 32, 32, 3)
    encoded = pictures(2, 3, 4, 37, 50, 3)
    requests = {
        "serving_default/clips": views[0],
        "views/views": views,
        "encoded_clips/frames": encoded[1],
        "encoded_views/frames": encoded,
        "encoded_views_with_status/frames": encoded,
    }
    np.savez(tmp_path / "requests.npz", **requests)
    script = Path(__file__).with_name("plain_tensorflow.py")
    files = (folder, tmp_path / "requests.npz", tmp_path / "answers.npz")
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
    subprocess.run([sys.executable, script, *files], check=True, env=environment)
    with np.load(tmp_path / "answers.npz", allow_pickle=True) as answers:
        answers = dict(answers)
    clips = {
        "serving_default": views[0],
        "views": views,
        "encoded_clips": crops_of(encoded[1]),
        "encoded_views": crops_of(encoded),
        "encoded_views_with_status": crops_of(encoded),
    }
    for signature, pixels in clips.items():
        scores = scores_of(model, pixels.reshape(-1, 4, 32, 32, 3))
        scores = scores.reshape(*pixels.shape[:-4], 6)
        if "views" in signature:
            scores = scores.mean(axis=1)
        assert np.ptp(scores) > 0.01
        for prefix in ("", "session/"):
            found = {
                key: answers[f"{prefix}{signature}/{key}"]
                for key in ("scores", "top_names", "top_scores")
            }
            np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
            best = np.argsort(-found["scores"], axis=-1, kind="stable")[:, :5]
            expected_names = np.array(NAMES)[best]
            assert (found["top_names"].astype(str) == expected_names).all()
            np.testing.assert_array_equal(
                found["top_scores"], np.take_along_axis(found["scores"], best, -1)
            )


def crops_of(encoded):
    """What the package reads from pictures of 37×50, where a crop of 32 is unscaled."""
    framing = Framing(37, (32, 32))
    clips = [read_with_the_package(clip, framing)[0] for clip in encoded.reshape(-1, 4)]
    return np.stack(clips).reshape(*encoded.shape, 32, 32, 3)


@pytest.mark.slow
def test_saved_model_cli(published, tmp_path):
    model, folder = published
    clips = random_clips(2, 4, 32, 32, 3, seed=3)
    np.save(tmp_path / "clips.npy", clips)
    arguments = {
        "--dir": folder,
        "--tag_set": "serve",
        "--signature_def": "serving_default",
        "--inputs": f"clips={tmp_path / 'clips.npy'}",
        "--outdir": tmp_path,
    }
    command = Path(sys.executable).with_name("saved_model_cli")
    flat = [str(part) for pair in arguments.items() for part in pair]
    subprocess.run([command, "run", *flat], check=True, capture_output=True)
    found = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(found, scores_of(model, clips), atol=1e-5)


def test_operations_are_standard(published):
    _, folder = published
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((folder / "saved_model.pb").read_bytes())
    (meta_graph,) = message.meta_graphs
    functions = meta_graph.graph_def.library.function
    nodes = [*meta_graph.graph_def.node, *(n for f in functions for n in f.node_def)]
    operations = {node.op for node in nodes}
    assert {"Conv3D", "DecodeJpeg", "ScaleAndTranslate", "MatMul"} <= operations
    assert not [name for name in operations if "PyFunc" in name or "Xla" in name]
    assert not {name for name in operations if "BatchNorm" in name or "Rsqrt" in name}
    known = {*tf.raw_ops.__dict__}
    internal = {name for name in operations if name not in known}
    assert internal <= {"StatefulPartitionedCall", "PartitionedCall"}
    # One network for all signatures.
    convolutions = [node for node in nodes if node.op == "Conv3D"]
    assert len(convolutions) == 53


def test_folder(published):
    _, folder = published
    assert folder.name == "1"
    assert (folder / "assets" / "labels.txt").read_text() == "".join(
        f"{name}\n" for name in NAMES
    )
    loaded = tf.saved_model.load(str(folder))
    assert Path(loaded.labels.asset_path.numpy().decode()).name == "labels.txt"
    assert {*loaded.signatures} == SIGNATURES
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("assets", "assets.extra", "fingerprint.pb", "saved_model.pb", "variables")
    }


def test_signatures_are_open_where_they_can_be(published):
    _, folder = published
    clip = (4, 32, 32, 3)
    expected = {
        "serving_default": ("clips", (None, *clip), tf.uint8),
        "views": ("views", (None, None, *clip), tf.uint8),
        "encoded_clips": ("frames", (None, 4), tf.string),
        "encoded_views": ("frames", (None, None, 4), tf.string),
    }
    for name in ("encoded_clips", "encoded_views"):
        expected[f"{name}_with_status"] = expected[name]
    for signature, function in load(folder).items():
        _, inputs = function.structured_input_signature
        name, shape, dtype = expected[signature]
        assert inputs == {name: tf.TensorSpec(shape, dtype, name)}


@pytest.mark.parametrize("block", [{}, {"mode": "dot_product"}, {"scope": "time"}])
def test_clips_of_any_size(block, tmp_path):
    model = small_network(input_shape=(None, None, None, 3), pool_size=1, **block)
    served = load(export_saved_model(model, tmp_path, short_side=36))
    for shape in ((2, 3, 32, 32, 3), (1, 6, 40, 52, 3)):
        clips = random_clips(*shape)
        scores = served["serving_default"](clips=clips)["scores"]
        np.testing.assert_allclose(scores, scores_of(model, clips), atol=1e-5)
    encoded = pictures(2, 5, 36, 44, 3)
    whole = Framing(36, None)
    clips = np.stack([read_with_the_package(clip, whole)[0] for clip in encoded])
    assert clips.shape == (2, 5, 36, 44, 3)
    scores = served["encoded_clips"](frames=encoded.tolist())["scores"]
    np.testing.assert_allclose(scores, scores_of(model, clips), atol=1e-5)


@pytest.mark.slow
def test_published_network_for_clips_of_any_size(tmp_path):
    """Sizes that are not known choose the route by chunks, a loop in the graph."""
    model = published_network(input_shape=(None, None, None, 3))
    served = load(export_saved_model(model, tmp_path, crop_size=48))
    for shape in ((2, 4, 32, 32, 3), (1, 8, 64, 96, 3)):
        clips = random_clips(*shape)
        scores = served["serving_default"](clips=clips)["scores"]
        np.testing.assert_allclose(scores, scores_of(model, clips), atol=1e-5)


def test_three_crops_are_averaged(tmp_path):
    model = small_network()
    folder = export_saved_model(model, tmp_path, short_side=32, num_crops=3)
    encoded = pictures(4, 32, 70, 3)
    crops = read_with_the_package(
        encoded, Framing(32, (32, 32), ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0)))
    )
    served = load(folder)
    one = served["encoded_clips"](frames=[encoded.tolist()])["scores"]
    np.testing.assert_allclose(one[0], scores_of(model, crops).mean(0), atol=1e-5)
    several = served["encoded_views"](frames=[[encoded.tolist()] * 2])["scores"]
    np.testing.assert_allclose(several, one, atol=1e-6)


def test_preprocessing_belongs_to_the_model(tmp_path):
    own = small_network(has_preprocessing=True)
    without = small_network()
    without.set_weights(own.get_weights())
    clips = random_clips(2, 4, 32, 32, 3)
    expected = scores_of(without, clips)
    for number, (model, arguments, scores) in enumerate(
        (
            (own, {}, expected),
            (without, {}, expected),
            (
                without,
                {"preprocessing": lambda x: keras.ops.cast(x, "float32") / 255},
                without(clips / np.float32(255), training=False),
            ),
        ),
        start=1,
    ):
        folder = export_saved_model(model, tmp_path, **arguments)
        assert folder.name == str(number)
        found = load(folder)["serving_default"](clips=clips)["scores"]
        np.testing.assert_allclose(found, scores, atol=1e-5)


def test_activation_comes_before_the_mean(tmp_path):
    model = small_network(activation=None)
    folder = export_saved_model(model, tmp_path, activation="softmax")
    views = random_clips(1, 3, 4, 32, 32, 3)
    logits = scores_of(model, views[0]).astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = load(folder)["views"](views=views)["scores"]
    np.testing.assert_allclose(found[0], softmax.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("own", ["softmax", "sigmoid"])
@pytest.mark.parametrize("export", [export_saved_model, export_model])
def test_scores_get_no_second_activation(own, export, tmp_path):
    model = small_network(activation=own)
    for activation in ("softmax", keras.activations.relu):
        with pytest.raises(ValueError, match=f"`activation` .* that ends in a {own}$"):
            export(model, tmp_path / "out", activation=activation)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fold_batch_norm", [True, False])
def test_folding_can_be_left_out(fold_batch_norm, tmp_path):
    model = small_network()
    folder = export_saved_model(model, tmp_path, fold_batch_norm=fold_batch_norm)
    num_variables = len(tf.saved_model.load(str(folder)).model_variables)
    assert num_variables == len(model.weights) - (7 if fold_batch_norm else 0)
    clips = random_clips(2, 4, 32, 32, 3)
    found = load(folder)["serving_default"](clips=clips)["scores"]
    np.testing.assert_allclose(found, scores_of(model, clips), atol=1e-5)


def test_channels_first(tmp_path):
    """The network itself needs a GPU; what stands in for it has no convolution."""
    keras.config.set_image_data_format("channels_first")
    try:
        inputs = keras.Input((3, 4, 8, 8))
        x = keras.layers.Permute((2, 3, 4, 1))(inputs)
        x = keras.layers.Flatten()(x)
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
        folder = export_saved_model(model, tmp_path)
        clips = random_clips(2, 4, 8, 8, 3)
        expected = model(preprocess_input(clips.transpose(0, 4, 1, 2, 3)))
        found = load(folder)["serving_default"](clips=clips)["scores"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_mixed_precision_answers_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_network()
    finally:
        keras.config.set_dtype_policy("float32")
    clips = random_clips(2, 4, 32, 32, 3)
    folder = export_saved_model(model, tmp_path)
    found = load(folder)["serving_default"](clips=clips)["scores"]
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, scores_of(model, clips), atol=2e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_names": ["a"]}, "name the 3 classes .* Received: class_names with 1"),
        ({"top": 0}, "Received: top=0"),
        ({"version": 0}, "Received: version=0"),
        ({"crop_size": 24}, "Received: crop_size=24 for clips of height × width"),
        ({"short_side": 30}, "not smaller than the crop .* Received: short_side=30"),
        ({"num_crops": 2}, "Received: num_crops=2"),
        ({"format": "h5"}, "Received: format='h5'"),
        ({"directory": "gs://bucket/model"}, "local path; .* Received: directory='gs:"),
    ],
)
def test_wrong_values(arguments, message, tmp_path):
    model = small_network()
    with pytest.raises(ValueError, match=message):
        export_saved_model(model, **{"directory": tmp_path} | arguments)
    assert not [*tmp_path.iterdir()]


def test_open_sizes_need_a_crop_or_a_short_side(tmp_path):
    model = small_network(input_shape=(4, None, None, 3))
    message = (
        r"`crop_size` must be given for .* with open height or width, or `short_side` "
        r"alone .* Received: crop_size=None, short_side=None, .* \(None, None\)$"
    )
    with pytest.raises(ValueError, match=message):
        export_saved_model(model, tmp_path)
    folder = export_saved_model(model, tmp_path, crop_size=(32, 40))
    spec = load(folder)["encoded_clips"].structured_input_signature[1]["frames"]
    assert spec.shape == (None, 4)


@pytest.mark.parametrize(
    ("input_shape", "outputs", "message"),
    [
        ((32, 32, 3), 1, r"one input, .* with the input shape \(None, 32, 32, 3\)"),
        ((4, 8, 8, 1), 1, "one input"),
        ((4, 8, 8, 3), 2, "one output"),
    ],
)
def test_models_that_do_not_take_clips(input_shape, outputs, message, tmp_path):
    inputs = keras.Input(input_shape)
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, [scores] * outputs if outputs > 1 else scores)
    with pytest.raises(ValueError, match=message):
        export_saved_model(model, tmp_path)


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
def test_other_backends_are_refused(format, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="Received: backend='jax'"):
        export_model(small_network(), tmp_path, format)
    assert not [*tmp_path.iterdir()]
