"""What is read from a file in COCO's format."""

import functools
import json
import logging
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.data import ImageError
from keras_nonlocal.data.coco.annotations import Contents, read_annotations
from keras_nonlocal.data.coco.categories import read_categories, read_keypoints
from keras_nonlocal.data.coco.picture_file import read_bytes
from keras_nonlocal.data.datasets.failures import FailurePolicy
from tests.data.coco.annotated import SIZES, content, write_set

WRONG = {
    (7, "7.png", "it has no polygon of at least three points"),
    (8, "7.png", "its box has no area"),
    (9, "8.png", "its box lies outside of the picture"),
    (10, "139.png", "its category is not listed"),
    (11, None, "its image is not listed"),
    (12, "40.png", "it has no polygon of at least three points"),
}


def test_classes_have_no_gaps_and_wrong_objects_are_named(rng, tmp_path):
    path, images = write_set(tmp_path, rng)
    found = read_annotations(path, images, Contents())
    assert found.categories.ids == (3, 17, 90)
    assert found.categories.names == ("car", "cat", "toothbrush")
    assert {*map(tuple, found.wrong_objects)} == WRONG
    labels = {p.id: p.objects.labels.tolist() for p in found.pictures}
    assert labels == {139: [1, 2], 7: [0], 25: [], 8: [1], 40: [0]}
    assert {p.id: p.size for p in found.pictures} == SIZES
    by_id = {p.id: p.objects.boxes for p in found.pictures}
    assert by_id[139].tolist() == [[10, 8, 34, 38], [30, 20, 50.5, 35.25]]
    assert by_id[40].tolist() == [[0, 10, 20, 30]]  # clipped


def test_objects_need_no_segmentation_without_masks(rng, tmp_path):
    path, images = write_set(tmp_path, rng)
    found = read_annotations(path, images, Contents(masks=False))
    reasons = {(w.annotation_id, w.reason) for w in found.wrong_objects}
    assert reasons == {(number, reason) for number, _, reason in WRONG} - {
        (7, "it has no polygon of at least three points"),
        (12, "it has no polygon of at least three points"),
    }
    labels = {p.id: p.objects.labels.tolist() for p in found.pictures}
    assert labels == {139: [1, 2], 7: [0, 0], 25: [], 8: [1], 40: [0, 0]}


def test_the_report_counts_and_names_wrong_objects(rng, tmp_path, caplog, capsys):
    path, images = write_set(tmp_path, rng)
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        dataset = keras_nonlocal.data.coco_dataset(path, images, dataset_type="keras")
    assert {*map(tuple, dataset.wrong_objects)} == WRONG
    (message,) = caplog.messages
    assert message.startswith("6 wrong objects are left out:\n2 × it has no polygon")
    assert "annotation 9 of 8.png: its box lies outside of the picture" in message
    assert capsys.readouterr().out == (
        "Found 5 pictures with 5 objects belonging to 3 classes.\n"
        "6 wrong objects are left out.\n"
    )


def test_missing_values_follow_from_others(rng, tmp_path):
    _, images = write_set(tmp_path, rng)
    held = content()
    for entry in held["images"]:
        del entry["height"], entry["width"]
    for entry in held["annotations"]:
        del entry["iscrowd"], entry["id"], entry["area"]
        if entry["image_id"] == 7:
            del entry["bbox"]
    found = read_annotations(held, images, Contents())
    assert {p.id: p.size for p in found.pictures} == SIZES
    # The crowd is an object now.
    boxes = {p.id: p.objects.boxes.tolist() for p in found.pictures}
    # The ellipse, and the rectangle that annotation 8 draws in a box without an area.
    assert boxes[7] == [[4, 20, 34, 60], [5, 5, 6, 15]]
    assert [2, 5, 45, 30] in boxes[8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.pop("images"), 'with lists of mappings called "images"'),
        (lambda held: held["categories"].clear(), "must list its categories"),
        (lambda held: held["categories"].append({"id": 3}), "an `id` of its own"),
        (lambda held: held["categories"].append({"name": "x"}), "as its `id`"),
        (lambda held: held["categories"][0].update(id=[3]), "as its `id`"),
        (lambda held: held["categories"][0].update(id="3"), "strings for all"),
        (lambda held: held["images"][0].pop("file_name"), "and a `file_name`"),
        (lambda held: held["images"][0].update(id={"a": 1}), "and a `file_name`"),
        (lambda held: held["images"][0].update(height=0), "must be positive integers"),
        (lambda held: held["images"][0].pop("width"), "must be positive integers"),
        (lambda held: held["images"][0].update(id=7), "its images an `id` of its own"),
        (lambda held: held["images"][0].update(id="x"), "images must be integers for"),
        (lambda held: held["categories"][0].update(id=2**64), "integer of 64 bits"),
    ],
)
def test_files_that_cannot_be_understood(change, message, tmp_path):
    held = json.loads(json.dumps(content()))
    change(held)
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        read_annotations(held, tmp_path, Contents())


def test_ids_and_flags_that_other_programs_write(tmp_path):
    held = json.loads(json.dumps(content()))
    expected = read_annotations(held, tmp_path, Contents())
    for entry in held["annotations"]:
        entry["iscrowd"] = str(entry["iscrowd"])
        entry["image_id"] = float(entry["image_id"])
        entry["category_id"] = np.int64(entry["category_id"])
    for entry in held["images"]:
        entry.update(id=np.int32(entry["id"]), height=float(entry["height"]))
    for entry in held["categories"]:
        entry["id"] = float(entry["id"])
    found = read_annotations(held, tmp_path, Contents())
    assert found.categories.ids == expected.categories.ids
    assert found.wrong_objects == expected.wrong_objects
    for one, other in zip(found.pictures, expected.pictures, strict=True):
        assert (one.id, one.size) == (other.id, other.size)
        assert type(one.id) is int
        np.testing.assert_array_equal(one.objects.boxes, other.objects.boxes)
        np.testing.assert_array_equal(one.objects.labels, other.objects.labels)


def test_names_are_lines_that_differ():
    entries = [
        {"id": 2, "name": "person"},
        {"id": 0, "name": "person", "supercategory": "none"},
        {"id": 5, "name": " two\nlines "},
        {"id": 7, "name": None},
        {"id": 9, "name": "dog"},
    ]
    found = read_categories(entries)
    assert found.ids == (0, 2, 5, 7, 9)
    assert found.names == ("person (0)", "person (2)", "two lines", "7", "dog")
    again = read_categories(
        [
            {"id": 1, "name": "a"},
            {"id": 2, "name": "a"},
            {"id": 3, "name": "a (1)"},
            {"id": 4, "name": 7},
        ]
    )
    assert again.names == ("a (1) (1)", "a (2)", "a (1) (3)", "7")


def test_objects_of_other_pictures_and_crowds_refuse_no_file(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    held = json.loads(Path(path).read_text())
    held["annotations"] = [{**held["annotations"][0], "image_id": 10**6}]
    load = functools.partial(
        keras_nonlocal.data.coco_dataset,
        images=images,
        dataset_type="keras",
        verbose=False,
    )
    assert len(load(held).wrong_objects) == 1
    image = held["images"][0]["id"]
    outside = {"id": 1, "image_id": image, "category_id": 3, "bbox": [-9, -9, 2, 2]}
    held["annotations"] = [outside]
    with pytest.raises(ValueError, match="at least one object that can be used"):
        load(held, masks=False)
    crowd = {**outside, "id": 2, "iscrowd": 1, "bbox": [1, 1, 9, 9]}
    held["annotations"].append(crowd)
    assert len(load(held, masks=False).wrong_objects) == 1


def test_numbers_that_other_programs_write(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    held = json.loads(Path(path).read_text())
    entries = [e for e in held["annotations"] if e.get("bbox")]
    expected = truth_of(held, images)
    entries[0]["bbox"] = [str(number) for number in entries[0]["bbox"]]
    entries[1]["bbox"] = np.array(entries[1]["bbox"])
    for entry in held["annotations"]:
        segmentation = entry.get("segmentation")
        if isinstance(segmentation, dict):
            segmentation["size"] = [float(side) for side in segmentation["size"]]
            if isinstance(segmentation["counts"], list):
                segmentation["counts"] = np.array(segmentation["counts"], "float64")
        elif segmentation:
            entry["segmentation"] = [np.array(part) for part in segmentation]
        entry["image_id"] = np.float32(entry["image_id"])
    assert truth_of(held, images) == expected
    entries[0]["bbox"] = [1, 2, 3, 10**400]
    entries[1]["area"] = 10**400
    found = truth_of(held, images)
    assert len(found["annotations"]) == len(expected["annotations"]) - 1


def truth_of(held, images):
    dataset = keras_nonlocal.data.coco_dataset(
        held, images, dataset_type="keras", verbose=False
    )
    return dataset.source.ground_truth()


def test_a_file_of_boxes_alone_is_refused_for_masks(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    held = json.loads(Path(path).read_text())
    for entry in held["annotations"]:
        entry.pop("segmentation")
    with pytest.raises(
        ValueError, match=r"pass `masks=False` .*Received: \d × it has no"
    ):
        keras_nonlocal.data.coco_dataset(held, images, dataset_type="keras")
    dataset = keras_nonlocal.data.coco_dataset(
        held, images, masks=False, dataset_type="keras", verbose=False
    )
    assert len(dataset.wrong_objects) == 4


def test_a_name_that_no_file_can_have_is_a_failure(tmp_path):
    with pytest.raises(ImageError, match="null byte"):
        read_bytes(str(tmp_path / "a\0.png"))


def test_files_that_are_no_json(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match=r"must be a JSON file \(.*Received: .*broken"):
        read_annotations(path, tmp_path, Contents())


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": "wrong"},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, float("nan"), 3]},
        {"bbox": [1, 2, -3, 4]},
        {"category_id": None},
        {"category_id": [3]},
        {"image_id": [3]},
        {"image_id": {}},
        {"iscrowd": "no"},
        {"iscrowd": 2},
    ],
)
def test_objects_with_nonsense_are_wrong(changes, tmp_path):
    held = json.loads(json.dumps(content()))
    held["annotations"][0].update(changes)
    found = read_annotations(held, tmp_path, Contents())
    assert 1 in {wrong.annotation_id for wrong in found.wrong_objects}
    assert len(found.wrong_objects) == len(WRONG) + 1


def test_pictures_of_unknown_size_that_cannot_be_read(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    held = json.loads(path.read_text())
    for entry in held["images"]:
        del entry["height"], entry["width"]
    (images / "7.png").unlink()
    (images / "8.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match=r"7\.png"):
        read_annotations(held, images, Contents())
    failures = FailurePolicy("skip")
    found = read_annotations(held, images, Contents(), failures)
    assert [picture.id for picture in found.pictures] == [139, 25, 40]
    assert sorted(Path(name).name for name in failures.reasons) == ["7.png", "8.png"]
    # Their objects are left out with them, and are not wrong.
    assert not {3, 4} & {wrong.annotation_id for wrong in found.wrong_objects}
    with pytest.raises(ValueError, match="max_errors"):
        read_annotations(held, images, Contents(), FailurePolicy("skip", 1))


def persons(*names):
    return read_categories([{"id": 1, "name": "person", "keypoints": [*names]}])


def test_keypoints_that_change_sides_are_found_by_name():
    names = ("nose", "left_eye", "right_eye", "tail", "LeftPaw", "RightPaw", "left_ear")
    found = read_keypoints(persons(*names), None, None)
    assert found.flip_order == (0, 2, 1, 3, 5, 4, 6)
    assert found.sigmas is None
    given = read_keypoints(persons(*names), [("nose", 3), (1, 2)], [0.1] * 7)
    assert given.flip_order == (3, 2, 1, 0, 4, 5, 6)
    assert given.sigmas == (0.1,) * 7


def test_skeletons_count_from_one_and_may_be_wrong():
    person = {"id": 1, "name": "person", "keypoints": ["a", "b", "c"]}
    lines = [[1, 2], [3, 1], [1, 2], [0, 1], [2, 2], [3, 4], [1], "12", None]
    found = read_keypoints(
        read_categories([{**person, "skeleton": lines}]), [("a", "c")], None
    )
    assert found.skeleton == ((0, 1), (2, 0))
    assert found.flip_pairs == ((0, 2),)
    assert read_keypoints(persons("a", "b"), None, None).skeleton == ()
    for skeleton in (None, 7, "line"):
        categories = read_categories([{**person, "skeleton": skeleton}])
        assert read_keypoints(categories, None, None).skeleton == ()


def test_coco_is_the_same_for_data_and_models():
    from keras_nonlocal.detection import KeypointSet

    own = KeypointSet.of(17)
    entry = {"id": 1, "name": "person", "keypoints": [*own.names]}
    entry["skeleton"] = [[one + 1, other + 1] for one, other in own.skeleton]
    found = read_keypoints(read_categories([entry]), None, None)
    assert found.flip_pairs == own.flip_pairs
    assert found.sigmas == own.oks_sigmas
    assert found.skeleton == own.skeleton


def test_sigmas_of_coco_are_those_of_pycocotools():
    from pycocotools.cocoeval import Params

    found = read_keypoints(persons(*map(str, range(17))), None, None)
    # pycocotools divides tenths by 10.
    np.testing.assert_allclose(found.sigmas, Params("keypoints").kpt_oks_sigmas)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([("a", "d")], None), "pairs of different keypoints"),
        (([("a", "a")], None), "pairs of different keypoints"),
        (([(0, 3)], None), "pairs of different keypoints"),
        (([(0, 1), (1, 2)], None), "each keypoint at most once"),
        ((None, [0.1]), "a number for each of 3 keypoints"),
        ((None, [0.1, 0.1, 0.0]), "must be a positive number"),
    ],
)
def test_keypoints_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        read_keypoints(persons("a", "b", "c"), *arguments)


def test_data_without_keypoints(tmp_path):
    with pytest.raises(ValueError, match="Received: 0 different lists of keypoints"):
        read_annotations(content(), tmp_path, Contents(keypoints=True))


def test_a_folder_without_the_pictures_is_refused(tmp_path, rng):
    path, images = write_set(tmp_path, rng)
    load = functools.partial(
        keras_nonlocal.data.coco_dataset, path, dataset_type="keras", verbose=False
    )
    assert load(images=images).source.pictures
    for wrong in ("nowhere", str(Path(images).parent / "other")):
        with pytest.raises(ValueError, match=f"`images` must be .*images='{wrong}', w"):
            load(images=wrong)
