"""Detectors as Keras models: training, detections, saving."""

import keras
import numpy as np
import pytest

from keras_nonlocal.detection import RECIPES, NLMaskRCNN50, Recipe, count_detector
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.training import decay_kernels
from tests.detection.detectors import SIDE, pictures, small_detector, small_recipe

# Tracing and compiling the two stages takes seconds.
pytestmark = pytest.mark.slow
LOSSES = {"rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"}


@pytest.fixture(scope="module")
def detector():
    model = small_detector()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    return model


def test_losses_are_finite_and_add_up_whatever_the_number_of_objects(detector, rng):
    for counts in ((0, 0), (1, 0), (4, 2)):
        logs = detector.train_on_batch(*pictures(rng, counts), return_dict=True)
        assert {*logs} == LOSSES | {"loss"}
        parts = [float(logs[name]) for name in LOSSES]
        assert np.isfinite(parts).all()
        detector.reset_metrics()
        if not any(counts):
            assert float(logs["mask_loss"]) == 0
            assert float(logs["rpn_box_loss"]) == 0


def test_objects_need_no_place(detector, rng):
    x, y = pictures(rng, (0, 0), num_places=0)
    assert y["boxes"].shape == (2, 0, 4)
    names = detector.metrics_names
    logs = detector.train_on_batch(x, y)
    assert len(logs) == len({*names}) == len(names) == 1 + len(LOSSES)
    assert np.isfinite([float(value) for value in logs]).all()
    detector.reset_metrics()


def test_objects_without_area_and_outside_of_the_picture_do_no_harm(detector, rng):
    x, y = pictures(rng, (4, 4))
    y["boxes"][0, 0] = (5, 5, 5, 20)
    y["boxes"][0, 1] = (500, 500, 520, 520)
    y["boxes"][0, 2] = (3, 3, 4, 4)
    logs = detector.train_on_batch(x, y, return_dict=True)
    assert np.isfinite([float(value) for value in logs.values()]).all()
    finite = [np.isfinite(weight).all() for weight in detector.get_weights()]
    assert all(finite)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="nothing is compiled there"
)
def test_one_compilation_serves_any_number_of_objects(rng):
    model, compilations = small_detector(), []
    compute_loss = model.compute_loss

    def counting(*args, **kwargs):
        compilations.append(None)
        return compute_loss(*args, **kwargs)

    model.compute_loss = counting
    model.compile(keras.optimizers.SGD(0.01))
    counts = []
    for objects in ((2, 1), (0, 0), (4, 4), (1, 0)):
        loss = model.train_on_batch(*pictures(rng, objects), return_dict=True)["loss"]
        assert np.isfinite(float(loss))
        counts.append(len(compilations))
    assert counts[0] >= 1
    assert counts == counts[:1] * 4


def test_evaluation_gives_the_same_losses_as_training_would(rng):
    model = small_detector()
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = model.evaluate(
        *pictures(rng, (3, 1)), verbose=0, return_dict=True, batch_size=2
    )
    assert {*logs} == LOSSES | {"loss"}
    parts = sum(logs[name] for name in LOSSES)
    np.testing.assert_allclose(logs["loss"], parts, rtol=1e-5)


def test_detections_are_padded_and_lie_in_the_picture(detector, rng):
    x, _ = pictures(rng, (1, 1, 1))
    found = detector.predict(x, verbose=0, batch_size=2)
    assert {*found} == {"boxes", "scores", "labels", "masks", "num_detections"}
    assert found["masks"].shape == (3, 10, 28, 28)
    for picture in range(3):
        count = found["num_detections"][picture]
        assert (found["labels"][picture, count:] == -1).all()
        assert not found["boxes"][picture, count:].any()
        assert not found["masks"][picture, count:].any()
        scores = found["scores"][picture]
        assert (np.diff(scores) <= 0).all()
        assert (scores[:count] > 0.05).all()
        boxes = found["boxes"][picture]
        assert (boxes >= 0).all()
        assert (boxes[:, [0, 2]] <= SIDE - 8).all()
        assert (boxes[:, [1, 3]] <= SIDE).all()


def test_padding_does_not_count(detector, rng):
    x, _ = pictures(rng, (1,))
    other = {**x, "images": x["images"].copy()}
    other["images"][:, :, SIDE - 8 :] = 200
    first = detector.predict(x, verbose=0)
    second = detector.predict(other, verbose=0)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


def test_pictures_alone_are_whole_pictures(detector, rng):
    x, _ = pictures(rng, (1,))
    x["image_sizes"][:] = SIDE
    alone = detector.predict(x["images"], verbose=0)
    for name, value in detector.predict(x, verbose=0).items():
        np.testing.assert_allclose(value, alone[name], atol=1e-4)


def test_sizes_of_pictures_are_not_rounded_in_half_precision(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_detector(side=None)
    finally:
        keras.config.set_dtype_policy("float32")
    width = 515  # 516 in bfloat16.
    images = rng.integers(0, 256, (1, 32, 544, 3)).astype("float32")
    x = {"images": images, "image_sizes": np.array([[32, width]], "float32")}
    found = model.predict(x, verbose=0)
    assert found["boxes"].dtype == "float32"
    assert found["boxes"][..., 2].max() <= width
    whole = {**x, "image_sizes": x["image_sizes"].astype("int32")}
    for name, value in model.predict(whole, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])


def test_a_saved_detector_detects_the_same(detector, rng, tmp_path):
    x, y = pictures(rng, (2, 1))
    # An optimizer without a step has fewer variables than a loaded one.
    detector.train_on_batch(x, y)
    detector.save(tmp_path / "detector.keras")
    loaded = keras.saving.load_model(tmp_path / "detector.keras")
    assert loaded.dtype_policy.name == detector.dtype_policy.name
    assert loaded.recipe == detector.recipe
    assert isinstance(loaded.recipe, Recipe)
    found = detector.predict(x, verbose=0)
    for name, value in loaded.predict(x, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])
    assert np.isfinite(float(loaded.train_on_batch(x, y)[0]))


def test_a_detector_that_is_built_again_is_the_same_model():
    """Otherwise, an evaluation could not be resumed in another process."""
    first, second = small_detector(), small_detector()
    second.set_weights(first.get_weights())
    assert model_fingerprint(first) == model_fingerprint(second)


def test_a_saved_detector_trains_the_same(rng, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_detector()
    finally:
        keras.config.set_dtype_policy("float32")
    decay_kernels(model, 1e-2)
    model.mask_head.trainable = False
    model.save(tmp_path / "detector.keras")
    loaded = keras.saving.load_model(tmp_path / "detector.keras")
    for part in ("pyramid", "rpn_head", "box_head", "mask_head"):
        one, other = getattr(model, part), getattr(loaded, part)
        assert len(one.losses) == len(other.losses), part
        assert len(one.trainable_weights) == len(other.trainable_weights), part
        policies, others = (
            [layer.dtype_policy.name for layer in model.layers if layer.weights]
            for model in (one, other)
        )
        assert policies == others, part
        assert "mixed_bfloat16" in policies
    assert loaded.losses
    assert not loaded.mask_head.trainable_weights
    assert loaded.compute_dtype == loaded.preprocessing.compute_dtype == "bfloat16"
    for weight, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_a_block_that_starts_as_the_identity_leaves_detections_as_they_are(rng):
    plain, extended = small_detector(nonlocal_blocks=0), small_detector()
    own = {weight.path: weight for weight in extended.weights}
    for weight in plain.weights:
        own[weight.path].assign(weight)
    x, _ = pictures(rng, (1, 2))
    found = plain.predict(x, verbose=0)
    for name, value in extended.predict(x, verbose=0).items():
        np.testing.assert_array_equal(value, found[name])


def test_training_moves_the_block_and_leaves_what_is_frozen(rng):
    model = NLMaskRCNN50(
        3,
        None,
        (SIDE, SIDE, 3),
        width=4,
        freeze_stages=("stem", "res2"),
        recipe=small_recipe(),
    )
    gamma = model.pyramid.get_layer("conv4_block5_nl").norm.gamma
    stem = model.pyramid.get_layer("conv1_conv").kernel
    last = model.pyramid.get_layer("conv5_block3_3_conv").kernel
    before = [keras.ops.convert_to_numpy(weight) for weight in (stem, last)]
    assert not keras.ops.convert_to_numpy(gamma).any()
    model.compile(keras.optimizers.SGD(0.02), run_eagerly=True)
    for _ in range(2):
        model.train_on_batch(*pictures(rng, (3, 2)))
    assert keras.ops.convert_to_numpy(gamma).any()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(stem), before[0])
    assert (keras.ops.convert_to_numpy(last) != before[1]).any()


def test_other_sides_are_refused(detector):
    with pytest.raises(ValueError, match=r"divisible by 32.*\(1, 70, 64, 3\)"):
        detector.predict_on_batch(np.zeros((1, 70, 64, 3)))


@pytest.mark.parametrize("missing", ["boxes", "labels", "masks"])
def test_objects_without_what_a_loss_needs_are_refused(detector, rng, missing):
    x, y = pictures(rng, (1,))
    del y[missing]
    message = r"\['boxes', 'labels', 'masks'\] to train this detector\. Received: y=\["
    with pytest.raises(ValueError, match=message):
        detector.train_on_batch(x, y)


def test_recipes_survive_json():
    for recipe in RECIPES.values():
        assert Recipe.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(ValueError, match=r"no fields \['stden'\]"):
        Recipe.from_dict({**RECIPES["paper"].to_dict(), "pixels": {"stden": 1}})


@pytest.mark.parametrize(
    ("blocks", "parameters", "multiply_adds"),
    [(0, 44_343_216, 254_597_616_640), (1, 46_444_976, 263_936_496_640)],
)
def test_size_and_cost_are_those_of_detectron(blocks, parameters, multiply_adds):
    model = NLMaskRCNN50(weights=None, nonlocal_blocks=blocks)
    cost = count_detector(model, (800, 1280))
    assert (cost.parameters, cost.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (100, 64, 3)}, "divisible by 32"),
        ({"weights": "coco"}, 'must be None, "imagenet" or the path of an existing'),
        ({"recipe": "yolo"}, "must be a `Recipe` or one of"),
        ({"classes": 0}, "must be a positive integer"),
        ({"class_names": ("a",)}, "one entry for each of the 2 classes"),
        ({"class_names": "ab"}, "Received: class_names='ab'"),
        ({"category_ids": (3, 3)}, r"all different. Received: category_ids=\(3, 3\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    arguments = {"classes": 2, "weights": None, "width": 4} | arguments
    with pytest.raises(ValueError, match=message) as error:
        NLMaskRCNN50(**arguments)
    assert "Received: " in str(error.value)
