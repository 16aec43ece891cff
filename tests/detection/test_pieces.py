"""The pieces of a detector against torchvision's numbers and plain float64 loops."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.detection.boxes import clip, decode, encode, pairwise_iou
from keras_nonlocal.detection.matching import match
from keras_nonlocal.detection.pasting import paste_masks
from keras_nonlocal.detection.poses import decode_heat_maps, keypoint_targets
from keras_nonlocal.detection.roi_align import RoIAlign, levels_of
from keras_nonlocal.detection.sampling import sample
from keras_nonlocal.detection.suppression import suppress

REFERENCE = (
    Path(__file__).parents[3] / "shared/reference/torchvision_detection_pieces/case.npz"
)


@pytest.fixture(scope="module")
def case():
    if not REFERENCE.exists():
        pytest.skip("torchvision's numbers lie beside the checkout")
    return np.load(REFERENCE)


def tensor(array, dtype="float32"):
    return ops.convert_to_tensor(np.asarray(array).astype(dtype))


def random_boxes(rng, *shape, side=100.0, largest=60.0):
    corners = rng.uniform(-10, side, (*shape, 2))
    return np.concatenate(
        [corners, corners + rng.uniform(0.5, largest, (*shape, 2))], axis=-1
    )


def iou(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    both = max(width, 0) * max(height, 0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    other_area = (other[2] - other[0]) * (other[3] - other[1])
    return both / (area + other_area - both)


@pytest.mark.parametrize(
    ("key", "is_aligned"), [("ra_aligned", True), ("ra_legacy", False)]
)
def test_roi_align_is_that_of_torchvision(case, key, is_aligned):
    align = RoIAlign((7, 5), (4,), 2, is_aligned)
    boxes = np.stack([case["ra_boxes"]] * 2)
    pooled = align([tensor(case["ra_map"])], tensor(boxes), ops.zeros((2, 20), "int32"))
    own = ops.convert_to_numpy(pooled)[case["ra_image"], np.arange(20)]
    np.testing.assert_allclose(own, case[key], atol=2e-5)


def test_roi_align_takes_each_region_from_its_level(rng):
    levels = rng.integers(0, 3, (2, 9))
    boxes = random_boxes(rng, 2, 9)
    features = [rng.normal(size=(2, 32 // 2**i, 40 // 2**i, 3)) for i in range(3)]
    align = RoIAlign((3, 4), (4, 8, 16))
    pooled = align(
        [tensor(x) for x in features], tensor(boxes), tensor(levels, "int32")
    )
    for level, stride in enumerate((4, 8, 16)):
        alone = RoIAlign((3, 4), (stride,))(
            [tensor(features[level])], tensor(boxes), ops.zeros((2, 9), "int32")
        )
        is_own = levels == level
        np.testing.assert_allclose(
            ops.convert_to_numpy(pooled)[is_own],
            ops.convert_to_numpy(alone)[is_own],
            atol=1e-6,
        )


def test_suppression_keeps_what_torchvision_keeps(case):
    order = np.argsort(-case["nms_scores"], kind="stable")
    boxes = tensor(case["nms_boxes"][order][None])
    is_box = ops.ones((1, 300), "bool")
    kept = ops.convert_to_numpy(suppress(boxes, is_box, 0.5))[0]
    np.testing.assert_array_equal(order[kept], case["nms_keep"])
    classes = tensor(case["nms_classes"][order][None], "int32")
    kept = ops.convert_to_numpy(suppress(boxes, is_box, 0.5, classes))[0]
    np.testing.assert_array_equal(order[kept], case["nms_keep_class"])


@pytest.mark.parametrize("count", [1, 40, 700, 1100])
def test_suppression_is_the_greedy_rule(rng, count):
    boxes = random_boxes(rng, 2, count).astype("float32")
    is_box = rng.uniform(size=(2, count)) < 0.9
    classes = rng.integers(0, 3, (2, count))
    kept = ops.convert_to_numpy(
        suppress(
            tensor(boxes), ops.convert_to_tensor(is_box), 0.3, tensor(classes, "int32")
        )
    )
    overlaps = ops.convert_to_numpy(pairwise_iou(tensor(boxes), tensor(boxes)))
    for picture in range(2):
        expected = np.zeros(count, bool)
        for i in range(count):
            rivals = expected & (classes[picture] == classes[picture, i])
            is_free = not (overlaps[picture, i] > 0.3)[rivals].any()
            expected[i] = is_box[picture, i] and is_free
        np.testing.assert_array_equal(kept[picture], expected)


def test_offsets_are_those_of_torchvision(case):
    weights = (10.0, 10.0, 5.0, 5.0)
    encoded = encode(tensor(case["bc_props"]), tensor(case["bc_gt"]), weights)
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoded), case["bc_enc"], rtol=1e-4, atol=1e-4
    )
    decoded = decode(tensor(case["bc_props"]), tensor(case["bc_deltas"]), weights)
    np.testing.assert_allclose(
        ops.convert_to_numpy(decoded), case["bc_dec"], rtol=1e-5, atol=1e-3
    )


def test_offsets_of_boxes_without_area_are_zero_and_clipping_keeps_to_the_picture():
    flat = tensor([[[3, 3, 3, 9], [0, 0, 8, 8]]])
    full = tensor([[[0, 0, 4, 4], [5, 5, 5, 5]]])
    assert not ops.convert_to_numpy(encode(flat, full, (1, 1, 1, 1))).any()
    clipped = clip(tensor([[[-5, 2, 50, 70]]]), tensor([[60, 40]]))
    np.testing.assert_array_equal(ops.convert_to_numpy(clipped), [[[0, 2, 40, 60]]])


@pytest.mark.parametrize("objects", [1, 5, 37])
def test_matching_is_the_rule_written_as_loops(rng, objects):
    anchors = random_boxes(rng, 60)
    boxes = random_boxes(rng, 2, objects)
    boxes[0, 0] = anchors[7]
    is_object = rng.uniform(size=(2, objects)) < 0.8
    is_object[:, 0] = True
    index, kind = match(
        tensor(anchors),
        tensor(boxes),
        ops.convert_to_tensor(is_object),
        foreground_iou=0.5,
        background_iou=0.3,
        keeps_best=True,
    )
    index, kind = ops.convert_to_numpy(index), ops.convert_to_numpy(kind)
    for picture in range(2):
        overlaps = np.array([[iou(a, b) for b in boxes[picture]] for a in anchors])
        overlaps = overlaps.astype("float32")
        overlaps[:, ~is_object[picture]] = -1
        best = overlaps.max(axis=1)
        expected = np.where(best >= 0.5, 1, np.where(best < 0.3, 0, -1))
        top = overlaps.max(axis=0)
        is_best = ((overlaps > top - 1e-6) & (top > 0)).any(axis=1)
        expected[is_best] = 1
        np.testing.assert_array_equal(kind[picture], expected)
        reached = overlaps[np.arange(60), index[picture]]
        np.testing.assert_allclose(reached, best, atol=1e-6)


def test_references_that_do_not_count_take_no_object(rng):
    references, boxes = random_boxes(rng, 40), random_boxes(rng, 1, 5)
    is_reference = rng.random(40) < 0.3
    rules = {"foreground_iou": 0.7, "background_iou": 0.3, "keeps_best": True}
    objects = tensor(boxes), ops.ones((1, 5), "bool")
    found = match(
        tensor(references),
        *objects,
        ops.convert_to_tensor(is_reference[None]),
        **rules,
    )
    expected = match(tensor(references[is_reference]), *objects, **rules)
    index, kind = (ops.convert_to_numpy(part)[0] for part in found)
    assert (kind[~is_reference] == -1).all()
    for part, other in zip((index, kind), expected, strict=True):
        np.testing.assert_array_equal(
            part[is_reference], ops.convert_to_numpy(other)[0]
        )


def test_without_objects_all_is_background():
    index, kind = match(
        tensor([[0, 0, 4, 4], [2, 2, 9, 9]]),
        tensor(np.zeros((1, 3, 4))),
        ops.zeros((1, 3), "bool"),
        foreground_iou=0.7,
        background_iou=0.3,
        keeps_best=True,
    )
    assert ops.convert_to_numpy(kind).tolist() == [[0, 0]]
    assert ops.convert_to_numpy(index).tolist() == [[0, 0]]


@pytest.mark.parametrize(("foreground", "background"), [(3, 40), (40, 3), (0, 0)])
def test_samples_are_foreground_first_and_then_background(rng, foreground, background):
    kinds = np.full((2, 60), -1)
    for row in kinds:
        places = rng.permutation(60)
        row[places[:foreground]] = 1
        row[places[foreground : foreground + background]] = 0
    noise = rng.uniform(size=(2, 60)).astype("float32")
    drawn = sample(tensor(kinds, "int32"), tensor(noise), 20, 0.25)
    indices = ops.convert_to_numpy(drawn.indices)
    is_foreground = ops.convert_to_numpy(drawn.is_foreground)
    is_used = ops.convert_to_numpy(drawn.is_used)
    expected = min(foreground, 5)
    for picture in range(2):
        assert is_foreground[picture].sum() == expected
        assert is_used[picture].sum() == expected + min(background, 20 - expected)
        own = indices[picture][is_used[picture]]
        assert len({*own.tolist()}) == len(own)
        best = np.argsort(-np.where(kinds[picture] == 1, noise[picture], -1))[:expected]
        assert own[:expected].tolist() == best.tolist()
        assert (kinds[picture, own[expected:]] == 0).all()


def test_levels_of_regions():
    sides = tensor([10.0, 111.9, 112.0, 223.9, 224.0, 448.0, 5000.0])
    boxes = ops.stack([0 * sides, 0 * sides, sides, sides], axis=-1)
    for epsilon in ("inside", "outside"):
        levels = levels_of(boxes, 4, 224, epsilon)
        assert ops.convert_to_numpy(levels).tolist() == [0, 0, 1, 1, 2, 3, 3]


def test_pasted_masks_are_those_of_torchvision(case):
    pasted = paste_masks(
        case["pm_masks"], case["pm_boxes"], (80, 90), threshold=None, rule="torchvision"
    )
    np.testing.assert_allclose(pasted, case["pm_pasted"], atol=1e-5)


def test_a_pasted_mask_covers_the_pixels_whose_centers_it_covers(rng):
    boxes = random_boxes(rng, 6, side=40, largest=30)
    pasted = paste_masks(np.ones((6, 28, 28)), boxes, (50, 60), threshold=0.5)
    y, x = np.mgrid[:50, :60] + 0.5
    for mask, (x1, y1, x2, y2) in zip(pasted, boxes, strict=True):
        # Bilinear sampling fades out over half a cell.
        fade_x, fade_y = (x2 - x1) / 56, (y2 - y1) / 56
        inside = (x > x1 + fade_x) & (x < x2 - fade_x) & (y > y1 + fade_y)
        inside &= y < y2 - fade_y
        outside = (x < x1) | (x > x2) | (y < y1) | (y > y2)
        assert mask[inside].all()
        assert not mask[outside].any()


def test_keypoints_of_heat_maps_are_those_of_torchvision(case):
    places, logits = decode_heat_maps(case["kp_maps"], case["kp_boxes"])
    np.testing.assert_allclose(places, case["kp_xy"][..., :2], atol=1e-4)
    np.testing.assert_allclose(logits, case["kp_scores"], atol=1e-4)


def test_targets_of_keypoints_are_those_of_torchvision(case):
    cells, is_target = keypoint_targets(
        tensor(case["kt_points"]), tensor(case["kp_boxes"]), 56
    )
    is_target = ops.convert_to_numpy(is_target)
    np.testing.assert_array_equal(is_target, case["kt_valid"].astype(bool))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(cells)[is_target], case["kt_index"][is_target]
    )


@pytest.mark.parametrize("count", [3, 40])
def test_samples_of_an_unknown_number_of_candidates(rng, count):
    """With shapes that are only known when the graph runs, as for several buckets."""
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are always known there")
    kinds = rng.integers(-1, 2, (2, count)).astype("int32")
    noise = rng.random((2, count)).astype("float32")
    known = sample(ops.convert_to_tensor(kinds), ops.convert_to_tensor(noise), 8, 0.25)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), "int32"),
            tf.TensorSpec((None, None), "float32"),
        ]
    )
    def traced(kinds, noise):
        found = sample(kinds, noise, 8, 0.25)
        return found.indices, found.is_foreground, found.is_used

    indices, is_foreground, is_used = (x.numpy() for x in traced(kinds, noise))
    assert indices.shape == (2, 8)
    assert indices.max() < count
    for row in range(2):
        used = is_used[row]
        expected = known.is_used[row].numpy()
        assert used.sum() == expected.sum()
        np.testing.assert_array_equal(
            indices[row, used], known.indices[row].numpy()[expected]
        )
        np.testing.assert_array_equal(
            is_foreground[row, used], known.is_foreground[row].numpy()[expected]
        )
