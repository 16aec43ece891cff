"""Tables, page and figures of made-up results."""

import json

import numpy as np
import pytest
from scipy import stats

from keras_nonlocal.experiments.figures import draw_table
from keras_nonlocal.experiments.page import Facts, markdown_page
from keras_nonlocal.experiments.plans import distinct_trainings
from keras_nonlocal.experiments.progress import Progress
from keras_nonlocal.experiments.results import gather
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.experiments.running import run_experiments
from keras_nonlocal.experiments.tables import ATTENTION, CURVES, SCOPES
from keras_nonlocal.experiments.trainings import seeds_of, training_of
from keras_nonlocal.models import Complexity

FACTS = Facts("the command", "a machine", "3 min of computing", ["COCO"])


def write_run(folder, table, row, seed, score, **changes):
    """Writes a result such as a run writes."""
    training = training_of(table.row(row), table.layout)
    share = {"own": 0.5, "other": 0.25, "ring": 0.125, "uniform": 0.0625}
    values = {
        "score": score,
        "by_kind": {"space": score, "time": score / 2, "both": score / 4},
        "curve": {
            "steps": [10, 20],
            "training_error": [0.5, 1 - score],
            "validation_error": [0.5, score / 2],
        },
        "attention": [
            {"block": "conv4_block2_nl", "clips": clips, **share}
            for clips in ("opposite", "independent")
        ],
        "parameters": 1000 + len(row),
        "multiply_adds": 2_000_000,
        "seconds": 30.0,
        "processor_seconds": 25.0,
    }
    folder.write(training, seed, values | changes)


@pytest.fixture
def scopes(tmp_path, rng):
    """A folder of runs of table d, and their scores by row and seed."""
    folder = RunFolder(tmp_path)
    means = {"C2D": 0.55, "space only": 0.56, "time only": 0.7, "space-time": 0.9}
    scores = {}
    for name, mean in means.items():
        for seed in seeds_of(5):
            scores[name, seed] = mean + rng.uniform(-0.02, 0.02)
            write_run(folder, SCOPES, name, seed, scores[name, seed])
    return folder, scores


def test_differences_are_those_of_scipy(scopes):
    folder, scores = scopes
    (result,) = gather(folder, [SCOPES])
    assert [row.row.name for row in result.rows] == [
        "C2D",
        "space only",
        "time only",
        "space-time",
    ]

    def of(name):
        return [scores[name, seed] for seed in seeds_of(5)]

    for row in result.rows:
        assert row.cell.mean == pytest.approx(np.mean(of(row.row.name)))
        assert row.cell.deviation == pytest.approx(np.std(of(row.row.name), ddof=1))
    p_values = []
    for claim, difference in result.differences:
        expected = stats.ttest_rel(of(claim.better), of(claim.worse))
        assert difference.p == pytest.approx(expected.pvalue)
        interval = expected.confidence_interval(0.95)
        assert difference.interval == pytest.approx((interval.low, interval.high))
        p_values.append(expected.pvalue)
    # The row that only averages has no runs, so its claim is not tested.
    assert len(p_values) == 5
    # The differences to C2D are claims, too, and are not counted twice.
    smallest = int(np.argmin(p_values))
    assert result.differences[smallest][1].corrected_p == pytest.approx(
        min(1, 5 * p_values[smallest])
    )
    for claim, difference in result.differences:
        if claim.worse == "C2D":
            assert difference is result.to_baseline[claim.better]
    verdicts = {claim.better: d.verdict for claim, d in result.differences}
    assert verdicts["space-time"] == "seen"


def test_page_has_the_numbers_of_the_results(scopes):
    folder, _ = scopes
    (result,) = gather(folder, [SCOPES])
    counts = {
        ("d", "C2D"): Complexity(24_000_000, 30_000_000_000),
        ("d", "space-time"): Complexity(30_000_000, 45_000_000_000),
    }
    page = markdown_page([result], counts, FACTS)
    paragraphs = page.split("\n\n")
    assert "do not reproduce the paper's numbers" in paragraphs[1]
    assert "Not run: COCO." in paragraphs[1]
    last = result.rows[-1]
    difference = result.to_baseline["space-time"]
    low, high = (100 * bound for bound in difference.interval)
    mean = 100 * last.cell.mean
    assert (
        f"| space-time | {mean:.1f} ± {100 * last.cell.deviation:.1f} | 5 "
        f"| {mean:.0f} / {mean / 2:.0f} / {mean / 4:.0f} "
        f"| {100 * difference.mean:+.1f} [{low:+.1f}, {high:+.1f}] "
    ) in page
    assert "| 73.8 |" in page
    assert "| space-time > C2D | +2.0 |" in page
    assert "30.000 M, 45.00 G | 1.25×, 1.50× |" in page
    assert "`the command`, a machine, 3 min of computing." in page
    json.dumps(result.to_dict(), allow_nan=False)


def test_attention_is_printed_for_both_kinds_of_clips(tmp_path):
    folder = RunFolder(tmp_path)
    for seed in seeds_of(2):
        write_run(folder, ATTENTION, "NL C2D, 5 blocks", seed, 0.9)
    (result,) = gather(folder, [ATTENTION])
    page = markdown_page([result], {}, FACTS)
    for clips in ("one 0 and one 1", "only its own answers"):
        assert f"| conv4_block2_nl | {clips} | 50 % | 25 % | 12 % | 6 % |" in page


def test_single_seeds_have_neither_interval_nor_verdict(tmp_path):
    folder = RunFolder(tmp_path)
    (seed,) = seeds_of(1)
    write_run(folder, SCOPES, "C2D", seed, 0.5)
    write_run(folder, SCOPES, "space-time", seed, 1.0)
    (result,) = gather(folder, [SCOPES], seeds=1)
    page = markdown_page([result], {}, FACTS)
    assert "| space-time | 100.0 | 1 |" in page
    assert "| space-time > C2D | +2.0 | +50.0 |  | **not distinguishable** |" in page


def test_figures_of_tables_and_curves(scopes, tmp_path):
    folder, _ = scopes
    (result,) = gather(folder, [SCOPES])
    draw_table(result, tmp_path / "d.png")
    for name in ("C2D", "NL C2D, 5 blocks"):
        for seed in seeds_of(2):
            write_run(folder, CURVES, name, seed, 0.9)
    (curves,) = gather(folder, [CURVES], seeds=2)
    steps, errors = curves.rows[0].mean_curve("training_error")
    assert steps == [10, 20]
    assert errors == pytest.approx([0.5, 0.1])
    draw_table(curves, tmp_path / "figure4.png")
    for name in ("d", "figure4"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_only_finished_tables_are_gathered(tmp_path):
    assert gather(RunFolder(tmp_path), [SCOPES, CURVES]) == ()


def test_projected_end(tmp_path):
    folder = RunFolder(tmp_path)
    training = training_of(SCOPES.row("C2D"), SCOPES.layout)
    assert next(iter(distinct_trainings([SCOPES]))) == training
    write_run(folder, SCOPES, "C2D", 1, 0.5)
    progress = Progress(folder, {training: (1, 2, 3)}, began=100.0)
    assert progress.remaining_seconds(now=200.0) is None
    assert progress.line() == "1 of 3 runs"
    # Half a run takes 100 s, and one and a half are left.
    progress.update(training.key, 2, 0.5)
    assert progress.remaining_seconds(now=200.0) == pytest.approx(300)
    write_run(folder, SCOPES, "C2D", 2, 0.5)
    assert progress.remaining_seconds(now=300.0) == pytest.approx(200)
    assert progress.line().startswith("2 of 3 runs, about ")


@pytest.mark.slow
def test_finished_runs_are_written_without_training(tmp_path):
    folder = RunFolder(tmp_path)
    for seed in seeds_of(2):
        write_run(folder, CURVES, "C2D", seed, 0.5 + seed / 1000)
        write_run(folder, CURVES, "NL C2D, 5 blocks", seed, 0.7 + seed / 1000)
    lines = []
    results = run_experiments(
        ["figure4"], folder=tmp_path, seeds=2, workers=2, announce=lines.append
    )
    assert lines == ["4 runs of 2 networks, 0 to train with 2 workers"]
    assert results.table("figure4").rows[0].scores == {101: 0.601, 102: 0.602}
    page = results.page.read_text()
    # The complexities of C2D R50 for 32 frames of 224 × 224 pixels and 400 classes.
    assert "| C2D | 1,003, 2.00 M | 24.328 M, " in page
    assert "table g, " in page.split("\n\n")[1]
    written = json.loads(results.json.read_text())
    assert written["tables"] == json.loads(json.dumps([results.tables[0].to_dict()]))
    assert (tmp_path / "figure4.png").exists()
