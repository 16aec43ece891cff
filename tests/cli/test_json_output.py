"""What the commands print under `--json`."""

import json
import math

import numpy as np

from keras_nonlocal.cli.json_output import print_json


def refuse(constant):
    raise AssertionError(constant)


def test_numbers_that_json_does_not_have_are_null(capsys):
    print_json(
        {
            "scores": [math.nan, {"best": (math.inf, 0.25)}],
            "mean": np.float64("-inf"),
            "count": 3,
            "name": "NaN",
            "is_whole": True,
            "test": None,
        }
    )
    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "scores": [None, {"best": [None, 0.25]}],
        "mean": None,
        "count": 3,
        "name": "NaN",
        "is_whole": True,
        "test": None,
    }
