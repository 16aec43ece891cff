"""`keras-nonlocal info`."""

import json
import re

import pytest

import keras_nonlocal
from keras_nonlocal.cli import main
from keras_nonlocal.models import pretrained
from keras_nonlocal.weights import PRESETS


def test_markdown_has_one_row_per_checkpoint(capsys):
    assert main(["info", "--markdown"]) == 0
    heading, rule, *rows, empty, remark = capsys.readouterr().out.splitlines()
    assert heading.count("|") == rule.count("|") == 7
    assert [re.match(r"\| \[`(\w+)`\]", row)[1] for row in rows] == list(PRESETS)
    assert empty == ""
    assert "not measured again here" in remark
    row = next(row for row in rows if "caffe2_i3d_nonlocal_32x2" in row)
    assert row == (
        "| [`caffe2_i3d_nonlocal_32x2_in_pretrain_400k`](https://dl.fbaipublicfiles."
        "com/video-nonlocal/i3d_nonlocal_32x2_IN_pretrain_400k.pkl) "
        "| `NLResNet50I3D(stem_temporal_strides=(2, 2))` | 32 × 2 | 74.9 | 91.6 "
        "| CC-BY-NC 4.0 (no commercial use) |"
    )


def test_text_is_aligned(capsys):
    assert main(["info"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()[: 1 + len(PRESETS)]
    column = heading.index("network")
    assert all(row[column:].startswith(("ResNet50", "NLResNet50")) for row in rows)
    assert all(row[column - 1] == " " for row in rows)


def listed(capsys):
    assert main(["info", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_holds_every_field(capsys):
    rows = listed(capsys)
    assert [row["name"] for row in rows] == list(PRESETS)
    assert all(row["normalization"]["channel_order"] == "rgb" for row in rows)


@pytest.mark.slow
def test_every_builder_call_gives_the_network_of_its_checkpoint(capsys, monkeypatch):
    loaded = []
    monkeypatch.setattr(
        pretrained,
        "load_preset",
        lambda model, preset, strict: loaded.append((preset.name, strict)),
    )
    # No file is read, so the networks may be narrow.
    monkeypatch.setattr(pretrained, "RELEASED_WIDTH", 2)
    for row in listed(capsys):
        builder, arguments = re.fullmatch(r"(\w+)\((.*)\)", row["builder"]).groups()
        options = eval(f"dict({arguments})")
        model = getattr(keras_nonlocal, builder)(
            weights=row["name"], width=2, **options
        )
        assert model.input_shape == (None, row["num_frames"], 224, 224, 3)
    assert loaded == [(name, True) for name in PRESETS]
