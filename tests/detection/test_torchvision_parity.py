"""A whole detector against torchvision, with the weights of its own file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.detection import RECIPES, HeadSettings, paste_masks
from keras_nonlocal.weights import load_checkpoint

# Tracing and running the whole network takes seconds.
pytestmark = pytest.mark.slow
REFERENCE = (
    Path(__file__).parents[3] / "shared" / "reference" / "torchvision_mask_rcnn_r50_w8"
)


@pytest.fixture(scope="module")
def case():
    if not REFERENCE.exists():
        pytest.skip(f"the reference {REFERENCE} is not on this machine")
    with np.load(REFERENCE / "case.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def recipe():
    own = RECIPES["torchvision"]
    return replace(
        own,
        anchors=replace(own.anchors, sizes=(8, 16, 32, 64, 128)),
        heads=HeadSettings(32, 64, 32, 2),
        proposals=replace(own.proposals, pre_nms_inference=200, post_nms_inference=100),
        regions=replace(own.regions, canonical_size=56),
    )


def build(case, recipe, nonlocal_blocks, weights=REFERENCE / "model.pth"):
    return keras_nonlocal.NLMaskRCNN50(
        3,
        weights,
        case["images"].shape[1:],
        width=8,
        nonlocal_blocks=nonlocal_blocks,
        recipe=recipe,
    )


@pytest.fixture(scope="module")
def found(case, recipe):
    return build(case, recipe, 0).predict(case["images"] * 255, verbose=0)


def test_detections_equal_torchvisions(case, found):
    for index, count in enumerate(found["num_detections"]):
        boxes = case[f"boxes_{index}"]
        assert count == len(boxes)
        assert count > 10
        np.testing.assert_allclose(found["boxes"][index, :count], boxes, atol=1e-3)
        np.testing.assert_allclose(
            found["scores"][index, :count], case[f"scores_{index}"], atol=1e-5
        )
        # torchvision counts the background as 0.
        np.testing.assert_array_equal(
            found["labels"][index, :count], case[f"labels_{index}"] - 1
        )


def test_masks_equal_torchvisions(case, found):
    height, width = case["images"].shape[1:3]
    for index in range(len(case["images"])):
        expected = case[f"masks_{index}"][:, 0].astype("float32")
        pasted = paste_masks(
            found["masks"][index, : len(expected)],
            found["boxes"][index, : len(expected)],
            (height, width),
            threshold=None,
            rule="torchvision",
        )
        # The reference is stored in float16.
        np.testing.assert_allclose(pasted, expected, atol=6e-4)


def test_every_weight_of_the_file_is_used(case, recipe):
    model = build(case, recipe, 0, weights=None)
    report = load_checkpoint(model, REFERENCE / "model.pth")
    assert report.naming == "torchvision"
    assert report.left == report.skipped == report.implied == ()
    assert all("num_batches_tracked" in key for key in report.training_state)


def test_a_block_added_to_the_loaded_detector_changes_no_bit(case, recipe, found):
    extended = build(case, recipe, 1).predict(case["images"] * 255, verbose=0)
    for name, value in extended.items():
        np.testing.assert_array_equal(value, found[name])
