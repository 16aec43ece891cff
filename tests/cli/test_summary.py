"""The console command."""

import json

import pytest

from keras_nonlocal.cli import main

# Multiply-adds in 10⁹ at 8×224×224 and 400 classes that a FLOP counter gives for
# PySlowFast's networks.
REFERENCE_MULTIPLY_ADDS = {
    (50, "c2d", 0): 19.624,
    (50, "c2d", 5): 27.763,
    (50, "i3d", 0): 28.538,
    (50, "i3d", 5): 36.677,
    (101, "i3d", 0): 47.128,
    (101, "i3d", 5): 55.266,
}
# Parameters and FLOPs of Table 2e.
PAPER_RATIOS = {
    "I3D 3×3×3": (1.5, 1.8),
    "I3D 3×1×1": (1.2, 1.5),
    "NL C2D, 5 blocks": (1.2, 1.2),
}


@pytest.mark.thorough
@pytest.mark.slow
def test_summary_of_the_published_networks(capsys):
    assert main(["summary", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = {
        (row["depth"], row["variant"], row["nonlocal_blocks"]): row["multiply_adds"]
        for row in printed["networks"]
    }
    for row, reference in REFERENCE_MULTIPLY_ADDS.items():
        assert found[row] / 1e9 == pytest.approx(reference, rel=0.005)
    ratios = {
        row["network"]: (round(row["parameters"], 1), round(row["multiply_adds"], 1))
        for row in printed["table_2e"]
    }
    assert ratios == PAPER_RATIOS


def test_summary_of_one_network(capsys):
    arguments = ["summary", "--depth", "50", "--variant", "c2d", "--nonlocal-blocks"]
    assert main([*arguments, "0", "--crop-size", "64"]) == 0
    printed = capsys.readouterr().out
    assert "Clips 8×64×64, 400 classes" in printed
    assert "| c2d R50 | 0 | 24.328 M | 1.597 G |" in printed


def test_user_errors_are_one_line_without_a_traceback(capsys):
    assert main(["summary", "--depth", "50"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("keras-nonlocal: `--depth` and `--variant`")
    assert captured.err.count("\n") == 1
    assert main(["summary", "--depth", "50", "--variant", "i3d", "--num-frames", "1"])
    assert "`--num-frames` must be at least 2" in capsys.readouterr().err
    assert main(["summary", "--depth", "50", "--variant", "i3d", "--crop-size", "8"])
    assert "`--crop-size` must be at least" in capsys.readouterr().err


def test_unknown_command_shows_the_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["sumary"])
    assert "invalid choice: 'sumary'" in capsys.readouterr().err
