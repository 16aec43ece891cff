"""Scores to names."""

import numpy as np
import pytest

from keras_nonlocal import decode_predictions
from keras_nonlocal.models import kinetics400_names


def test_kinetics_names():
    names = kinetics400_names()
    assert len(set(names)) == 400
    assert (names[0], names[88], names[290]) == (
        "abseiling",
        "deadlifting",
        "sharpening knives",
    )
    scores = np.zeros((2, 400))
    scores[0, 290], scores[1, 88] = 0.9, 0.8
    decoded = decode_predictions(scores, top=1)
    assert decoded == [[("sharpening knives", 0.9)], [("deadlifting", 0.8)]]


def test_order_ties_and_one_row():
    row = np.array([0.1, 0.4, 0.1, 0.4])
    names = ["a", "b", "c", "d"]
    assert decode_predictions(row, 3, names) == [[("b", 0.4), ("d", 0.4), ("a", 0.1)]]
    assert len(decode_predictions(row, 9, names)[0]) == 4


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "float16"])
def test_scores_of_any_type_are_ordered(dtype):
    scores = np.array([[0, 1, 100, 30]], dtype)
    expected = sorted(zip("abcd", scores[0].tolist(), strict=True), key=lambda x: -x[1])
    assert decode_predictions(scores, 4, "abcd") == [expected]


def test_one_sigmoid_unit_decides_between_two_classes(rng):
    scores = rng.uniform(size=(5, 1)).astype("float32")
    for decoded, (score,) in zip(
        decode_predictions(scores, class_names=("off", "on")), scores, strict=True
    ):
        assert dict(decoded) == {
            "on": pytest.approx(score),
            "off": pytest.approx(1 - score),
        }
        assert decoded[0][1] >= decoded[1][1]
    with pytest.raises(ValueError, match=r"\(num_videos, 3\).*shape=\(5, 1\)"):
        decode_predictions(scores, class_names=("a", "b", "c"))
    assert decode_predictions(np.array([0.2]), 1, ["only"]) == [[("only", 0.2)]]


def test_top_is_an_integer():
    assert len(decode_predictions(np.zeros((1, 400)), np.int64(3))[0]) == 3
    for top in (True, 2.0, "2"):
        with pytest.raises(TypeError, match="Received: top="):
            decode_predictions(np.zeros((1, 400)), top)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preds": np.zeros((1, 5))}, r"\(num_videos, 400\).*shape=\(1, 5\)"),
        ({"preds": np.zeros((1, 2, 400))}, "Received: shape"),
        ({"preds": np.zeros((1, 400)), "top": 0}, "Received: top=0"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        decode_predictions(**arguments)
