"""Files of keypoint detectors by other projects."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.detection.recipes import RECIPES
from keras_nonlocal.detection.settings import HeadSettings
from keras_nonlocal.weights import CheckpointError, load_checkpoint
from tests.detection.detectors import small_recipe
from tests.weights.detector_files import network_arrays, write_detector

PROJECTS = ("detectron", "detectron2", "torchvision", "torchvision_2019")
POINTS, CONVOLUTIONS, WIDTH = 17, 4, 4
CHANNELS, UNITS, HEAD_CHANNELS = SIZES = (4, 6, 5)


def detector(weights=None, points=POINTS, head_blocks=0, blocks=0, **arguments):
    recipe = replace(
        small_recipe("paper_keypoints"),
        heads=HeadSettings(
            CHANNELS,
            UNITS,
            keypoint_channels=HEAD_CHANNELS,
            keypoint_convolutions=CONVOLUTIONS,
        ),
    )
    return keras_nonlocal.NLKeypointRCNN50(
        points,
        weights,
        (64, 64, 3),
        width=WIDTH,
        nonlocal_blocks=blocks,
        head_nonlocal_blocks=head_blocks,
        **({"recipe": recipe} | arguments),
    )


def arrays_of(rng, points=POINTS):
    return network_arrays(rng, 1, SIZES, keypoints=(points, CONVOLUTIONS))


@pytest.mark.parametrize("project", PROJECTS)
def test_every_key_is_used_and_every_layout_converted(project, tmp_path, rng):
    arrays = arrays_of(rng)
    path, state = write_detector(tmp_path, project, arrays, rng)
    model = detector()
    report = load_checkpoint(model, path)
    assert report.naming == project.removesuffix("_2019")
    assert report.left == report.skipped == ()
    unused = {"pixel_mean", "pixel_std", "lr", "conv1_b", "fc1000_w", "fc1000_b"}
    unused |= {"kps_score_w", "kps_score_b"}
    momenta = {key for key in state if key.endswith("_momentum")}
    assert {*report.training_state} == momenta | ({*state} & unused)
    assert len(report.loaded) == len(state) - len(report.training_state)
    head = model.keypoint_head
    for number in range(1, CONVOLUTIONS + 1):
        np.testing.assert_array_equal(
            head.get_layer(f"keypoint_conv{number}").kernel,
            arrays["keypoint", number].transpose(2, 3, 1, 0),
        )

    # The last layer as PyTorch has it: each cell spreads over 4 × 4 places.
    deconv = head.get_layer("keypoint_deconv")
    x = rng.normal(size=(1, 5, 6, HEAD_CHANNELS)).astype("float32")
    spread = np.zeros((12, 14, POINTS))
    for row, column in np.ndindex(5, 6):
        spread[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += np.einsum(
            "c,cphw->hwp", x[0, row, column], arrays["keypoint", "deconv"]
        )
    bias = keras.ops.convert_to_numpy(deconv.bias)
    expected = spread[1:-1, 1:-1] + bias
    np.testing.assert_allclose(deconv(x)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("project", "recipe"),
    [
        ("detectron", "paper_keypoints"),
        ("detectron2", "detectron2_keypoints"),
        ("torchvision", "torchvision_keypoints"),
    ],
)
def test_a_file_implies_the_recipe_and_the_person(project, recipe, tmp_path, rng):
    # The sizes of the heads are those of the projects.
    arrays = network_arrays(rng, 1, (256, 1024, 512), keypoints=(17, 8))
    path, _ = write_detector(tmp_path, project, arrays, rng)
    model = keras_nonlocal.NLKeypointRCNN50(
        17, path, (64, 64, 3), width=WIDTH, nonlocal_blocks=0
    )
    for part in ("anchors", "proposals", "regions", "detections", "keypoints"):
        assert getattr(model.recipe, part) == getattr(RECIPES[recipe], part)
    assert (model.class_names, model.category_ids) == (("person",), (1,))
    assert model.keypoints.names[16] == "right_ankle"
    # Blocks that the file does not have start as the identity.
    gamma = model.keypoint_head.get_layer("keypoint_conv8_nl").norm.gamma
    assert gamma.trainable
    assert not keras.ops.convert_to_numpy(gamma).any()


@pytest.mark.thorough
@pytest.mark.slow
def test_blocks_in_a_loaded_detector_change_no_bit(tmp_path, rng):
    path, _ = write_detector(tmp_path, "torchvision", arrays_of(rng), rng)
    pictures = rng.uniform(0, 255, (1, 64, 64, 3))
    found = detector(path).predict(pictures, verbose=0)
    assert found["num_detections"][0] > 0
    extended = detector(path, head_blocks=2, blocks=1)
    for name, value in extended.predict(pictures, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])


def test_other_keypoints_start_anew_and_the_rest_is_loaded(tmp_path, rng):
    path, _ = write_detector(tmp_path, "detectron2", arrays_of(rng, 5), rng)
    model = detector(path)
    reference = detector(path, points=5)
    for name in ("keypoint_conv1", "keypoint_conv4"):
        np.testing.assert_array_equal(
            model.keypoint_head.get_layer(name).kernel,
            reference.keypoint_head.get_layer(name).kernel,
        )
    with pytest.raises(CheckpointError, match=r"Misshaped \(2\): .*keypoint_deconv"):
        load_checkpoint(model, path)
    report = load_checkpoint(model, path, strict=False)
    assert {name.split("/")[0] for name in report.left} == {"keypoint_deconv"}


def test_missing_and_unexpected_weights_are_named(tmp_path, rng):
    _, state = write_detector(tmp_path, "detectron2", arrays_of(rng), rng)
    del state["roi_heads.keypoint_head.conv_fcn3.weight"]
    state["roi_heads.keypoint_head.conv_fcn9.weight"] = np.zeros(3)
    np.savez(tmp_path / "other.npz", **state)
    with pytest.raises(CheckpointError) as caught:
        detector(tmp_path / "other.npz")
    assert "Missing (1): keypoint_conv3/kernel." in str(caught.value)
    unexpected = "Unexpected (1): roi_heads.keypoint_head.conv_fcn9.weight."
    assert unexpected in str(caught.value)


def test_a_mask_detector_takes_no_file_of_keypoints(tmp_path, rng):
    path, _ = write_detector(tmp_path, "torchvision", arrays_of(rng), rng)
    with pytest.raises(CheckpointError, match=r"Missing .*mask_conv1/kernel"):
        keras_nonlocal.NLMaskRCNN50(1, path, (64, 64, 3), width=WIDTH)


@pytest.mark.parametrize("mode", ["concatenation", "embedded_gaussian"])
def test_own_weights_files_are_read_back(mode, tmp_path, rng):
    model = detector(head_blocks=2, blocks=1, head_nonlocal_mode=mode)
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape))
    model.save_weights(tmp_path / "own.weights.h5")
    copy = detector(head_blocks=2, blocks=1, head_nonlocal_mode=mode)
    report = load_checkpoint(copy, tmp_path / "own.weights.h5")
    assert (report.naming, report.left, report.skipped) == ("keras", (), ())
    for own, loaded in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(own, loaded)
    # A file without the blocks of the head.
    plain = detector(blocks=1)
    plain.save_weights(tmp_path / "plain.weights.h5")
    extended = detector(
        tmp_path / "plain.weights.h5", head_blocks=2, blocks=1, head_nonlocal_mode=mode
    )
    np.testing.assert_array_equal(
        extended.keypoint_head.get_layer("keypoint_conv3").kernel,
        plain.keypoint_head.get_layer("keypoint_conv3").kernel,
    )
