"""COCO's figures of models whose detections are known."""

import io
import json
import logging
import math
import os
import shutil
import threading
import zlib
from contextlib import redirect_stdout

import keras
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from keras_nonlocal import evaluate_coco
from keras_nonlocal.data import ImageError, coco_dataset
from tests.data.coco.annotated import (
    Oracle,
    content,
    rectangle,
    write_many,
    write_pictures,
    write_set,
)

SIZES = {"short_side": (48, 64), "long_side": 96, "max_boxes": 6}


def load(source, **options):
    defaults = {"seed": 5, "horizontal_flip": True, "verbose": False, **SIZES}
    return coco_dataset(*source, dataset_type="keras", **(defaults | options))


@pytest.fixture
def fixture_set(rng, tmp_path):
    return write_set(tmp_path, rng)


def test_the_ground_truth_as_detections_is_perfect(fixture_set, tmp_path):
    dataset = load(fixture_set)
    file = tmp_path / "detections.json"
    result = evaluate_coco(Oracle(dataset), dataset, detections_file=file, verbose=0)
    known = {"AP", "AP50", "AP75", "APs", "APm", "AR1", "AR10", "AR100", "ARs", "ARm"}
    for figures in (result.box, result.mask):
        assert {k for k, v in figures.items() if v == pytest.approx(1)} == known
        # No object is large.
        assert math.isnan(figures["APl"])
        assert math.isnan(figures["ARl"])
    assert result.keypoints is None
    assert (result.num_pictures, len(result.detections)) == (5, 5)
    assert [(row["class"], row["objects"]) for row in result.per_class] == [
        ("car", 2),
        ("cat", 2),
        ("toothbrush", 1),
    ]
    assert all(row["box"] == pytest.approx(1) for row in result.per_class)
    assert json.loads(json.dumps(result.to_dict()))["mask"]["APl"] is None
    assert "box: AP 1.0000, AP50 1.0000" in str(result)
    # pycocotools loads the file, with the ids of the original categories.
    with redirect_stdout(io.StringIO()):
        loaded = COCO(str(fixture_set[0])).loadRes(str(file))
    assert sorted(loaded.getCatIds(catIds=[3, 17, 90])) == [3, 17, 90]
    assert len(loaded.getAnnIds()) == 5
    box = loaded.loadAnns(loaded.getAnnIds(imgIds=[8]))[0]["bbox"]
    np.testing.assert_allclose(box, [50, 3, 36, 25], atol=1e-4)


def missed(outputs):
    outputs["labels"][:] = -1
    return outputs


def test_no_detections_give_zero(fixture_set, tmp_path):
    dataset = load(fixture_set)
    file = tmp_path / "detections.json"
    model = Oracle(dataset, missed)
    result = evaluate_coco(model, dataset, detections_file=file, verbose=0)
    for figures in (result.box, result.mask):
        assert {v for v in figures.values() if not math.isnan(v)} == {0}
    assert json.loads(file.read_text()) == []


def test_detections_in_crowds_do_not_count(fixture_set):
    dataset = load(fixture_set, masks=False)

    def with_another(outputs):
        # In the crowd of picture 8, in scaled pixels, and before all others.
        for index, labels in enumerate(outputs["labels"]):
            if labels[0] == 1 and labels[1] == -1:
                outputs["labels"][index, 1] = 0
                outputs["scores"][index, 1] = 0.99
                outputs["boxes"][index, 1] = [10, 10, 30, 28]
        return outputs

    result = evaluate_coco(Oracle(dataset, with_another), dataset, verbose=0)
    assert len(result.detections) == 8
    assert result.box["AP"] == pytest.approx(1)
    held = content()
    held["annotations"] = [a for a in held["annotations"] if not a["iscrowd"]]
    dataset = load((held, fixture_set[1]), masks=False)
    result = evaluate_coco(Oracle(dataset, with_another), dataset, verbose=0)
    assert result.box["AP"] < 0.95


def scattered(seed):
    """Moves boxes, changes labels and scores of a picture, always in the same way."""

    def change(outputs):
        boxes, labels = outputs["boxes"].copy(), outputs["labels"].copy()
        scores = outputs["scores"].copy()
        for place, own in enumerate(outputs["boxes"]):
            rng = np.random.default_rng([seed, zlib.crc32(own.tobytes())])
            boxes[place] += rng.normal(0, 1.5, own.shape)
            scores[place] = rng.random(len(own))
            is_other = (rng.random(len(own)) < 0.2) & (labels[place] >= 0)
            labels[place, is_other] = 0
        return outputs | {"boxes": boxes, "labels": labels, "scores": scores}

    return change


@pytest.fixture
def many(rng, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    held = write_many(folder, rng, 25)
    for number, annotation in enumerate(held["annotations"]):
        # pycocotools takes an `id` of 0 for no match; here, files begin with it.
        assert annotation["id"] == number
        _x, _y, width, height = annotation["bbox"]
        annotation["area"] = width * height
    return held, folder


@pytest.mark.parametrize("evaluator", ["pycocotools", "faster-coco-eval"])
def test_figures_are_those_of_the_files_by_hand(many, rng, tmp_path, evaluator):
    if evaluator == "faster-coco-eval":
        pytest.importorskip("faster_coco_eval")
    dataset = load(many)
    model = Oracle(dataset, scattered(int(rng.integers(1000))))
    file = tmp_path / "detections.json"
    result = evaluate_coco(
        model, dataset, detections_file=file, evaluator=evaluator, verbose=0
    )
    held = json.loads(json.dumps(many[0]))
    for annotation in held["annotations"]:
        annotation["id"] += 1
    (tmp_path / "truth.json").write_text(json.dumps(held))
    for kind, figures in (("bbox", result.box), ("segm", result.mask)):
        with redirect_stdout(io.StringIO()):
            truth = COCO(str(tmp_path / "truth.json"))
            entries = json.loads(file.read_text())
            for entry in entries:
                if kind == "segm":
                    del entry["bbox"]
            run = COCOeval(truth, truth.loadRes(entries), kind)
            run.evaluate()
            run.accumulate()
            run.summarize()
        expected = np.where(run.stats < 0, np.nan, run.stats)
        np.testing.assert_allclose([*figures.values()], expected, atol=1e-12)
        assert 0.02 < figures["AP"] < 0.98
    ap = [row["box"] for row in result.per_class]
    assert np.nanmean(ap) == pytest.approx(result.box["AP"])


class KilledError(Exception):
    """The end of a process."""


def test_an_interrupted_evaluation_is_resumed(many, tmp_path):
    dataset = load(many)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inputs)
    oracle, file = Oracle(dataset, scattered(1)), tmp_path / "results.jsonl"
    whole = evaluate_coco(oracle, dataset, verbose=0)

    def until(count):
        oracle.calls = 0

        def predict(x):
            if oracle.calls == count:
                raise KilledError
            return oracle.predict_on_batch(x)

        model.predict_on_batch = predict
        return evaluate_coco(model, dataset, results_file=file, verbose=0)

    with pytest.raises(KilledError):
        until(4)
    lines = file.read_text().splitlines()
    assert len(lines) == 1 + 4 * 2
    # A line that a kill cut off.
    file.write_text("\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2]]))
    total = len(dataset.source.for_evaluation(dataset.failures)._groups(0))
    resumed = until(100)
    assert oracle.calls == total - 3
    assert resumed.to_dict() == whole.to_dict()
    assert until(0).to_dict() == whole.to_dict()
    model.predict_on_batch = oracle.predict_on_batch
    with pytest.raises(ValueError, match="with another buckets, short_side"):
        evaluate_coco(model, load(many, short_side=65), results_file=file, verbose=0)
    file.write_text('{"settings": {}}\n{"path": "a.mp4"}\n')
    with pytest.raises(ValueError, match="must be a file that `evaluate_coco` wrote"):
        evaluate_coco(model, dataset, results_file=file, verbose=0)


def test_results_of_other_pictures_of_the_same_names_are_not_taken(many, tmp_path):
    annotations, folder = many
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inputs)
    model.predict_on_batch = Oracle(load(many)).predict_on_batch
    file = tmp_path / "results.jsonl"
    evaluate_coco(model, load(many), results_file=file, verbose=0)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    evaluate_coco(model, load((annotations, copy)), results_file=file, verbose=0)
    picture = next(copy.glob("*.png"))
    Image.fromarray(np.zeros_like(np.array(Image.open(picture)))).save(picture)
    with pytest.raises(ValueError, match="with another data"):
        evaluate_coco(model, load((annotations, copy)), results_file=file, verbose=0)


def test_classes_of_other_names_are_said(fixture_set, caplog):
    dataset = load(fixture_set)
    oracle = Oracle(dataset)
    oracle.category_ids, oracle.class_names = (3, 17, 90), ("car", "dog", "toothbrush")
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        evaluate_coco(oracle, dataset, verbose=0)
    assert caplog.messages[-1:] == [
        "The model calls the category 17 'dog', and the dataset calls it 'cat'."
    ]


def test_unreadable_pictures_and_their_objects_do_not_count(fixture_set):
    dataset = load(fixture_set)
    oracle = Oracle(dataset)
    (fixture_set[1] / "7.png").write_bytes(b"broken")
    result = evaluate_coco(oracle, dataset, verbose=0)
    assert result.num_pictures == 4
    assert [*result.failures] == [str(fixture_set[1] / "7.png")]
    assert result.box["AP"] == pytest.approx(1)
    assert "1 picture could not be read:\n" in str(result)
    with pytest.raises(ImageError, match=r"7\.png"):
        evaluate_coco(oracle, dataset, on_error="raise", verbose=0)


def keypoint_set(folder, rng):
    names = ["nose", "left_hand", "right_hand"]
    held = write_many(folder, rng, 8, categories=1)
    held["categories"] = [{"id": 1, "name": "person", "keypoints": names}]
    for annotation in held["annotations"]:
        x, y, width, height = annotation["bbox"]
        places = rng.random((3, 2)) * [width, height] + [x, y]
        points = [[*np.floor(place), 2] for place in places]
        annotation["keypoints"] = np.array(points).ravel().tolist()
        annotation["num_keypoints"] = 3
        # COCO's figures of keypoints leave small objects out.
        annotation["area"] = 40.0**2
    return held, folder


def scored(outputs):
    points = outputs["keypoints"].copy()
    points[..., 2] = 1.5
    return outputs | {"keypoints": points}


def test_keypoints(rng, tmp_path):
    source = keypoint_set(tmp_path, rng)
    options = {"masks": False, "keypoints": True, "oks_sigmas": (0.05, 0.1, 0.1)}
    dataset = load(source, **options)
    result = evaluate_coco(Oracle(dataset, scored), dataset, verbose=0)
    assert result.mask is None
    assert set(result.keypoints) == {
        *("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
    }
    assert result.keypoints["AP"] == pytest.approx(1)
    assert result.per_class[0]["keypoints"] == pytest.approx(1)
    by_image = {}
    for annotation in source[0]["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    for detection in result.detections:
        distances = [
            np.abs(
                np.subtract(a["keypoints"], detection["keypoints"])[[0, 1, 3, 4]]
            ).max()
            for a in by_image[detection["image_id"]]
        ]
        assert min(distances) < 1e-4

    def moved(outputs):
        points = scored(outputs)["keypoints"]
        points[..., 0] += 15
        return outputs | {"keypoints": points}

    worse = evaluate_coco(Oracle(dataset, moved), dataset, verbose=0)
    assert worse.keypoints["AP"] < 0.5
    dataset = load(source, masks=False, keypoints=True)
    with pytest.raises(ValueError, match="`oks_sigmas` must be given to"):
        evaluate_coco(Oracle(dataset, scored), dataset, verbose=0)


def test_models_and_datasets_must_fit(fixture_set):
    dataset = load(fixture_set)
    oracle = Oracle(dataset)
    with pytest.raises(TypeError, match=r"without further transformations\. Received"):
        evaluate_coco(oracle, [1, 2])
    with pytest.raises(ValueError, match="`evaluator` must be one of"):
        evaluate_coco(oracle, dataset, evaluator="fast")
    with pytest.raises(ValueError, match="`mask_threshold` must be from 0 to 1"):
        evaluate_coco(oracle, dataset, mask_threshold=2)
    oracle.classes = 80
    with pytest.raises(ValueError, match=r"classes of the dataset\. Received: .* 80"):
        evaluate_coco(oracle, dataset)
    oracle.classes, oracle.category_ids = 3, (1, 3, 17)
    with pytest.raises(ValueError, match=r"ids \[1, 3, 17\], and .*\[3, 17, 90\]"):
        evaluate_coco(oracle, dataset)
    empty = Oracle(dataset, lambda outputs: {"boxes": outputs["boxes"]})
    with pytest.raises(ValueError, match="without labels, scores"):
        evaluate_coco(empty, dataset, verbose=0)


def test_masks_are_pasted_where_they_were(rng, tmp_path):
    """A large picture, whose objects lie at its borders."""
    images = [{"id": 1, "file_name": "a.png", "height": 300, "width": 420}]
    write_pictures(tmp_path, rng, images)
    boxes = [[0.0, 0.0, 100.0, 60.0], [330.0, 200.0, 90.0, 100.0]]
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 5,
            "bbox": box,
            "segmentation": rectangle(box),
        }
        for number, box in enumerate(boxes)
    ]
    names = [{"id": 5, "name": "box"}]
    held = {"images": images, "annotations": annotations, "categories": names}
    dataset = load((held, tmp_path), short_side=150, long_side=210)
    result = evaluate_coco(Oracle(dataset), dataset, verbose=0)
    for box, detection in zip(boxes, result.detections, strict=True):
        drawn = coco_mask.decode(detection["segmentation"]).astype(bool)
        x, y, width, height = map(int, box)
        expected = np.zeros((300, 420), bool)
        expected[y : y + height, x : x + width] = True
        # The outline may be half a cell of 112 off.
        assert (drawn & expected).sum() / (drawn | expected).sum() > 0.97
    assert result.mask["AP"] == pytest.approx(1)


def moved(offset):
    def change(outputs):
        outputs["boxes"] = outputs["boxes"] + offset
        return outputs

    return change


@pytest.mark.parametrize("offset", [-300.0, 300.0])
def test_masks_outside_of_the_picture_are_empty(fixture_set, offset):
    dataset = load(fixture_set)
    model = Oracle(dataset, moved(np.float32(offset)))
    result = evaluate_coco(model, dataset, verbose=0)
    assert result.mask["AP"] == 0


def test_what_is_wrong_is_said_before_anything_is_detected(fixture_set, tmp_path):
    dataset = load(fixture_set)
    with pytest.raises(ValueError, match="must lie in an existing folder") as error:
        evaluate_coco(None, dataset, detections_file=tmp_path / "no" / "such.json")
    received = f"Received: detections_file={str(tmp_path / 'no' / 'such.json')!r}"
    assert str(error.value).endswith(received)
    with pytest.raises(ValueError, match="`results_file` must lie in an existing"):
        evaluate_coco(None, dataset, results_file=tmp_path / "no" / "such.jsonl")
    with pytest.raises(ValueError, match="`verbose` must be"):
        evaluate_coco(None, dataset, verbose="no")


def test_detections_replace_nothing_but_detections(fixture_set, tmp_path):
    annotations, folder = fixture_set
    dataset = load(fixture_set)
    results, link = tmp_path / "found.jsonl", tmp_path / "link.json"
    results.write_text('{"settings": {}}\n')
    picture = next(folder.glob("*.png"))
    link.symlink_to(picture)
    archive = tmp_path / "model.keras"
    archive.write_bytes(b"PK\x03\x04 and so on")
    names = tmp_path / "names.json"
    names.write_text('["car", "cat"]')
    # The model is never asked.
    for file in (annotations, results, picture, link, archive, names):
        before = file.read_bytes()
        with pytest.raises(ValueError, match=r"must be a new file, or .* Received: "):
            evaluate_coco(None, dataset, detections_file=file, verbose=0)
        assert file.read_bytes() == before
    with pytest.raises(
        ValueError, match=r"`detections_file` must be a file\. Received"
    ):
        evaluate_coco(None, dataset, detections_file=folder, verbose=0)
    for own in (tmp_path / "new.jsonl", f"{tmp_path}/./new.jsonl"):
        files = {"results_file": tmp_path / "new.jsonl", "detections_file": own}
        with pytest.raises(ValueError, match="must differ from `results_file`"):
            evaluate_coco(None, dataset, verbose=0, **files)
    model = Oracle(dataset)
    for held in ("", "[]", ' [\n {"image_id": 7}]'):
        names.write_text(held)
        evaluate_coco(model, dataset, detections_file=names, verbose=0)
        assert len(json.loads(names.read_text())) == 5


def test_a_pipe_takes_detections_and_no_results(fixture_set, tmp_path):
    dataset = load(fixture_set)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Not a regular file"):
        evaluate_coco(Oracle(dataset), dataset, results_file=pipe, verbose=0)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    evaluate_coco(Oracle(dataset), dataset, detections_file=pipe, verbose=0)
    reader.join()
    assert len(json.loads(received[0])) == 5
    assert pipe.is_fifo()


def test_objects_of_pictures_that_cannot_be_read_do_not_count(fixture_set):
    annotations, folder = fixture_set
    entries = json.loads(annotations.read_text())
    lost = next(i for i in entries["images"] if i["id"] == 8)
    dataset = load(fixture_set)
    oracle = Oracle(dataset)
    (folder / lost["file_name"]).write_bytes(b"x")
    result = evaluate_coco(oracle, dataset, verbose=0, on_error="skip")
    assert result.num_pictures == 4
    assert sum(row["objects"] for row in result.per_class) < 5
    assert [*result.failures.values()] == ["it is no picture that Pillow can read"]


@pytest.mark.parametrize("area", [None, "x", float("nan")])
def test_an_area_that_is_no_number_is_that_of_the_mask(fixture_set, area):
    annotations, folder = fixture_set
    entries = json.loads(annotations.read_text())
    expected = load(fixture_set).source.ground_truth()["annotations"]
    for entry in entries["annotations"]:
        entry["area"] = area
    truth = load((entries, folder)).source.ground_truth()["annotations"]
    for own, known in zip(truth, expected, strict=True):
        if known["segmentation"] is not None:
            assert own["area"] == coco_mask.area(known["segmentation"])
