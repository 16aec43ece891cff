"""The tables of signals and images: settings, runs and the page."""

import dataclasses

import pytest

from keras_nonlocal.experiments.figures import draw_table
from keras_nonlocal.experiments.page import Facts, markdown_page
from keras_nonlocal.experiments.plans import distinct_trainings, training_from_dict
from keras_nonlocal.experiments.rank_tables import APPLIANCES, IMAGES, SEQUENCES
from keras_nonlocal.experiments.results import gather
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.experiments.running import run_experiments
from keras_nonlocal.experiments.tables import PAIRWISE, TABLES
from keras_nonlocal.experiments.trainings import seeds_of
from tests.experiments.miniature import RECIPE

RANK_TABLES = (SEQUENCES, IMAGES, APPLIANCES)
NAMES = [table.name for table in RANK_TABLES]
FACTS = Facts("the command", "a machine", "3 min of computing", ["COCO"])
PACKAGES = {"sequences": "sktime", "images": "sklearn", "appliances": "sktime"}


def test_runs_survive_json_and_none_is_shared():
    plan = distinct_trainings(RANK_TABLES)
    assert len(plan) == sum(len(table.rows) for table in RANK_TABLES) == 23
    assert {*plan.values()} == {3}
    for training in plan:
        assert training_from_dict(training.to_dict()) == training


def test_every_setting_changes_the_key():
    _, training = IMAGES.trainings()[0]
    keys = {training.key}
    for field in dataclasses.fields(training.recipe):
        value = 2 * getattr(training.recipe, field.name)
        recipe = dataclasses.replace(training.recipe, **{field.name: value})
        keys.add(dataclasses.replace(training, recipe=recipe).key)
    for field in dataclasses.fields(training.task):
        value = 1 + getattr(training.task, field.name)
        task = dataclasses.replace(training.task, **{field.name: value})
        keys.add(dataclasses.replace(training, task=task).key)
    assert len(keys) == 1 + len(dataclasses.fields(training.recipe)) + 3


def test_single_digits_are_learned_once_for_all_rows():
    singles = {training.singles for _, training in IMAGES.trainings()}
    assert len({each.key for each in singles}) == 1
    assert all(training.singles is None for _, training in SEQUENCES.trainings())


def test_claims_are_questions_of_this_package():
    for table in RANK_TABLES:
        assert len(table.claims) == 6
        assert not any(claim.is_in_paper for claim in table.claims)
    assert [TABLES[name] for name in NAMES] == [*RANK_TABLES]


def written(folder, table, scores):
    """Writes results such as runs write, the scores by row."""
    for row, training in table.trainings():
        for number, seed in enumerate(seeds_of(3)):
            score = scores.get(row.name, 0.5) + number * number / 1000
            values = {
                "score": score,
                "by_kind": {},
                "curve": {
                    "steps": [10],
                    "training_error": [0.5],
                    "validation_error": [1 - score],
                },
                "attention": [],
                "parameters": 12_345,
                "multiply_adds": 2_000_000,
                "seconds": 30.0,
                "processor_seconds": 25.0,
            }
            folder.write(training, seed, values)


def test_page_has_a_section_for_each_table(tmp_path):
    folder = RunFolder(tmp_path)
    for table in RANK_TABLES:
        written(folder, table, {"embedded Gaussian": 0.9})
    results = gather(folder, RANK_TABLES)
    page = markdown_page(results, {}, FACTS)
    assert "do not reproduce the paper's numbers" in page.split("\n\n")[1]
    # Nothing is said about clips, of which there are none.
    assert "ring" not in page.replace("string", "")
    assert "All 69 runs were tested once" in page
    for table in RANK_TABLES:
        assert f"## {table.heading}. {table.title}" in page
        assert f"![{table.heading}]({table.name}.png)" in page
    assert "JapaneseVowels" in page
    assert "PLAID" in page
    assert "CC BY 4.0" in page
    assert "| embedded Gaussian | 90.2 ± 0.2 | 3 | +40.0 [+40.0, +40.0] |" in page
    assert (
        "| embedded Gaussian > MultiHeadAttention | not in the paper "
        "| +40.0 [+40.0, +40.0] | < 0.001 | **seen** |"
    ) in page
    assert "| 12,345 | 2.00 M |" in page
    for result in results:
        draw_table(result, tmp_path / f"{result.table.name}.png")
        image = (tmp_path / f"{result.table.name}.png").read_bytes()
        assert image.startswith(b"\x89PNG")


def test_both_kinds_of_tables_are_on_one_page(tmp_path):
    folder = RunFolder(tmp_path)
    written(folder, IMAGES, {})
    _, training = PAIRWISE.trainings()[0]
    values = folder.read(IMAGES.trainings()[0][1], (101,))[101]
    kinds = {"space": 0.5, "time": 0.5, "both": 0.5}
    folder.write(training, 101, values | {"by_kind": kinds} | {"training": {}})
    page = markdown_page(gather(folder, [PAIRWISE, IMAGES]), {}, FACTS)
    assert "A clip shows a 0, a 1 and a ring" in page
    assert "## Table a. Pairwise functions" in page
    assert "## Images. Are two digits the same?" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.thorough] if place else [])
        for place, name in enumerate(NAMES)
    ],
)
def test_miniature_run_of_a_table(tmp_path, name):
    pytest.importorskip(PACKAGES[name])
    recipe = dataclasses.replace(RECIPE, steps=2, test_clips=16)
    results = run_experiments(
        [name], folder=tmp_path, seeds=2, workers=2, recipe=recipe
    )
    (table,) = results.tables
    assert [row.row.name for row in table.rows] == [r.name for r in TABLES[name].rows]
    for row in table.rows:
        assert [*row.scores] == [101, 102]
        for run in row.runs.values():
            # All test examples count equally.
            assert run["score"] * 16 == pytest.approx(round(run["score"] * 16))
            assert len(run["curve"]["steps"]) == 2
    assert f"## {TABLES[name].heading}. " in results.page.read_text()
    assert (tmp_path / f"{name}.png").exists()
    weights = [*(tmp_path / "weights").iterdir()]
    assert len(weights) == (2 if name == "images" else 0)
    lines = []
    run_experiments(
        [name],
        folder=tmp_path,
        seeds=2,
        workers=1,
        recipe=recipe,
        announce=lines.append,
    )
    assert "0 to train" in lines[0]
