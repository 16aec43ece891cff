"""Heads that compute with as many regions as there are, and RoIAlign's gradients."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.detection.first_rows import on_first_rows
from keras_nonlocal.detection.roi_align import FeatureTable, RoIAlign
from tests.detection.detectors import (
    pictures,
    small_detector,
    small_keypoint_detector,
    small_recipe,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="XLA computes with all regions"
)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's gradients are ours"
)


def test_the_smallest_number_of_rows_that_holds_all():
    for limit, count, rows in [
        (32, 0, 8),
        (32, 8, 8),
        (32, 9, 16),
        (32, 17, 32),
        (30, 7, 15),
        (31, 16, 31),
        (15, 1, 15),
        (100, 50, 50),
    ]:
        found = on_first_rows(
            lambda size: {"rows": ops.convert_to_tensor(size)},
            ops.convert_to_tensor(count, "int32"),
            limit,
        )
        assert int(found["rows"]) == rows


def detector(kind, share=1.0):
    recipe = small_recipe(
        "paper" if kind is small_detector else "torchvision_keypoints"
    )
    regions = replace(recipe.regions, num_samples=32, foreground_share=share)
    detections = replace(recipe.detections, max_detections=40, score_threshold=0.0)
    return kind(recipe=replace(recipe, regions=regions, detections=detections))


def two_ways(model):
    """The stages with all regions, and those with as many as there are."""
    stages = replace(
        model._stages,
        noise=lambda shape: keras.random.uniform(shape, seed=3),
        skips_empty_regions=False,
    )
    return stages, replace(stages, skips_empty_regions=True)


def objects_of(rng, model, counts):
    x, y = pictures(rng, counts)
    if model.has_keypoints:
        y["keypoints"] = rng.uniform(0, 64, (len(counts), 4, 3, 3)).astype("float32")
        y["keypoints"][..., 2] = 2
        y["labels"] = np.minimum(y["labels"], 0)
    return x, y


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (4, 3)])
@pytest.mark.parametrize("kind", [small_detector, small_keypoint_detector])
def test_the_losses_are_those_of_all_regions(rng, kind, counts):
    model = detector(kind)
    x, y = objects_of(rng, model, counts)
    dense = model(x, training=True)
    y = {name: ops.convert_to_tensor(value) for name, value in y.items()}
    sizes = ops.convert_to_tensor(x["image_sizes"])
    expected, found = (stages.losses(dense, sizes, y) for stages in two_ways(model))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        own = ops.convert_to_numpy(found[name])
        np.testing.assert_allclose(own, ops.convert_to_numpy(value), rtol=1e-5)


@pytest.mark.slow
@on_tensorflow
@pytest.mark.parametrize("counts", [(1, 0), (4, 4)])
def test_the_gradients_are_those_of_all_regions(rng, counts):
    import tensorflow as tf

    model = detector(small_detector)
    x, y = objects_of(rng, model, counts)
    sizes = tf.constant(x["image_sizes"])
    weights = [weight.value for weight in model.trainable_weights]

    def gradients(stages):
        @tf.function
        def compute(x, y):
            with tf.GradientTape() as tape:
                losses = stages.losses(model(x, training=True), sizes, y)
                total = sum(losses.values())
            return tape.gradient(total, weights)

        return compute(*keras.tree.map_structure(tf.constant, (x, y)))

    for expected, found in zip(*map(gradients, two_ways(model)), strict=True):
        scale = max(1e-3, float(np.abs(expected).max()))
        np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


def above(stages, score):
    settings = replace(stages.recipe.detections, score_threshold=float(score))
    return replace(stages, recipe=replace(stages.recipe, detections=settings))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [small_detector, small_keypoint_detector])
def test_detections_are_those_of_all_regions(rng, kind):
    model = detector(kind)
    x, _ = objects_of(rng, model, (0, 0))
    dense = model(x, training=True)
    sizes = ops.convert_to_tensor(x["image_sizes"])
    plain, skipping = two_ways(model)
    scores = ops.convert_to_numpy(plain.detect(dense, sizes)["scores"])
    # Few detections, and then all of them.
    for score in (scores[:, 5].max(), scores[:, 15].max(), 0):
        expected, found = (
            above(stages, score).detect(dense, sizes) for stages in (plain, skipping)
        )
        assert expected.keys() == found.keys()
        counts = ops.convert_to_numpy(found["num_detections"])
        assert counts.max() > 20 if score == 0 else 3 <= counts.max() < 20
        for name, value in expected.items():
            assert found[name].shape == value.shape
            np.testing.assert_allclose(
                ops.convert_to_numpy(found[name]),
                ops.convert_to_numpy(value),
                atol=1e-5,
            )


def random_regions(rng, count):
    corners = rng.uniform(-10, 60, (2, count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 60, (2, count, 2))], -1)
    return boxes, rng.integers(0, 2, (2, count)).astype("int32")


@on_tensorflow
@pytest.mark.parametrize("how", ["eager", "graph", "open sizes", "xla"])
def test_gradients_of_two_uses_of_the_features(rng, how):
    import tensorflow as tf

    uses = [
        (RoIAlign((3, 4), (4, 8)), *random_regions(rng, 5)),
        (RoIAlign((5, 2), (4, 8), 3, False), *random_regions(rng, 3)),
    ]
    features = [rng.normal(size=(2, 16 // 2**i, 20 // 2**i, 3)) for i in range(2)]
    upstreams = [
        rng.normal(size=(*boxes.shape[:2], *align.output_size, 3))
        for align, boxes, _ in uses
    ]

    def value(features, all_boxes):
        table, total = FeatureTable(features), 0.0
        for use, boxes, upstream in zip(uses, all_boxes, upstreams, strict=True):
            align, _, levels = use
            pooled, table = align.and_table(table, boxes, tf.constant(levels))
            total += tf.reduce_sum(pooled * upstream)
        return total

    def gradients(features, all_boxes):
        with tf.GradientTape() as tape:
            tape.watch((features, all_boxes))
            total = value(features, all_boxes)
        return tape.gradient(total, (features, all_boxes))

    if how == "open sizes":
        channels = [tf.TensorSpec((None, None, None, 3), "float64")] * 2
        regions = [tf.TensorSpec((None, None, 4), "float64")] * 2
        gradients = tf.function(gradients, input_signature=[channels, regions])
    elif how != "eager":
        gradients = tf.function(gradients, jit_compile=how == "xla")
    features = [tf.constant(level) for level in features]
    all_boxes = [tf.constant(boxes) for _, boxes, _ in uses]
    of_features, of_boxes = gradients(features, all_boxes)

    # In the features, the value is linear.
    change = [rng.normal(size=level.shape) for level in features]
    expected = value([tf.constant(level) for level in change], all_boxes)
    found = sum(np.sum(a * b) for a, b in zip(of_features, change, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    # Along the boxes, a difference that is too short to reach another position.
    change = [1e-7 * rng.normal(size=boxes.shape) for boxes in all_boxes]
    moved = [boxes + step for boxes, step in zip(all_boxes, change, strict=True)]
    back = [boxes - step for boxes, step in zip(all_boxes, change, strict=True)]
    expected = (value(features, moved) - value(features, back)) / 2
    found = sum(np.sum(a * b) for a, b in zip(of_boxes, change, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)
