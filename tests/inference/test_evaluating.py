"""Figures of a collection, and a long run that is interrupted."""

import json
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from keras_nonlocal import evaluate_videos, predict_video
from keras_nonlocal.data import PyAVReader, VideoList
from keras_nonlocal.inference import VideoEvaluation
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import small

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
    assert broken.mean_average_precision == pytest.approx(1 / 3)
    assert "3 of them have NaN as scores" in str(broken)
    scores[1] = np.eye(6)[2]
    one = VideoEvaluation(("x", "y", "z"), (0, 2, 5), scores, names, {})
    assert (one.top1, one.top5) == pytest.approx((1 / 3, 1 / 3))
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
    assert f"1 videos could not be read:\n  {broken}: " in str(result)
    with pytest.raises(ValueError, match=r"Cannot read .*broken\.mp4"):
        evaluate_videos(model, videos, on_error="raise", **OPTIONS)
    rows = predict_video(model, paths, on_error="skip", **OPTIONS)
    assert np.isnan(rows[2]).all()
    assert np.isfinite(np.delete(rows, 2, axis=0)).all()


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


@pytest.mark.parametrize("content", ["one line\n", "notes without an end", '{"a": 1}'])
def test_other_files_are_left_alone(model, videos, tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match="`results_file` must be one that"):
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
        (path, path), ((0, 1), ()), videos.class_names, ((0.0, 0.1), (0.2, 0.3))
    )
    file = tmp_path / "results.jsonl"
    first = evaluate_videos(model, parts, results_file=file, **OPTIONS)
    again = evaluate_videos(model, parts, results_file=file, **OPTIONS)
    assert np.abs(first.scores[0] - first.scores[1]).max() > 1e-6
    np.testing.assert_array_equal(first.scores, again.scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "no labels$"),
        (
            {"class_names": ("a", "b")},
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
