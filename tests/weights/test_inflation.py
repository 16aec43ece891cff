import keras
import numpy as np
import pytest

from keras_nonlocal import (
    NLResNet,
    NLResNet50,
    NLResNet50C2D,
    NLResNet101,
    NLResNet101C2D,
)
from keras_nonlocal.weights import inflate, load_imagenet
from tests.weights.released_names import randomize

FRAMES_AT_THE_BORDERS = 10  # of res5, that see the zero padding of an I3D clip


@pytest.fixture(scope="module")
def image_model():
    """`keras.applications.ResNet50` whose every weight matters."""
    model = keras.applications.ResNet50(
        weights=None, input_shape=(32, 32, 3), classifier_activation=None
    )
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name == "moving_variance":
            # So small that the difference of the two epsilons adds up to more than
            # the tolerance.
            variable.assign(1e-4 * rng.uniform(0.5, 2.0, variable.shape))
        elif variable.name == "gamma":
            size = 0.001 if "_3_bn" in variable.path else 0.003
            variable.assign(rng.normal(0.0, size, variable.shape))
        elif variable.name != "kernel":
            variable.assign(rng.normal(0.0, 0.05, variable.shape))
    return model


def relative_difference(value, reference):
    return np.abs(value - reference).max() / np.abs(reference).max()


def video_network(variant, num_frames, **options):
    return NLResNet(
        50,
        variant,
        input_shape=(num_frames, 32, 32, 3),
        classes=1000,
        classifier_activation=None,
        stride_in_1x1=True,
        **options,
    )


def repeated(image, num_frames):
    return np.repeat(image[:, np.newaxis], num_frames, axis=1)


def test_c2d_gives_the_scores_of_the_image_network(image_model):
    video_model = video_network("c2d", 4)
    report = inflate(image_model, video_model)
    assert len(report.loaded) == 267
    assert all("_nl/" in name for name in report.left)
    assert len(report.left) == 5 * 12
    image = np.random.default_rng(1).normal(size=(2, 32, 32, 3))
    expected = image_model.predict_on_batch(image)
    logits = video_model.predict_on_batch(repeated(image, 4))
    assert relative_difference(logits, expected) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["i3d", "i3d_3x3x3"])
def test_i3d_gives_the_features_away_from_the_padding(image_model, variant):
    num_frames = 4 * FRAMES_AT_THE_BORDERS + 2
    video_model = video_network(variant, num_frames, nonlocal_blocks=0)
    inflate(image_model, video_model)
    image = np.random.default_rng(2).normal(size=(1, 32, 32, 3))
    image_features = keras.Model(
        image_model.input, image_model.get_layer("conv5_block3_out").output
    ).predict_on_batch(image)
    features = keras.Model(
        video_model.input, video_model.get_layer("conv5_block3_out").output
    ).predict_on_batch(repeated(image, num_frames))
    inner = features[:, FRAMES_AT_THE_BORDERS:-FRAMES_AT_THE_BORDERS]
    assert inner.shape[1] == 1
    image_features = image_features[:, np.newaxis]
    difference = relative_difference(inner, image_features)
    assert difference < 1e-4
    # The borders see the padding, so the middle is the right place to look.
    assert relative_difference(features[:, :1], image_features) > 10 * difference


def test_other_geometries_are_refused(image_model, small_network):
    with pytest.raises(ValueError, match=r"`conv3_block1_1_conv` has the strides \(2"):
        inflate(image_model, small_network())
    unpadded = small_network(stride_in_1x1=True, stem_pool_padding="valid")
    with pytest.raises(ValueError, match="pool1 is padded in one"):
        inflate(image_model, unpadded)
    narrow = small_network(stride_in_1x1=True)
    before = keras.ops.convert_to_numpy(narrow.get_layer("conv1_conv").kernel)
    with pytest.raises(
        ValueError, match=r"conv1_conv/kernel has the shape \(7, 7, 3, 64\) .*and \(5,"
    ):
        inflate(image_model, narrow)
    with pytest.raises(ValueError, match="shape"):
        inflate(image_model, narrow, strict=False)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(narrow.get_layer("conv1_conv").kernel), before
    )


def test_another_depth_is_refused(image_model):
    deeper = keras.applications.ResNet101(weights=None, include_top=False)
    with pytest.raises(ValueError, match="conv4_block7_1_conv is not in the video"):
        inflate(deeper, video_network("c2d", 4, nonlocal_blocks=0))


def test_the_classifier_may_stay_with_strict_false(image_model):
    video_model = NLResNet(
        50,
        "c2d",
        input_shape=(4, 32, 32, 3),
        classes=5,
        stride_in_1x1=True,
        nonlocal_blocks=0,
    )
    with pytest.raises(ValueError, match=r"predictions/bias has the shape \(1000,\)"):
        inflate(image_model, video_model)
    report = inflate(image_model, video_model, strict=False)
    assert report.left == ("predictions/kernel", "predictions/bias")


def test_video_to_video_copies_everything(small_network):
    source, target = small_network(), small_network(copy=1)
    randomize(source, seed=5)
    report = inflate(source, target)
    assert report.left == ()
    for own, expected in zip(target.weights, source.weights, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(own),
            keras.ops.convert_to_numpy(expected),
            rtol=1e-6,
        )


OWN_NETWORKS = [
    (NLResNet50, NLResNet50C2D),
    pytest.param(NLResNet101, NLResNet101C2D, marks=pytest.mark.slow),
]


def own_image_network(builder, seed=3, **options):
    model = builder(
        input_shape=(64, 64, 3),
        classes=6,
        classifier_activation=None,
        width=4,
        **options,
    )
    randomize(model, seed)
    return model


@pytest.mark.parametrize(("image_builder", "video_builder"), OWN_NETWORKS)
def test_own_non_local_image_networks_are_inflated_with_their_blocks(
    image_builder, video_builder
):
    image_model = own_image_network(image_builder, nonlocal_blocks=5)
    video_model = video_builder(
        input_shape=(4, 64, 64, 3), classes=6, classifier_activation=None, width=4
    )
    report = inflate(image_model, video_model)
    assert report.left == ()
    assert sum("_nl/" in name for name in report.loaded) == 5 * 12
    image = 30 * np.random.default_rng(4).normal(size=(2, 64, 64, 3))
    # Averages over the keys of all frames are those over the keys of one.
    logits = video_model.predict_on_batch(repeated(image, 4))
    expected = image_model.predict_on_batch(image)
    assert relative_difference(logits, expected) < 1e-5
    assert relative_difference(expected[0], expected[1]) > 1e-2


def test_images_to_images_copies_what_both_have():
    source = own_image_network(NLResNet50, nonlocal_blocks=0)
    target = own_image_network(NLResNet50, seed=9, nonlocal_blocks=1)
    report = inflate(source, target)
    assert {name.partition("/")[0] for name in report.left} == {"conv4_block5_nl"}
    target.get_layer("conv4_block5_nl").norm.gamma.assign(np.zeros(64))
    target.get_layer("conv4_block5_nl").norm.beta.assign(np.zeros(64))
    images = np.random.default_rng(5).normal(size=(2, 64, 64, 3))
    logits = target.predict_on_batch(images)
    assert relative_difference(logits, source.predict_on_batch(images)) < 1e-5
    # Blocks that only the image network has would be lost.
    with pytest.raises(ValueError, match="conv4_block5_nl is not in the video model"):
        inflate(target, source)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [101, 152])
def test_deeper_networks_of_keras_applications(depth):
    image_model = getattr(keras.applications, f"ResNet{depth}")(
        weights=None, input_shape=(32, 32, 3), classifier_activation=None
    )
    rng = np.random.default_rng(depth)
    for variable in image_model.weights:
        if variable.name == "gamma" and "_3_bn" in variable.path:
            variable.assign(rng.normal(0.0, 0.1, variable.shape))
        elif variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(rng.normal(0.0, 0.05, variable.shape))
    video_model = NLResNet(
        depth,
        "c2d",
        input_shape=(4, 32, 32, 3),
        classes=1000,
        classifier_activation=None,
        stride_in_1x1=True,
    )
    inflate(image_model, video_model)
    image = rng.normal(size=(1, 32, 32, 3))
    logits = video_model.predict_on_batch(repeated(image, 4))
    expected = image_model.predict_on_batch(image)
    assert relative_difference(logits, expected) < 1e-4


def test_load_imagenet_takes_the_network_of_the_same_depth(monkeypatch, image_model):
    asked = []

    def resnet50(**options):
        asked.append(options)
        return image_model

    monkeypatch.setattr(keras.applications, "ResNet50", resnet50)
    video_model = video_network("c2d", 4, nonlocal_blocks=0)
    report = load_imagenet(video_model)
    assert asked == [{"include_top": True, "weights": "imagenet"}]
    assert report.left == ()
    with pytest.raises(ValueError, match=r"depth 50, 101 or 152.*0 blocks in res4"):
        load_imagenet(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
