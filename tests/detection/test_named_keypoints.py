"""The keypoint detectors by name: their sizes, their recipes, wrong arguments."""

import pytest

from keras_nonlocal.detection import (
    RECIPES,
    NLKeypointRCNN50,
    NLKeypointRCNN101,
    count_detector,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("head_blocks", "blocks", "parameters", "multiply_adds"),
    [
        (0, 0, 78_073_062, 626_512_983_040),
        (4, 0, 80_179_430, 675_484_759_040),
        (4, 1, 82_281_190, 684_823_639_040),
    ],
)
def test_size_and_cost_are_those_of_detectron(
    head_blocks, blocks, parameters, multiply_adds
):
    model = NLKeypointRCNN101(
        weights=None, head_nonlocal_blocks=head_blocks, nonlocal_blocks=blocks
    )
    cost = count_detector(model, (800, 1280))
    assert (cost.parameters, cost.multiply_adds) == (parameters, multiply_adds)


def test_size_is_that_of_torchvision():
    model = NLKeypointRCNN50(weights=None, head_nonlocal_blocks=0, nonlocal_blocks=0)
    # torchvision has offsets for the background, too.
    background = 4 * (model.recipe.heads.box_units + 1)
    assert count_detector(model).parameters + background == 59_137_258


def test_default_recipes_are_those_of_keypoints():
    model = NLKeypointRCNN50(
        weights=None, width=4, nonlocal_options={"normalization": None}
    )
    assert model.recipe == RECIPES["paper_keypoints"]
    assert model.recipe.proposals.post_nms_training == 1500
    assert model.recipe.keypoints.short_sides == (640, 800)
    assert RECIPES["detectron2_keypoints"].regions.box_beta == 0.5
    assert model.keypoints.names[0] == "nose"
    assert model.keypoint_head.get_layer("keypoint_conv8_nl").normalization is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head_nonlocal_blocks": 5}, "`head_nonlocal_blocks` must be at most 4"),
        ({"num_keypoints": 0}, "`num_keypoints` must be a positive integer"),
        ({"keypoint_names": ("a",)}, "one name for each of the 2 keypoints"),
        ({"recipe": "keypoints"}, "must be a `Recipe` or one of"),
        ({"classes": 2, "class_names": ("a",)}, "each of the 2 classes"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    arguments = {"num_keypoints": 2, "weights": None, "width": 4} | arguments
    with pytest.raises(ValueError, match=message) as error:
        NLKeypointRCNN50(**arguments)
    assert "Received: " in str(error.value)
