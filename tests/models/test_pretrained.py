"""`weights=` of the builders, from the address to the scores."""

import dataclasses
import io
import pickle

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import NLResNet, NLResNet50, NLResNet50C2D, NLResNet50I3D
from keras_nonlocal.models import pretrained
from keras_nonlocal.weights import (
    KERAS_IMAGENET_NORMALIZATION,
    KINETICS_NORMALIZATION,
    PRESETS,
    TORCH_IMAGENET_NORMALIZATION,
    CheckpointError,
    DownloadError,
    LicenseNotice,
)
from keras_nonlocal.weights.stored_model import StoredModel, stored_model
from tests.models.test_video import evaluate
from tests.weights import released_names as names
from tests.weights.loopback_site import LoopbackSite

CLIP = (4, 32, 32, 3)
CAFFE2_I3D = "caffe2_i3d_nonlocal_8x8_in_pretrain_400k"
MMACTION2_C2D = "mmaction2_c2d_8x8_r50"


@pytest.fixture(autouse=True)
def quiet():
    keras.utils.disable_interactive_logging()
    yield
    keras.utils.enable_interactive_logging()


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A web server in the place of all others, and a cache of its own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    site = LoopbackSite()
    yield site
    site.close()


@pytest.fixture
def serve(site, monkeypatch):
    """Serves bytes as the file of a preset, of a narrow network."""

    def put(name, content, width=2):
        site.pages[f"/{name}"] = (200, len(content), content)
        row = dataclasses.replace(
            PRESETS[name],
            url=f"{site.address}/{name}",
            sha256=None,
            architecture={**PRESETS[name].architecture, "width": width},
        )
        monkeypatch.setitem(PRESETS, name, row)

    return put


def caffe2_bytes(model):
    blobs = names.with_momenta(names.named_arrays(model, names.caffe2_key))
    return pickle.dumps({"blobs": blobs}, 2)


@pytest.fixture(scope="module")
def released():
    """A narrow network of the released layout."""
    model = NLResNet50I3D(input_shape=CLIP, width=2, stem_pool_padding="valid")
    names.randomize(model, seed=1)
    return model


def narrow_i3d(**options):
    options = {"weights": "kinetics400", "input_shape": CLIP, "width": 2} | options
    return NLResNet50I3D(**options)


def assert_same_weights(model, expected, *, but=()):
    for layer in expected.layers:
        if layer.name not in but:
            for own, value in zip(
                model.get_layer(layer.name).weights, layer.weights, strict=True
            ):
                np.testing.assert_allclose(
                    keras.ops.convert_to_numpy(own),
                    keras.ops.convert_to_numpy(value),
                    rtol=1e-6,
                )


def clips(seed=2, scale=1.0):
    return scale * np.random.default_rng(seed).uniform(size=(2, *CLIP))


def test_kinetics400_gives_the_released_network(site, serve, released):
    serve(CAFFE2_I3D, caffe2_bytes(released))
    with pytest.warns(LicenseNotice, match="CC-BY-NC"):
        model = narrow_i3d()
    assert site.requests == [f"/{CAFFE2_I3D}"]
    assert_same_weights(model, released)
    # pool1 without padding, though the argument's own default is to pad it.
    assert "pool1_pad" not in {layer.name for layer in model.layers}
    np.testing.assert_allclose(
        evaluate(model, clips()), evaluate(released, clips()), rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore::keras_nonlocal.weights.LicenseNotice")
def test_a_preset_by_name_and_a_spelled_out_placement(serve, released):
    serve(CAFFE2_I3D, caffe2_bytes(released))
    model = narrow_i3d(
        weights=CAFFE2_I3D,
        nonlocal_blocks={"res4": [1, 3, 5], "res3": (1, 3)},
        stem_pool_padding="valid",
    )
    assert_same_weights(model, released)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stem_pool_padding": "same"}, "`stem_pool_padding` must be 'valid' for the"),
        ({"stride_in_1x1": True}, "`stride_in_1x1` must be False for the given"),
        ({"nonlocal_mode": "gaussian"}, "`nonlocal_mode` must be 'embedded_gaussian'"),
        ({"nonlocal_blocks": 10}, "was not released for this network"),
        ({"nonlocal_blocks": {"res3": (0,)}}, "must be a placement that weights were"),
        ({"stem_temporal_strides": (2, 1)}, "was not released for this network"),
        ({"temporal_pool": False}, "was not released for this network"),
        ({"weights": MMACTION2_C2D}, "was not released for this network"),
    ],
)
def test_a_contradiction_is_found_before_any_download(
    site, serve, released, options, message
):
    serve(CAFFE2_I3D, b"never asked for")
    with pytest.raises(ValueError, match=message):
        narrow_i3d(**options)
    assert site.requests == []


@pytest.mark.filterwarnings("ignore::keras_nonlocal.weights.LicenseNotice")
def test_another_number_of_classes_leaves_the_classifier_alone(serve, released):
    serve(CAFFE2_I3D, caffe2_bytes(released))
    model = narrow_i3d(classes=7)
    assert model.output_shape == (None, 7)
    assert_same_weights(model, released, but=("predictions",))
    bias = keras.ops.convert_to_numpy(model.get_layer("predictions").bias)
    np.testing.assert_array_equal(bias, np.zeros(7))
    features = narrow_i3d(include_top=False)
    assert_same_weights(features, released, but=("avg_pool", "dropout", "predictions"))
    with pytest.raises(ValueError, match=r"`width` must be 2 .* Received: width=4"):
        narrow_i3d(classes=7, width=4)


@pytest.mark.filterwarnings("ignore::keras_nonlocal.weights.LicenseNotice")
def test_preprocessing_is_that_of_the_preset(serve):
    source = keras_nonlocal.ResNet50C2D(
        input_shape=CLIP, width=2, stem_pool_padding="valid"
    )
    names.randomize(source, seed=3)
    file = io.BytesIO()
    np.savez(file, **names.named_arrays(source, names.mmaction2_key))
    serve(MMACTION2_C2D, file.getvalue())
    model = keras_nonlocal.ResNet50C2D(
        weights=MMACTION2_C2D, input_shape=CLIP, width=2, include_preprocessing=True
    )
    pixels = clips(scale=255.0)
    mean, std = TORCH_IMAGENET_NORMALIZATION.mean, TORCH_IMAGENET_NORMALIZATION.std
    expected = evaluate(source, (pixels - np.array(mean)) / np.array(std))
    np.testing.assert_allclose(evaluate(model, pixels), expected, rtol=1e-4)


@pytest.fixture
def imagenet(monkeypatch):
    """A narrow stand-in for `keras.applications.ResNet50`."""
    networks = {}

    def resnet50(include_top, weights):
        assert weights == "imagenet"
        if include_top not in networks:
            networks[include_top] = NLResNet50(
                include_top=include_top,
                input_shape=(32, 32, 3),
                nonlocal_blocks=0,
                stride_in_1x1=True,
                width=2,
            )
            names.randomize(networks[include_top], seed=4)
        return networks[include_top]

    monkeypatch.setattr(keras.applications, "ResNet50", resnet50)
    monkeypatch.setattr(pretrained, "RELEASED_WIDTH", 2)
    return networks


def test_imagenet_into_clips(imagenet):
    model = NLResNet50C2D(
        weights="imagenet",
        input_shape=CLIP,
        classes=1000,
        width=2,
        include_preprocessing=True,
    )
    pixels = np.random.default_rng(5).uniform(0, 255, (2, 32, 32, 3))
    mean = np.array(KERAS_IMAGENET_NORMALIZATION.mean)
    expected = evaluate(imagenet[True], pixels[..., ::-1] - mean)
    scores = evaluate(model, np.repeat(pixels[:, np.newaxis], 4, axis=1))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)


def test_imagenet_with_the_classes_of_the_clips(imagenet):
    model = NLResNet50I3D(weights="imagenet", input_shape=CLIP, width=2)
    assert model.output_shape == (None, 400)
    assert list(imagenet) == [False]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model.get_layer("conv1_conv").kernel).sum(0),
        keras.ops.convert_to_numpy(imagenet[False].get_layer("conv1_conv").kernel),
        rtol=1e-5,
    )
    with pytest.raises(ValueError, match="`stride_in_1x1` must be True for the given"):
        NLResNet50I3D(weights="imagenet", width=2, stride_in_1x1=False)
    with pytest.raises(ValueError, match="`stem_pool_padding` must be 'same'"):
        NLResNet50I3D(weights="imagenet", width=2, stem_pool_padding="valid")


def test_imagenet_into_images(imagenet):
    model = NLResNet50(weights="imagenet", input_shape=(32, 32, 3), width=2)
    images = np.random.default_rng(6).normal(size=(2, 32, 32, 3))
    np.testing.assert_allclose(
        evaluate(model, images), evaluate(imagenet[True], images), rtol=1e-4, atol=1e-7
    )


def test_a_local_file(released, tmp_path):
    path = tmp_path / "released.pkl"
    path.write_bytes(caffe2_bytes(released))
    assert_same_weights(
        NLResNet(50, "i3d", weights=path, input_shape=CLIP, width=2), released
    )
    with pytest.raises(CheckpointError, match=r"Misshaped \(2\): pred_w"):
        narrow_i3d(weights=path, classes=7)
    with pytest.raises(ValueError, match=r"existing file or a name in `keras_nonlocal"):
        narrow_i3d(weights=tmp_path / "absent.pkl")


@pytest.mark.parametrize("weights", ["kinetics400", CAFFE2_I3D, "imagenet"])
def test_another_width_is_refused_before_the_download(site, weights):
    message = rf"`width` must be 64 for the weights '{weights}'. Received: width=16"
    with pytest.raises(ValueError, match=message):
        NLResNet50I3D(weights=weights, width=16)
    if weights == "imagenet":
        with pytest.raises(ValueError, match=message):
            NLResNet50(weights=weights, width=16)
    assert site.requests == []


def test_imagenet_without_a_network(monkeypatch):
    def resnet50(include_top, weights):
        raise Exception("URL fetch failure on https://example.com: None -- no route")

    monkeypatch.setattr(keras.applications, "ResNet50", resnet50)
    with pytest.raises(DownloadError, match=r"ImageNet .* failed: URL .* no route$"):
        NLResNet50C2D(weights="imagenet", input_shape=CLIP)


def save(path, model, key_of, **options):
    np.savez(path, **names.named_arrays(model, key_of, **options))
    return str(path)


@pytest.mark.parametrize(
    ("key_of", "padding", "normalization"),
    [
        (names.caffe2_key, "valid", KINETICS_NORMALIZATION),
        (names.resnet3d_key, "valid", KINETICS_NORMALIZATION),
        (names.mmaction2_key, "valid", TORCH_IMAGENET_NORMALIZATION),
        (names.pyslowfast_key, "same", KINETICS_NORMALIZATION),
        (names.pytorchvideo_key, "same", KINETICS_NORMALIZATION),
        (names.gluoncv_key, "same", TORCH_IMAGENET_NORMALIZATION),
    ],
)
def test_a_local_file_implies_its_network(tmp_path, key_of, padding, normalization):
    strides = {names.resnet3d_key: (2, 2), names.gluoncv_key: (4, 1)}.get(key_of)
    options = {"input_shape": (8, 32, 32, 3), "width": 2, "classes": 3}
    if strides is not None:
        options["stem_temporal_strides"] = strides
    source = keras_nonlocal.ResNet50C2D(stem_pool_padding=padding, **options)
    names.randomize(source, seed=11)
    path = save(tmp_path / "a.npz", source, key_of)
    model = keras_nonlocal.ResNet50C2D(
        weights=path, include_preprocessing=True, **options
    )
    pixels = np.random.default_rng(8).uniform(0, 255, (2, 8, 32, 32, 3))
    mean, std = np.array(normalization.mean), np.array(normalization.std)
    expected = evaluate(source, (pixels - mean) / std)
    np.testing.assert_allclose(evaluate(model, pixels), expected, rtol=1e-4)
    assert model.clip_info.normalization == normalization
    other = {"same": "valid", "valid": "same"}[padding]
    message = f"`stem_pool_padding` must be '{padding}' .* Received: .*'{other}'"
    with pytest.raises(ValueError, match=message):
        keras_nonlocal.ResNet50C2D(weights=path, stem_pool_padding=other, **options)
    if strides is not None:
        options["stem_temporal_strides"] = (1, 1)
        with pytest.raises(ValueError, match=r"Received: stem_temporal_strides=\(1, 1"):
            keras_nonlocal.ResNet50C2D(weights=path, **options)


def test_a_local_file_of_images(tmp_path):
    source = NLResNet50(nonlocal_blocks=0, input_shape=(32, 32, 3), width=2, classes=3)
    names.randomize(source, seed=12)
    path = save(tmp_path / "a.npz", source, names.torchvision_key)
    model = keras_nonlocal.ResNet50C2D(
        weights=path,
        input_shape=CLIP,
        width=2,
        classes=3,
        include_preprocessing=True,
    )
    images = np.random.default_rng(8).uniform(0, 255, (2, 32, 32, 3))
    mean = np.array(TORCH_IMAGENET_NORMALIZATION.mean)
    std = np.array(TORCH_IMAGENET_NORMALIZATION.std)
    expected = evaluate(source, (images - mean) / std)
    scores = evaluate(model, np.repeat(images[:, np.newaxis], 4, axis=1))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)


def test_local_files_of_long_clip_networks(tmp_path):
    options = {"input_shape": (8, 32, 32, 3), "width": 2, "classes": 3}
    source = NLResNet50I3D(
        stem_pool_padding="valid",
        nonlocal_temporal_group_size={"res3": 4},
        normalization="frozen_batch",
        **options,
    )
    names.randomize(source, seed=13)
    arrays = {
        key: value
        for key, value in names.named_arrays(source, names.caffe2_key).items()
        if not key.endswith(("_rm", "_riv"))
    }
    np.savez(tmp_path / "a.npz", **arrays)
    model = NLResNet50I3D(weights=str(tmp_path / "a.npz"), **options)
    groups = {
        layer.name: layer.temporal_group_size
        for layer in model.layers
        if layer.name.endswith("_nl")
    }
    assert groups == {
        f"conv{stage}_block{block}_nl": 4 if stage == 3 else None
        for stage, blocks in ((3, (2, 4)), (4, (2, 4, 6)))
        for block in blocks
    }


def test_files_of_mmaction2s_i3d_pad_pool1(tmp_path):
    options = {"input_shape": CLIP, "width": 2, "classes": 3}
    source = keras_nonlocal.ResNet50I3D(**options)
    names.randomize(source, seed=14)
    path = save(tmp_path / "a.npz", source, names.mmaction2_key)
    model = keras_nonlocal.ResNet50I3D(weights=path, **options)
    assert "pool1_pad" in {layer.name for layer in model.layers}


def test_gluoncvs_blocks_do_not_pool(tmp_path):
    options = {
        "input_shape": (8, 32, 32, 3),
        "width": 2,
        "classes": 3,
        "stem_temporal_strides": (4, 1),
    }
    source = NLResNet50I3D(nonlocal_pool_size=None, **options)
    names.randomize(source, seed=15)
    path = save(tmp_path / "a.npz", source, names.gluoncv_key)
    with pytest.raises(ValueError, match=r"must be None .* nonlocal_pool_size=\(1, 2"):
        NLResNet50I3D(weights=path, **options)
    model = NLResNet50I3D(weights=path, nonlocal_pool_size=None, **options)
    assert_same_weights(model, source)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::keras_nonlocal.weights.LicenseNotice")
def test_kinetics400_at_full_width(serve):
    source = NLResNet50I3D(stem_pool_padding="valid")
    names.randomize(source, seed=7)
    serve(CAFFE2_I3D, caffe2_bytes(source), width=64)
    assert_same_weights(NLResNet50I3D(weights="kinetics400"), source)


def test_a_keras_file_implies_its_network(tmp_path):
    options = {"input_shape": (8, 32, 32, 3), "width": 2, "classes": 3}
    source = keras_nonlocal.NLResNet50C2D(
        stride_in_1x1=True,
        stem_pool_padding="valid",
        nonlocal_mode="dot_product",
        **options,
    )
    names.randomize(source, seed=13)
    source.clip_info = keras_nonlocal.models.ClipInfo(
        normalization=TORCH_IMAGENET_NORMALIZATION
    )
    path = tmp_path / "source.keras"
    source.save(path)
    for other, message in (
        ({}, "`nonlocal_mode` must be 'dot_product' .*nonlocal_mode='embedded"),
        ({"stride_in_1x1": False}, "`stride_in_1x1` must be True .*=False"),
        ({"stem_pool_padding": "same"}, "`stem_pool_padding` must be 'valid' .*'same'"),
        ({"stem_temporal_strides": (2, 2)}, r"must be \(1, 1\) .*=\(2, 2\)"),
        ({"temporal_pool": False}, "`temporal_pool` must be True .*=False"),
        (
            {"nonlocal_mode": "dot_product", "nonlocal_scope": "space"},
            "same arguments.*scope='spacetime' in .*_nl', which has 'space' here",
        ),
        (
            {"nonlocal_mode": "dot_product", "nonlocal_pool_size": (2, 2, 2)},
            r"pool_size=\[1, 2, 2\] in .*_nl', which has \[2, 2, 2\] here",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            keras_nonlocal.NLResNet50C2D(weights=path, **options, **other)
    model = keras_nonlocal.NLResNet50C2D(
        weights=path,
        nonlocal_mode="dot_product",
        include_preprocessing=True,
        **options,
    )
    assert model.clip_info.normalization == TORCH_IMAGENET_NORMALIZATION
    pixels = np.random.default_rng(8).uniform(0, 255, (1, 8, 32, 32, 3))
    mean = np.array(TORCH_IMAGENET_NORMALIZATION.mean)
    std = np.array(TORCH_IMAGENET_NORMALIZATION.std)
    expected = evaluate(source, (pixels - mean) / std)
    np.testing.assert_allclose(evaluate(model, pixels), expected, rtol=1e-4)
    model.save(tmp_path / "with_pixels.keras")
    again = keras_nonlocal.NLResNet50C2D(
        weights=tmp_path / "with_pixels.keras",
        nonlocal_mode="dot_product",
        **options,
    )
    assert again.clip_info.normalization == TORCH_IMAGENET_NORMALIZATION


@pytest.mark.parametrize(
    "config",
    [
        *(None, "", "[" * 99_999, "[]", "{}", "\ud800", 7),
        '{"config": {"layers": [{}]}}',
        '{"config": {"layers": [], "clip_info": {"config": {"normalization": 3}}}}',
        '{"config": {"layers": [{"class_name": 1, "config": {"name": []}}]}}',
    ],
)
def test_unusual_configurations_imply_nothing(config):
    found = stored_model({} if config is None else {"config": config})
    assert found == StoredModel()
