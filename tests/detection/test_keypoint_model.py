"""Keypoint detectors as Keras models: training, detections, saving, evaluation."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.data import coco_dataset
from keras_nonlocal.data.coco.picture_file import resize_picture
from keras_nonlocal.detection import (
    RECIPES,
    KeypointRCNN,
)
from keras_nonlocal.inference import evaluate_coco
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.layers import NonLocalBlock
from tests.detection.detectors import (
    SIDE,
    posed_pictures,
    small_backbone,
    small_keypoint_detector,
)
from tests.detection.figures import LEFT, NAMES, RIGHT, write_figures

# Tracing and compiling the two stages takes seconds.
pytestmark = pytest.mark.slow
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
LOSSES = {"rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "keypoint_loss"}


@pytest.fixture(scope="module")
def detector():
    model = small_keypoint_detector()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return write_figures(folder, 12, seed=2), folder


def load(figures, dataset_type=None, **options):
    defaults = {
        "batch_size": 4,
        "seed": 4,
        "short_side": SIDE,
        "long_side": SIDE,
        "masks": False,
        "keypoints": True,
        "oks_sigmas": (0.1, 0.1, 0.1),
        "max_boxes": 2,
        "horizontal_flip": True,
        "verbose": False,
    }
    return coco_dataset(*figures, dataset_type=dataset_type, **(defaults | options))


def test_losses_are_finite_and_zero_without_points(detector, rng):
    for counts in ((0, 0), (1, 0), (4, 2)):
        x, y = posed_pictures(rng, counts)
        logs = detector.train_on_batch(x, y, return_dict=True)
        assert {*logs} == LOSSES | {"loss"}
        assert np.isfinite([float(value) for value in logs.values()]).all()
        detector.reset_metrics()
        if not any(counts):
            assert float(logs["keypoint_loss"]) == 0
    # Objects of which nothing is seen, as most in COCO.
    y["keypoints"][:] = 0
    logs = detector.train_on_batch(x, y, return_dict=True)
    assert float(logs["keypoint_loss"]) == 0
    assert float(logs["class_loss"]) > 0
    assert all(np.isfinite(weight).all() for weight in detector.get_weights())


def test_objects_without_keypoints_are_refused(detector, rng):
    x, y = posed_pictures(rng, (1,))
    del y["keypoints"]
    message = r"with \['boxes', 'labels', 'keypoints'\].*Received: y=\['boxes', 'labels"
    with pytest.raises(ValueError, match=message):
        detector.train_on_batch(x, y)
    with pytest.raises(ValueError, match="Received: y='NoneType'"):
        detector.compute_loss(x, None, {})


def test_few_points_cost_nothing_in_the_papers_recipe(rng):
    model = small_keypoint_detector()
    x, y = posed_pictures(rng, (2, 1))
    least = model.recipe.keypoints.min_visible
    assert (least, RECIPES["paper_keypoints"].keypoints.min_visible) == (1, 21)
    losses = {}
    for name in ("torchvision_keypoints", "paper_keypoints"):
        model.recipe = replace(model.recipe, keypoints=RECIPES[name].keypoints)
        model.compile(run_eagerly=True)
        losses[name] = model.test_on_batch(x, y, return_dict=True)["keypoint_loss"]
        model.reset_metrics()
    assert float(losses["torchvision_keypoints"]) > 0
    assert float(losses["paper_keypoints"]) == 0


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="nothing is compiled there"
)
@pytest.mark.thorough
def test_one_compilation_by_xla_serves_any_number_of_objects(rng):
    model, compilations = small_keypoint_detector(), []
    compute_loss = model.compute_loss

    def counting(*args, **kwargs):
        compilations.append(None)
        return compute_loss(*args, **kwargs)

    model.compute_loss = counting
    model.compile(keras.optimizers.SGD(0.01), jit_compile=True)
    counts = []
    for objects in ((4, 2), (0, 0), (1, 0), (3, 4)):
        logs = model.train_on_batch(*posed_pictures(rng, objects), return_dict=True)
        assert np.isfinite(float(logs["loss"]))
        counts.append(len(compilations))
    assert counts[-1] == counts[0]


def test_keypoints_lie_in_their_boxes_and_are_padded(detector, rng):
    x, _ = posed_pictures(rng, (2, 2))
    found = detector.predict(x, verbose=0)
    assert {*found} == {"boxes", "scores", "labels", "num_detections", "keypoints"}
    keypoints = found["keypoints"]
    assert keypoints.shape == (2, 10, 3, 3)
    is_detection = found["labels"] >= 0
    assert is_detection.any()
    boxes = found["boxes"][is_detection][:, None]
    points = keypoints[is_detection]
    assert (points[..., :2] >= boxes[..., :2] - 1e-3).all()
    # Boxes have at least one pixel.
    high = np.maximum(boxes[..., 2:], boxes[..., :2] + 1)
    assert (points[..., :2] <= high + 1e-3).all()
    assert (points[..., 2] > 0).all()
    assert (points[..., 2] <= 1).all()
    assert not keypoints[~is_detection].any()


def test_a_saved_detector_finds_the_same_keypoints(detector, rng, tmp_path):
    path = tmp_path / "poses.keras"
    detector.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.keypoints == detector.keypoints
    assert loaded.keypoints.names == ("head", "left hand", "right hand")
    assert loaded.keypoints.flip_pairs == ((1, 2),)
    assert not loaded.has_masks
    assert model_fingerprint(loaded) == model_fingerprint(detector)
    blocks = [
        layer
        for layer in loaded.keypoint_head.layers
        if isinstance(layer, NonLocalBlock)
    ]
    assert len(blocks) == 2
    x, _ = posed_pictures(rng, (2, 1))
    found = detector.predict(x, verbose=0)
    for name, value in loaded.predict(x, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])
    weights = tmp_path / "poses.weights.h5"
    detector.save_weights(weights)
    fresh = small_keypoint_detector(seed=5)
    report = keras_nonlocal.weights.load_checkpoint(fresh, weights)
    assert report.left == report.skipped == ()
    for weight, other in zip(fresh.get_weights(), detector.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_training_moves_the_blocks_of_the_head(rng):
    model = small_keypoint_detector()
    gammas = [
        model.keypoint_head.get_layer(f"keypoint_conv{number}_nl").norm.gamma
        for number in (2, 4)
    ]
    assert not any(keras.ops.convert_to_numpy(gamma).any() for gamma in gammas)
    model.compile(keras.optimizers.SGD(0.02), run_eagerly=True)
    for _ in range(2):
        model.train_on_batch(*posed_pictures(rng, (4, 4)))
    assert all(keras.ops.convert_to_numpy(gamma).any() for gamma in gammas)


def test_the_left_hand_of_a_mirrored_figure_was_its_right_hand(figures):
    mirrored = 0
    for epoch in range(2):
        for x, y in load(figures, "keras").resume(epoch):
            for picture, points in zip(x["images"], y["keypoints"][:, 0], strict=True):
                # Figures face the viewer, so their left is at the right.
                assert points[1, 0] > points[2, 0]
                colors = [picture[int(v), int(u)] for u, v, _ in points[1:]]
                is_mirrored = colors[0][2] > colors[0][0]
                expected = (RIGHT, LEFT) if is_mirrored else (LEFT, RIGHT)
                np.testing.assert_allclose(colors, expected, atol=40)
                mirrored += is_mirrored
            if len(y["boxes"]) < 4:
                break
    assert 0 < mirrored < 24


@pytest.mark.thorough
def test_training_on_figures_and_their_evaluation(figures):
    # The colors of the hands would contradict each other in mirrored pictures.
    data = load(figures, horizontal_flip=False)
    assert data.keypoint_names == NAMES
    assert data.flip_pairs == [(1, 2)]
    assert data.skeleton == [(0, 1), (0, 2)]
    model = small_keypoint_detector(
        category_ids=data.category_ids,
        keypoint_names=data.keypoint_names,
        flip_pairs=data.flip_pairs,
        skeleton=data.skeleton,
        oks_sigmas=data.oks_sigmas,
    )
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9))
    history = model.fit(data, epochs=3, shuffle=False, verbose=0).history
    assert {*history} == LOSSES | {"loss"}
    assert history["keypoint_loss"][-1] < history["keypoint_loss"][0]
    result = evaluate_coco(model, data, verbose=0)
    assert result.mask is None
    assert {*result.keypoints} == {
        *("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
    }
    assert 0 <= result.keypoints["AP"] <= 1


@pytest.mark.skipif(not ON_TENSORFLOW, reason="one backend proves it")
def test_the_model_brings_its_deviations_and_its_number_of_points(figures, caplog):
    data = load(figures, shuffle=False, oks_sigmas=None)
    assert data.oks_sigmas is None
    model = small_keypoint_detector(category_ids=data.category_ids)
    evaluate_coco(model, data, verbose=0)
    assert not caplog.records
    other = small_keypoint_detector(
        category_ids=data.category_ids, keypoint_names=("a", "b", "c")
    )
    evaluate_coco(other, data, verbose=0)
    assert "The model calls its keypoints ['a', 'b', 'c']" in caplog.text
    unknown = small_keypoint_detector(category_ids=data.category_ids, oks_sigmas=None)
    with pytest.raises(ValueError, match="`oks_sigmas` must be given to"):
        evaluate_coco(unknown, data, verbose=0)
    four = KeypointRCNN(
        small_backbone(), 4, recipe=model.recipe, head_nonlocal_blocks=0
    )
    four.category_ids = tuple(data.category_ids)
    with pytest.raises(ValueError, match="a model of 4 keypoints"):
        evaluate_coco(four, data, verbose=0)


def test_pictures_of_any_size_have_keypoints_in_their_own_pixels(detector, rng):
    # Without resampling, a picture of 64 pixels is what the model sees.
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3)).astype("uint8")
    large = pixels.repeat(2, axis=0).repeat(3, axis=1)
    x = resize_picture(large, (32, 48))
    images = np.zeros((1, SIDE, SIDE, 3), "float32")
    images[0, :32, :48] = x
    expected = detector.predict(
        {"images": images, "image_sizes": np.array([[32, 48]], "float32")}, verbose=0
    )
    found = keras_nonlocal.predict_picture(detector, large, short_side=32, long_side=48)
    count = len(found["scores"])
    assert count > 0
    np.testing.assert_allclose(
        found["keypoints"],
        expected["keypoints"][0, :count] * (4, 4, 1),
        rtol=1e-5,
    )
