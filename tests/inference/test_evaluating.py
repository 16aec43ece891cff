"""Figures of a collection, and a long run that is interrupted."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from keras_nonlocal import evaluate_videos, predict_video, predict_videos
from keras_nonlocal.data import PyAVReader, VideoList
from keras_nonlocal.inference import VideoEvaluation
from keras_nonlocal.models.clip_info import ClipInfo
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import binary, small

OPTIONS = {"num_clips": 2, "num_crops": 1, "frame_stride": 2, "verbose": 0}


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    paths = [
        str(
            write_video(folder / f"{i}.mp4", moving_pictures(9, 48, 40 + 8 * i, seed=i))
        )
        for i in range(5)
    ]
    return VideoList(tuple(paths), (0, 1, 4, 3, 1), ("a", "b", "c", "d", "e"))


def naive_average_precision(labels, scores):
    hits, total = 0, 0.0
    for place, index in enumerate(np.argsort(-scores, kind="stable"), 1):
        if labels[index]:
            hits += 1
            total += hits / place
    return total / hits


def test_figures_of_random_scores():
    rng = np.random.default_rng()
    scores = np.float32(rng.normal(size=(40, 7)))
    labels = rng.permutation(np.arange(40) % 6)  # none of the last class
    names = tuple("abcdefg")
    paths = tuple(map(str, range(40)))
    result = VideoEvaluation(paths, tuple(map(int, labels)), scores, names, {})
    best = np.argsort(-scores, axis=1)
    assert result.top1 == pytest.approx(np.mean(best[:, 0] == labels))
    in_five = [label in row[:5] for label, row in zip(labels, best, strict=True)]
    assert result.top5 == pytest.approx(np.mean(in_five))
    confusion = result.confusion_matrix
    for row in range(7):
        for column in range(7):
            count = sum((labels == row) & (best[:, 0] == column))
            assert confusion[row, column] == count
    expected = [naive_average_precision(labels == c, scores[:, c]) for c in range(6)]
    np.testing.assert_allclose(result.average_precisions[:6], expected, rtol=1e-5)
    assert np.isnan(result.average_precisions[6])
    assert result.mean_average_precision == pytest.approx(np.mean(expected), rel=1e-5)
    rows = result.per_class
    assert [row["videos"] for row in rows] == [*np.bincount(labels, minlength=7)]
    assert rows[2]["top1"] == pytest.approx(np.mean(best[labels == 2, 0] == 2))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["per_class"][
        6
    ] == {
        "class": "g",
        "videos": 0,
        "top1": None,
        "top5": None,
        "average_precision": None,
    }


def test_scores_that_are_not_numbers_are_wrong():
    scores = np.full((3, 6), np.nan, "float32")
    names = tuple("abcdef")
    broken = VideoEvaluation(("x", "y", "z"), (0, 2, 5), scores, names, {})
    assert (broken.top1, broken.top5) == (0.0, 0.0)
    assert broken.confusion_matrix.sum() == 0
    assert np.isnan(broken.mean_average_precision)
    assert np.isnan(broken.average_precisions).all()
    assert json.loads(json.dumps(broken.to_dict()))["mean_average_precision"] is None
    assert "3 of them have NaN as scores" in str(broken)
    scores[1] = np.eye(6)[2]
    one = VideoEvaluation(("x", "y", "z"), (0, 2, 5), scores, names, {})
    assert (one.top1, one.top5) == pytest.approx((1 / 3, 1 / 3))
    assert np.isnan(one.mean_average_precision)
    assert one.confusion_matrix.tolist() == np.diag([0, 0, 1, 0, 0, 0]).tolist()


def test_several_labels_have_no_accuracy():
    scores = np.array([[0.9, 0.2, 0.3], [0.8, 0.7, 0.1], [0.3, 0.1, 0.2]], "float32")
    result = VideoEvaluation(
        ("x", "y", "z"), ((0, 2), (1,), ()), scores, ("a", "b", "c"), {}
    )
    assert result.top1 is result.top5 is result.confusion_matrix is None
    np.testing.assert_allclose(result.average_precisions, [1, 1, 1])
    assert result.per_class[0] == {"class": "a", "videos": 1, "average_precision": 1.0}
    assert str(result) == "3 videos: mAP 1.0000"


def test_equal_scores_count_for_the_first_class():
    scores = np.full((2, 6), 0.5, "float32")
    names = tuple("abcdef")
    result = VideoEvaluation(("x", "y"), (0, 5), scores, names, {})
    assert (result.top1, result.top5) == (0.5, 0.5)


def test_scores_are_those_of_predict_video(model, videos):
    result = evaluate_videos(model, videos, **OPTIONS)
    expected = predict_video(model, videos.paths, **OPTIONS)
    np.testing.assert_allclose(result.scores, expected, atol=1e-6)
    assert (result.paths, result.labels) == (videos.paths, videos.labels)
    assert result.top1 == np.mean(expected.argmax(1) == np.array(videos.labels))


def test_a_directory(model, videos, tmp_path):
    for index, name in enumerate(videos.class_names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.mp4").symlink_to(videos.paths[index])
    result = evaluate_videos(model, tmp_path, **OPTIONS)
    assert result.class_names == videos.class_names
    assert result.labels == (0, 1, 2, 3, 4)


def test_broken_videos_are_listed(model, videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    paths = (*videos.paths[:2], str(broken), *videos.paths[2:])
    labels = (*videos.labels[:2], 0, *videos.labels[2:])
    videos = replace(videos, paths=paths, labels=labels)
    result = evaluate_videos(model, videos, **OPTIONS)
    assert result.paths == (*paths[:2], *paths[3:])
    assert [*result.failures] == [str(broken)]
    assert f"1 video could not be read:\n  {broken}: " in str(result)
    with pytest.raises(ValueError, match=r"Cannot read .*broken\.mp4"):
        evaluate_videos(model, videos, on_error="raise", **OPTIONS)
    rows = predict_video(model, paths, on_error="skip", **OPTIONS)
    assert np.isnan(rows[2]).all()
    assert np.isfinite(np.delete(rows, 2, axis=0)).all()


def test_scores_before_an_error_are_in_the_results_file(model, videos, tmp_path):
    missing = str(tmp_path / "missing.mp4")
    paths = (*videos.paths[:2], missing, *videos.paths[2:])
    labels = (*videos.labels[:2], 0, *videos.labels[2:])
    listed = replace(videos, paths=paths, labels=labels)
    path = tmp_path / "results.jsonl"
    # The two videos do not fill a batch.
    options = OPTIONS | {"results_file": path, "batch_size": 100}
    with pytest.raises(ValueError, match=r"Cannot read .*missing\.mp4"):
        evaluate_videos(model, listed, on_error="raise", **options)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["path"] for line in lines[1:]] == [*paths[:3]]
    assert [*lines[3]] == ["path", "segment", "label", "error"]


class CountingModel:
    """Counts the views that a model is asked for, and fails after some."""

    def __init__(self, model, limit=None):
        self._model, self._limit, self.views = model, limit, 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict_on_batch(self, x):
        if self._limit is not None and self.views >= self._limit:
            raise KeyboardInterrupt
        self.views += len(x)
        return self._model.predict_on_batch(x)


@pytest.mark.parametrize("cut_off", [0, 25])
def test_an_interrupted_run_goes_on(model, videos, tmp_path, cut_off):
    path = tmp_path / "results.jsonl"
    options = OPTIONS | {"results_file": path, "batch_size": 2}
    whole = evaluate_videos(model, videos, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        evaluate_videos(CountingModel(model, limit=6), videos, **options)
    content = path.read_bytes()
    assert content.count(b"\n") == 1 + 3
    path.write_bytes(content[: len(content) - cut_off])
    counting = CountingModel(model)
    result = evaluate_videos(counting, videos, **options)
    assert counting.views == (4 if cut_off == 0 else 6)
    np.testing.assert_allclose(result.scores, whole.scores, atol=1e-6)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["path"] for line in lines[1:]) == sorted(videos.paths)
    again = CountingModel(model)
    evaluate_videos(again, videos, **options)
    assert again.views == 0


def test_a_results_file_of_other_weights_or_arguments(model, videos, tmp_path):
    path = tmp_path / "results.jsonl"
    evaluate_videos(model, videos, results_file=path, **OPTIONS)
    with pytest.raises(ValueError, match=r"with another frame_stride$"):
        evaluate_videos(
            model, videos, results_file=path, **OPTIONS | {"frame_stride": 1}
        )
    other = small()
    with pytest.raises(ValueError, match=r"with another model$"):
        evaluate_videos(other, videos, results_file=path, **OPTIONS)
    with pytest.raises(ValueError, match=r"with another preprocessing$"):
        evaluate_videos(
            model, videos, results_file=path, preprocessing=np.negative, **OPTIONS
        )


def test_a_results_file_of_another_reader(model, videos, tmp_path):
    file = tmp_path / "scores.jsonl"

    def evaluate(stop):
        reader = partial(open_until, stop=stop)
        return evaluate_videos(
            model, videos, results_file=file, open_video=reader, **OPTIONS
        )

    scores = evaluate(5).scores
    np.testing.assert_array_equal(evaluate(5).scores, scores)
    with pytest.raises(ValueError, match="with another open_video"):
        evaluate(6)


def open_until(path, stop):
    video = PyAVReader(path)
    assert stop > 0
    return video


@pytest.mark.parametrize(
    "content", ["one line\n", "notes without an end", '{"a": 1}', "[" * 99_999 + "\n"]
)
def test_other_files_are_left_alone(model, videos, tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match="`results_file` must be a file that"):
        evaluate_videos(model, videos, results_file=path, **OPTIONS)
    assert path.read_text() == content


def test_the_same_weights_in_another_network(videos, tmp_path):
    models = [small(), small(input_shape=(6, 40, 40, 3))]
    models[1].set_weights(models[0].get_weights())
    path = tmp_path / "results.jsonl"
    evaluate_videos(models[0], videos, results_file=path, **OPTIONS)
    with pytest.raises(ValueError, match=r"with another model$"):
        evaluate_videos(models[1], videos, results_file=path, **OPTIONS)


def test_segments_of_one_file_are_kept_apart(model, videos, tmp_path):
    path = videos.paths[0]
    parts = VideoList(
        (path, path, path),
        ((0, 1), (), (2,)),
        videos.class_names,
        ((0.0, 0.1), (0.2, 0.3), (0.1, float("inf"))),
    )
    file = tmp_path / "results.jsonl"
    first = evaluate_videos(model, parts, results_file=file, **OPTIONS)
    again = evaluate_videos(model, parts, results_file=file, **OPTIONS)
    assert np.abs(first.scores[0] - first.scores[1]).max() > 1e-6
    assert json.loads(file.read_text().splitlines()[-1])["segment"] == [0.1, "Infinity"]
    assert len(file.read_text().splitlines()) == 4
    np.testing.assert_array_equal(first.scores, again.scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "no labels$"),
        (
            {"class_names": ("a", "b"), "labels": (0, 1, 1, 1, 0)},
            "the 5 classes of the .*Received: 2 classes",
        ),
        ({"class_names": None, "labels": (0, 1, 5, 1, 1)}, "below 5, .* the label 5"),
    ],
)
def test_lists_that_do_not_fit(model, videos, change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_videos(model, replace(videos, **change), **OPTIONS)


def test_logits_need_an_activation(videos):
    inputs = keras.Input((4, 32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling3D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(5)(pooled))
    with pytest.raises(ValueError, match="Received: a model that ends with 'linear'"):
        evaluate_videos(model, videos, reduction="logits", **OPTIONS)


def named(names, model=None):
    model = small() if model is None else model
    model.clip_info = ClipInfo(class_names=names)
    return model


def test_a_test_folder_without_some_of_the_classes(model, videos, tmp_path):
    names = ("d", "e", "b", "a", "c")
    for index, name in ((1, "b"), (4, "b"), (3, "d")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{index}.mp4").symlink_to(videos.paths[index])
    (tmp_path / "e").mkdir()
    with pytest.raises(ValueError, match="or `class_names` must name those"):
        evaluate_videos(model, tmp_path, **OPTIONS)
    result = evaluate_videos(model, tmp_path, class_names=names, **OPTIONS)
    assert (result.class_names, result.labels) == (names, (0, 2, 2))
    expected = predict_videos(model, [videos.paths[i] for i in (3, 1, 4)], **OPTIONS)
    np.testing.assert_allclose(result.scores, expected, atol=1e-6)
    assert [row["videos"] for row in result.per_class] == [1, 0, 2, 0, 0]
    same = evaluate_videos(named(names), tmp_path, **OPTIONS)
    assert (same.class_names, same.labels) == (names, (0, 2, 2))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "x.mp4").symlink_to(videos.paths[0])
    with pytest.raises(ValueError, match=r"Received: 'f', which is not in \['d'"):
        evaluate_videos(model, tmp_path, class_names=names, **OPTIONS)


def test_one_class_alone(model, videos, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0.mp4").symlink_to(videos.paths[0])
    result = evaluate_videos(model, tmp_path, class_names="abcde", **OPTIONS)
    assert result.labels == (2,)


def test_labels_follow_the_names_of_the_model(videos):
    names = ("e", "d", "c", "b", "a")
    result = evaluate_videos(named(names), videos, **OPTIONS)
    assert (result.class_names, result.labels) == (names, (4, 3, 0, 1, 3))
    spelled = tuple(name.upper() for name in names)
    result = evaluate_videos(named(spelled), videos, **OPTIONS)
    assert (result.class_names, result.labels) == (videos.class_names, videos.labels)
    with pytest.raises(ValueError, match="without 'a'"):
        evaluate_videos(named(("b", "c", "d", "e", "x")), videos, **OPTIONS)
    with pytest.raises(ValueError, match="without 'a'"):
        evaluate_videos(named(names), videos, class_names=spelled, **OPTIONS)


def test_one_sigmoid_unit_decides_between_two_classes(videos, tmp_path):
    model = binary()
    two = VideoList(videos.paths, (0, 1, 1, 0, 1), ("no", "yes"))
    file = tmp_path / "results.jsonl"
    result = evaluate_videos(model, two, results_file=file, **OPTIONS)
    p = predict_videos(model, two, **OPTIONS)
    np.testing.assert_allclose(result.scores, np.hstack([1 - p, p]), atol=1e-6)
    assert result.top1 == np.mean((p[:, 0] > 0.5) == np.array(two.labels))
    again = evaluate_videos(model, two, results_file=file, **OPTIONS)
    np.testing.assert_array_equal(again.scores, result.scores)
    tags = VideoList(videos.paths, ((0,), (), (0,), (), ()), ("yes",))
    np.testing.assert_allclose(
        evaluate_videos(model, tags, **OPTIONS).scores, p, atol=1e-6
    )


def test_one_logit_decides_nothing(videos):
    inputs = keras.Input((4, 32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling3D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(pooled))
    two = VideoList(videos.paths, (0, 1, 1, 0, 1), ("no", "yes"))
    with pytest.raises(ValueError, match="one output needs a sigmoid"):
        evaluate_videos(model, two, **OPTIONS)


class BrokenModel(CountingModel):
    """Gives scores that are no finite numbers."""

    def predict_on_batch(self, x):
        scores = np.array(super().predict_on_batch(x))
        scores[:, :3] = np.nan, np.inf, -np.inf
        return scores


def test_results_are_json_whatever_the_scores(model, videos, tmp_path):
    file = tmp_path / "results.jsonl"
    first = evaluate_videos(BrokenModel(model), videos, results_file=file, **OPTIONS)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    for line in file.read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    counting = BrokenModel(model)
    again = evaluate_videos(counting, videos, results_file=file, **OPTIONS)
    assert counting.views == 0
    np.testing.assert_array_equal(again.scores, first.scores)
    assert np.isnan(again.scores[:, 0]).all()
    assert (again.scores[:, 1:3] == (np.inf, -np.inf)).all()
    assert np.isnan(again.mean_average_precision)


def test_a_results_file_in_use_is_refused(model, videos, tmp_path):
    file = tmp_path / "results.jsonl"
    code = (
        "import sys, keras_nonlocal.files as files\n"
        "with files.lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        message = rf"`results_file` is in use by process {other.pid} .*results\.jsonl"
        with pytest.raises(ValueError, match=message):
            evaluate_videos(model, videos, results_file=file, **OPTIONS)
        assert not file.exists()
        other.stdin.close()
    evaluate_videos(model, videos, results_file=file, **OPTIONS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.jsonl"]


def test_names_that_are_not_utf_8_go_through_a_results_file(model, videos, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    os.symlink(videos.paths[0], path)
    missing = os.fsdecode(os.fsencode(tmp_path) + b"/m\xe9.mp4")
    odd = VideoList((path, missing), (0, 1), videos.class_names)
    file = tmp_path / "results.jsonl"
    first = evaluate_videos(model, odd, results_file=file, **OPTIONS)
    assert first.paths == (path,)
    str(first).encode("utf-8")
    counting = CountingModel(model)
    again = evaluate_videos(counting, odd, results_file=file, **OPTIONS)
    assert counting.views == 0
    np.testing.assert_array_equal(again.scores, first.scores)
