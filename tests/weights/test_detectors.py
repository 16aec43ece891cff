"""Files of whole detectors by other projects."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.detection.settings import HeadSettings
from keras_nonlocal.weights import CheckpointError, load_checkpoint
from keras_nonlocal.weights.coco_categories import COCO_CATEGORY_IDS, COCO_CLASS_NAMES
from tests.detection.detectors import small_recipe
from tests.weights.detector_files import network_arrays, write_detector

PROJECTS = (
    "detectron",
    "detectron2",
    "torchvision",
    "torchvision_2019",
    "mmdetection",
)
CLASSES, WIDTH = 3, 4
CHANNELS, UNITS, MASK_CHANNELS = SIZES = (4, 6, 5)


def detector(classes=CLASSES, weights=None, nonlocal_blocks=0, recipe="paper"):
    recipe = replace(
        small_recipe(recipe), heads=HeadSettings(CHANNELS, UNITS, MASK_CHANNELS, 1)
    )
    return keras_nonlocal.NLMaskRCNN50(
        classes,
        weights,
        (64, 64, 3),
        width=WIDTH,
        nonlocal_blocks=nonlocal_blocks,
        recipe=recipe,
    )


def values(model, name):
    layer, role = name.split("/")
    owner = next(
        item
        for part in (model.pyramid, model.rpn_head, model.box_head, model.mask_head)
        for item in part.layers
        if item.name == layer
    )
    return keras.ops.convert_to_numpy(getattr(owner, role))


@pytest.mark.parametrize("project", PROJECTS)
def test_every_key_is_used_and_every_layout_converted(project, tmp_path, rng):
    arrays = network_arrays(rng, CLASSES, SIZES)
    path, state = write_detector(tmp_path, project, arrays, rng)
    model = detector()
    report = load_checkpoint(model, path)
    assert report.naming == project.removesuffix("_2019")
    assert report.left == report.skipped == ()
    unused = {"pixel_mean", "pixel_std", "lr", "conv1_b", "fc1000_w", "fc1000_b"}
    momenta = {key for key in state if key.endswith("_momentum")}
    assert {*report.training_state} == momenta | ({*state} & unused)
    # Statistics are implied where the file has scales alone: two for each norm.
    norms = sum(key[-1] == "norm" for key in arrays)
    implied = 2 * norms if project == "detectron" else 0
    assert len(report.implied) == implied
    assert len(report.loaded) == len(state) - len(report.training_state)

    # The heads, computed by the file's own layout: channels before positions.
    regions = rng.normal(size=(2, 7, 7, CHANNELS)).astype("float32")
    biases = {
        name: values(model, f"box_{name}/bias")
        for name in ("fc1", "fc2", "logits", "deltas")
    }
    hidden = regions.transpose(0, 3, 1, 2).reshape(2, -1)
    hidden = np.maximum(hidden @ arrays["fc", 1].T + biases["fc1"], 0)
    hidden = np.maximum(hidden @ arrays["fc", 2].T + biases["fc2"], 0)
    score = np.concatenate([arrays["class"], arrays["background"]])
    logits, deltas = model.box_head(regions)
    expected = hidden @ score.T + biases["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    expected = hidden @ arrays["box"].reshape(-1, UNITS).T + biases["deltas"]
    np.testing.assert_allclose(deltas, expected, atol=1e-5)

    for name, key in {
        "mask_logits": "mask",
        "mask_conv1": ("mask", 1),
        "mask_deconv": ("mask", "deconv"),
        "fpn_p2_lateral": ("lateral", 2),
        "fpn_p5_lateral": ("lateral", 5),
        "fpn_p4_conv": ("output", 4),
        "rpn_deltas": ("rpn", "deltas"),
        "conv4_block6_2_conv": ("block", 4, 5, 2, "conv"),
        "conv3_block1_0_conv": ("block", 3, 0, 0, "conv"),
    }.items():
        np.testing.assert_array_equal(
            values(model, f"{name}/kernel"), arrays[key].transpose(2, 3, 1, 0)
        )


@pytest.mark.parametrize(
    ("project", "recipe", "mean", "order", "stride_in_1x1"),
    [
        ("detectron", "paper", 102.9801, "bgr", True),
        ("detectron2", "detectron2", 103.53, "bgr", True),
        ("torchvision", "torchvision", 123.675, "rgb", False),
        ("mmdetection", "detectron2", 123.675, "rgb", False),
    ],
)
def test_a_file_implies_pixels_strides_and_recipe(
    project, recipe, mean, order, stride_in_1x1, tmp_path, rng
):
    # The sizes of the heads are those of the projects.
    arrays = network_arrays(rng, CLASSES, (256, 1024, 256), mask_convolutions=4)
    path, _ = write_detector(tmp_path, project, arrays, rng)
    model = keras_nonlocal.NLMaskRCNN50(
        CLASSES, path, (64, 64, 3), width=WIDTH, nonlocal_blocks=0
    )
    assert model.recipe.pixels.mean[0] == pytest.approx(mean)
    assert model.recipe.pixels.channel_order == order
    assert model.recipe.stride_in_1x1 is stride_in_1x1
    expected = keras_nonlocal.detection.RECIPES[recipe]
    for part in ("anchors", "proposals", "regions", "detections"):
        assert getattr(model.recipe, part) == getattr(expected, part)
    first = model.pyramid.get_layer("conv3_block1_1_conv")
    assert first.strides == ((2, 2) if stride_in_1x1 else (1, 1))


def test_norms_without_statistics_are_a_scale_and_a_bias(tmp_path, rng):
    path, state = write_detector(
        tmp_path, "detectron", network_arrays(rng, CLASSES, SIZES), rng
    )
    model = detector(weights=path)
    norm = model.pyramid.get_layer("conv4_block6_3_bn")
    x = rng.normal(size=(1, 2, 2, 16 * WIDTH)).astype("float32")
    scale, bias = (state[f"res4_5_branch2c_bn_{role}"] for role in "sb")
    np.testing.assert_allclose(norm(x, training=False), x * scale + bias, atol=1e-6)


def test_detectron2_may_leave_out_statistics_too(tmp_path, rng):
    _, state = write_detector(
        tmp_path, "detectron2", network_arrays(rng, CLASSES, SIZES), rng
    )
    np.savez(
        tmp_path / "old.npz",
        **{key: array for key, array in state.items() if "running" not in key},
    )
    report = load_checkpoint(detector(), tmp_path / "old.npz")
    assert report.left == ()
    assert len(report.implied) == sum("running" in key for key in state)


def test_pixels_that_a_detectron2_file_states_count(tmp_path, rng):
    _, state = write_detector(
        tmp_path, "detectron2", network_arrays(rng, CLASSES, SIZES), rng
    )
    state["pixel_mean"] = np.array([[[123.675]], [[116.28]], [[103.53]]])
    state["pixel_std"] = np.array([[[58.395]], [[57.12]], [[57.375]]])
    np.savez(tmp_path / "rgb.npz", **state)
    pixels = detector(weights=tmp_path / "rgb.npz").recipe.pixels
    assert pixels.channel_order == "rgb"
    assert pixels.std == pytest.approx((58.395, 57.12, 57.375))


def test_released_torchvision_files_have_no_epsilon(tmp_path, rng):
    path, state = write_detector(
        tmp_path, "torchvision_2019", network_arrays(rng, CLASSES, SIZES), rng
    )
    released = path.with_name("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")
    path.rename(released)
    variance = state["backbone.body.layer3.5.bn3.running_var"]
    norm = detector(weights=released).pyramid.get_layer("conv4_block6_3_bn")
    divided_by = keras.ops.convert_to_numpy(norm.moving_variance) + norm.epsilon
    np.testing.assert_allclose(divided_by, variance, rtol=1e-7)
    released.rename(path)
    norm = detector(weights=path).pyramid.get_layer("conv4_block6_3_bn")
    np.testing.assert_array_equal(norm.moving_variance, variance)


def test_91_numbers_of_torchvision_become_cocos_80_classes(tmp_path, rng):
    arrays = network_arrays(rng, 90, SIZES)
    path, _ = write_detector(tmp_path, "torchvision", arrays, rng)
    model = detector(80, path)
    rows = [number - 1 for number in COCO_CATEGORY_IDS]
    kernel = values(model, "box_logits/kernel")
    np.testing.assert_array_equal(kernel[:, :80], arrays["class"][rows].T)
    np.testing.assert_array_equal(kernel[:, 80], arrays["background"][0])
    np.testing.assert_array_equal(
        values(model, "box_deltas/kernel"), arrays["box"][rows].reshape(-1, UNITS).T
    )
    np.testing.assert_array_equal(
        values(model, "mask_logits/kernel")[0, 0], arrays["mask"][rows, :, 0, 0].T
    )
    assert model.class_names == COCO_CLASS_NAMES
    assert model.category_ids == COCO_CATEGORY_IDS
    assert model.class_names[-1] == "toothbrush"
    assert model.category_ids[-1] == 90

    everything = detector(90, path)
    kernel = values(everything, "box_logits/kernel")
    np.testing.assert_array_equal(kernel[:, :90], arrays["class"].T)
    assert everything.class_names is None


def test_other_classes_start_anew_and_the_rest_is_loaded(tmp_path, rng):
    path, _ = write_detector(tmp_path, "detectron2", network_arrays(rng, 7, SIZES), rng)
    model = detector(weights=path)
    reference = detector(7, path)
    np.testing.assert_array_equal(
        values(model, "box_fc1/kernel"), values(reference, "box_fc1/kernel")
    )
    with pytest.raises(CheckpointError, match=r"Misshaped \(6\): .*box_logits/kernel"):
        load_checkpoint(model, path)
    report = load_checkpoint(model, path, strict=False)
    assert {name.split("/")[0] for name in report.left} == {
        "box_logits",
        "box_deltas",
        "mask_logits",
    }


def test_missing_and_unexpected_weights_are_named(tmp_path, rng):
    _, state = write_detector(
        tmp_path, "detectron2", network_arrays(rng, CLASSES, SIZES), rng
    )
    del state["roi_heads.box_head.fc2.bias"]
    state["roi_heads.box_head.fc3.bias"] = np.zeros(3)
    np.savez(tmp_path / "other.npz", **state)
    with pytest.raises(CheckpointError) as caught:
        detector(weights=tmp_path / "other.npz")
    assert "Missing (1): box_fc2/bias." in str(caught.value)
    assert "Unexpected (1): roi_heads.box_head.fc3.bias." in str(caught.value)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_block_in_a_loaded_detector_changes_no_bit(tmp_path, rng):
    path, _ = write_detector(
        tmp_path, "detectron2", network_arrays(rng, CLASSES, SIZES), rng
    )
    pictures = rng.uniform(0, 255, (1, 64, 64, 3))
    found = detector(weights=path).predict(pictures, verbose=0)
    extended = detector(weights=path, nonlocal_blocks={"res3": (1,), "res4": (4,)})
    assert found["num_detections"][0] > 0
    for name, value in extended.predict(pictures, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])
    gamma = extended.pyramid.get_layer("conv4_block5_nl").norm.gamma
    assert gamma.trainable


def test_own_weights_files_are_read_back(tmp_path, rng):
    model = detector(nonlocal_blocks=1)
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape))
    model.save_weights(tmp_path / "own.weights.h5")
    copy = detector(nonlocal_blocks=1)
    report = load_checkpoint(copy, tmp_path / "own.weights.h5")
    assert (report.naming, report.left, report.skipped) == ("keras", (), ())
    for own, loaded in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(own, loaded)


@pytest.mark.parametrize(
    ("names", "mean", "stride_in_1x1"),
    [
        ("torchvision", 123.675, False),
        ("detectron2", 103.53, True),
        ("detectron", 102.9801, True),
    ],
)
def test_files_of_backbones_start_a_detector(names, mean, stride_in_1x1, tmp_path, rng):
    arrays = network_arrays(rng, CLASSES, SIZES)
    _, state = write_detector(tmp_path, names, arrays, rng)
    prefix = {
        "torchvision": "backbone.body.",
        "detectron2": "backbone.bottom_up.",
        "detectron": ("conv1", "res", "fc1000"),
    }[names]
    backbone = {
        key if names == "detectron" else key.removeprefix(prefix): array
        for key, array in state.items()
        if key.startswith(prefix)
    }
    if names == "torchvision":
        backbone |= {"fc.weight": np.zeros((9, 4)), "fc.bias": np.zeros(9)}
    np.savez(tmp_path / "backbone.npz", **backbone)
    model = detector(weights=tmp_path / "backbone.npz", nonlocal_blocks=1)
    np.testing.assert_array_equal(
        values(model, "conv4_block6_2_conv/kernel"),
        arrays["block", 4, 5, 2, "conv"].transpose(2, 3, 1, 0),
    )
    assert model.recipe.pixels.mean[0] == pytest.approx(mean)
    assert model.recipe.stride_in_1x1 is stride_in_1x1
    assert not model.pyramid.get_layer("conv2_block1_1_conv").trainable
    assert not model.pyramid.get_layer("conv5_block1_1_bn").trainable
    assert model.pyramid.get_layer("conv5_block1_1_conv").trainable


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="path of an existing file"):
        detector(weights=tmp_path / "nothing.pth")
