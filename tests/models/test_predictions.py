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
