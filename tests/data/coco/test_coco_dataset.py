"""The batches of `coco_dataset`, epoch after epoch."""

import json
import logging
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import ImageError, coco_dataset
from tests.data.coco.annotated import content, write_many, write_set
from tests.detection.figures import NAMES, write_figures

SIZES = {"short_side": (40, 64), "long_side": 96, "max_boxes": 4, "mask_size": 14}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    return write_many(folder, np.random.default_rng(), 13), folder


def load(source, dataset_type="keras", **options):
    defaults = {"seed": 5, "horizontal_flip": True, "verbose": False, **SIZES}
    return coco_dataset(*source, dataset_type=dataset_type, **(defaults | options))


def arrays(element):
    x, y = element
    return {name: np.asarray(value) for name, value in (x | y).items()}


def assert_equal(batches, others):
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        batch, other = arrays(batch), arrays(other)
        assert batch.keys() == other.keys()
        for name, array in batch.items():
            assert array.dtype == other[name].dtype
            np.testing.assert_array_equal(array, other[name], name)


def epochs(dataset, count):
    """All batches of the first epochs of a PyDataset."""
    batches = []
    for _ in range(count):
        dataset.on_epoch_begin()
        batches.append([dataset[index] for index in range(len(dataset))])
        dataset.on_epoch_end()
    return batches


def one_epoch(dataset):
    """The batches of the next epoch of either kind of dataset."""
    return epochs(dataset, 1)[0] if hasattr(dataset, "on_epoch_end") else [*dataset]


def test_tf_data_and_py_dataset_have_the_same_batches(many):
    streams = [*epochs(load(many), 3)]
    dataset = load(many, "tf.data")
    assert int(dataset.cardinality()) == len(streams[0])
    for stream in streams:
        assert_equal([*dataset], stream)


def test_epochs_differ_and_seeds_repeat_them(many):
    first, second = epochs(load(many), 2)
    again, _ = epochs(load(many), 2)
    assert_equal(first, again)
    sizes = [
        sorted(map(tuple, np.concatenate([x["image_sizes"] for x, _ in epoch])))
        for epoch in (first, second)
    ]
    assert sizes[0] != sizes[1]  # other scales
    paths = [load(many).batch_paths(epoch, 0) for epoch in range(6)]
    assert len({*map(tuple, paths)}) > 1
    other = load(many, seed=6)
    assert [other.batch_paths(e, 0) for e in range(6)] != paths


def test_every_picture_comes_once_in_the_bucket_that_holds_it(many):
    dataset = load(many)
    shapes = {*dataset.source.plan.sizing.shapes}
    for epoch in range(3):
        paths = [dataset.batch_paths(epoch, batch) for batch in range(len(dataset))]
        assert sorted(chain.from_iterable(paths)) == sorted(dataset.file_paths)
        assert dataset.batch_paths(epoch, len(dataset)) == []
    for x, _ in epochs(dataset, 1)[0]:
        assert x["images"].shape[1:3] in shapes
        assert (x["image_sizes"] <= x["images"].shape[1:3]).all()
        for image, (height, width) in zip(x["images"], x["image_sizes"], strict=True):
            assert not image[height:].any()
            assert not image[:, width:].any()


@pytest.mark.parametrize("dataset_type", ["keras", "tf.data"])
def test_an_epoch_is_resumed_at_any_batch(many, dataset_type):
    complete = epochs(load(many), 3)
    for epoch, batch in ((0, 2), (1, 0), (1, len(complete[1]) - 1)):
        dataset = load(many, dataset_type)
        rest = dataset.resume(epoch, batch)
        assert_equal(one_epoch(rest), complete[epoch][batch:])
        assert_equal(one_epoch(dataset), complete[epoch + (batch > 0)])


def test_workers_share_the_batches(many):
    whole = epochs(load(many, drop_remainder=True), 1)[0]
    shares = [
        epochs(load(many, drop_remainder=True, shard=(worker, 2)), 1)[0]
        for worker in range(2)
    ]
    assert len(shares[0]) == len(shares[1]) == len(whole) // 2
    alternating = [batch for pair in zip(*shares, strict=True) for batch in pair]
    assert_equal(alternating, whole[: len(alternating)])
    assert {len(x["images"]) for x, _ in whole} == {2}
    shares = [load(many, shard=(worker, 3)) for worker in range(3)]
    assert sum(map(len, shares)) == len(load(many))


def test_nothing_is_drawn_without_augmentation(many):
    (batches,) = epochs(load(many, shuffle=False), 1)
    fixed = load(many, shuffle=False, short_side=64, horizontal_flip=False)
    assert_equal(batches, epochs(fixed, 1)[0])
    drawn = epochs(load(many, shuffle=False, augment=True), 1)[0]
    sizes = [np.concatenate([x["image_sizes"] for x, _ in b]) for b in (batches, drawn)]
    assert (sizes[1].min(axis=1) <= sizes[0].min(axis=1)).all()
    assert (sizes[1].min(axis=1) < sizes[0].min(axis=1)).any()


def test_pictures_without_objects_are_kept_or_not(many):
    empty = sum(
        not any(a["image_id"] == image["id"] for a in many[0]["annotations"])
        for image in many[0]["images"]
    )
    kept = sum(len(x["images"]) for x, _ in epochs(load(many), 1)[0])
    full = sum(len(x["images"]) for x, _ in epochs(load(many, keep_empty=False), 1)[0])
    assert (kept, full) == (13, 13 - empty)


def test_one_bucket_has_a_static_shape(many):
    dataset = load(many, "tf.data", short_side=64, long_side=64, drop_remainder=True)
    shapes = {name: spec.shape for name, spec in dataset.element_spec[0].items()}
    assert shapes == {"images": (2, 64, 64, 3), "image_sizes": (2, 2)}
    y = {name: spec.shape for name, spec in dataset.element_spec[1].items()}
    assert y == {"boxes": (2, 4, 4), "labels": (2, 4), "masks": (2, 4, 14, 14)}


def test_crowded_pictures_are_counted(many, caplog):
    held = json.loads(json.dumps(many[0]))
    held["annotations"] += [held["annotations"][0]] * 4
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        load((held, many[1]))
    assert "More than max_boxes=4 objects are in 1 of 13 pictures" in caplog.text


def broken(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    (images / "7.png").write_bytes(b"no picture")
    (images / "25.png").unlink()
    return path, images


@pytest.mark.parametrize("dataset_type", ["keras", "tf.data"])
def test_unreadable_pictures_are_left_out(rng, tmp_path, caplog, dataset_type):
    source = broken(tmp_path, rng)
    dataset = load(source, dataset_type, on_error="skip", batch_size=3)
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        batches = one_epoch(dataset)
    assert sum(len(x["images"]) for x, _ in batches) == 3
    assert [*map(str, sorted(dataset.failures.reasons))] == [
        str(source[1] / "25.png"),
        str(source[1] / "7.png"),
    ]
    report = caplog.messages[-1]
    assert report.startswith("2 unreadable pictures were left out of this epoch:\n")


def test_unreadable_pictures_raise_by_default(rng, tmp_path):
    dataset = load(broken(tmp_path, rng))
    with pytest.raises(ImageError, match="Cannot read the picture"):
        epochs(dataset, 1)
    dataset = load(broken_again(tmp_path), on_error="skip", max_errors=1)
    with pytest.raises(ImageError, match="more than max_errors=1 pictures were left"):
        epochs(dataset, 1)


def broken_again(tmp_path):
    return tmp_path / "annotations.json", tmp_path / "images"


def test_a_picture_of_another_size_is_named(rng, tmp_path):
    _, images = write_set(tmp_path, rng)
    held = content()
    held["images"][0]["height"] += 1
    seen = []
    dataset = load((held, images), on_error=seen.append)
    epochs(dataset, 1)
    (error,) = seen
    assert str(error).endswith(
        "139.png': it has 48 × 64 pixels, and its annotations are for 49 × 64."
    )


def test_a_batch_that_cannot_be_read_is_replaced_for_keras(rng, tmp_path):
    dataset = load(broken(tmp_path, rng), on_error="skip", batch_size=1)
    batches = epochs(dataset, 1)[0]
    assert [len(x["images"]) for x, _ in batches] == [1] * 5
    with pytest.raises(IndexError, match="Received: index=5"):
        dataset[5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"max_boxes": 0}, "`max_boxes` must be a positive integer"),
        ({"mask_size": 0}, "`mask_size` must be a positive integer"),
        ({"shard": (2, 2)}, "`shard` must be a pair"),
        ({"on_error": "ignore"}, "`on_error` must be"),
        ({"buckets": [(32, 33)]}, "`buckets` must be pairs"),
        ({"dataset_type": "torch"}, "`dataset_type` must be one of"),
    ],
)
def test_arguments_that_cannot_be(many, options, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        load(many, **options)


def test_no_picture_is_an_error(many):
    held = many[0] | {"annotations": []}
    with pytest.raises(ValueError, match="at least one picture to keep"):
        load((held, many[1]), keep_empty=False)


def test_pictures_without_visible_keypoints_can_be_left_out(tmp_path):
    path = write_figures(tmp_path, 4, seed=1)
    held = json.loads(path.read_text())
    held["annotations"][1]["keypoints"] = [0] * 9
    del held["annotations"][2]["keypoints"]
    options = {"masks": False, "keypoints": True, "shuffle": False}
    for keep_empty, names in ((True, "0123"), (False, "03")):
        dataset = load((held, tmp_path), keep_empty=keep_empty, **options)
        paths = [Path(path).stem for path in dataset.file_paths]
        assert paths == [*names]
    assert dataset.keypoint_names == NAMES
    assert dataset.flip_pairs == [(1, 2)]
    assert dataset.oks_sigmas is None
    assert load((held, tmp_path), masks=False).keypoint_names is None
