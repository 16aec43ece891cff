"""From rows to training runs."""

import dataclasses

import pytest

from keras_nonlocal.experiments.plans import distinct_trainings, training_from_dict
from keras_nonlocal.experiments.tables import (
    CURVES,
    DEEPER,
    I3D,
    LONG_CLIPS,
    NL_I3D,
    PAIRWISE,
    PAPER_TABLES,
    SCOPES,
    TABLES,
)
from keras_nonlocal.experiments.trainings import SmallRecipe, training_of


def key(table, row):
    return training_of(table.row(row), table.layout).key


def test_tables_share_runs():
    assert key(PAIRWISE, "C2D") == key(DEEPER, "C2D") == key(SCOPES, "C2D")
    assert key(PAIRWISE, "embedded Gaussian") == key(DEEPER, "1 block")
    assert key(SCOPES, "space-time") == key(DEEPER, "5 blocks")
    assert key(CURVES, "NL C2D, 5 blocks") == key(DEEPER, "5 blocks")
    assert key(I3D, "I3D 3×1×1") == key(NL_I3D, "I3D")
    assert key(PAIRWISE, "global average only") != key(PAIRWISE, "embedded Gaussian")
    rows = [row for t in PAPER_TABLES.values() for row in t.rows if not row.is_large]
    distinct = distinct_trainings(PAPER_TABLES.values())
    assert len(rows) == 35
    assert len(distinct) == 26
    assert len(distinct_trainings(PAPER_TABLES.values(), includes_large=True)) == 36


def test_finished_runs_are_found_again():
    # Folders of earlier versions have these files.
    assert key(PAIRWISE, "C2D") == "09cab2e4c91f9a4f"
    assert key(PAIRWISE, "concatenation") == "f96250fe83a8c7b4"
    assert key(PAIRWISE, "global average only") == "7030b8e69a9cec61"
    assert key(NL_I3D, "I3D") == "5587532f0da2a37f"
    assert key(LONG_CLIPS, "NL I3D, 5 blocks") == "636de6b03114bdfd"
    assert key(TABLES["charades"], "I3D") == "ded52d1be8712061"
    training = training_of(PAIRWISE.row("C2D"), PAIRWISE.layout)
    assert training.stills.key == "c325924c51a05654"


def test_a_shared_run_has_the_seeds_of_the_larger_table():
    plan = distinct_trainings([I3D, NL_I3D])
    numbers = {training.key: count for training, count in plan.items()}
    assert numbers[key(I3D, "I3D 3×1×1")] == 5
    assert numbers[key(I3D, "I3D 3×3×3")] == 3
    assert {*distinct_trainings([I3D], seeds=8).values()} == {8}


def test_runs_come_after_those_that_they_continue():
    plan = list(distinct_trainings([LONG_CLIPS]))
    assert [training.continues is None for training in plan] == [
        True,
        False,
        True,
        False,
    ]
    for training in plan:
        if training.continues is not None:
            assert training.continues in plan
            assert training.network.normalization == "frozen_batch"
            assert training.recipe.steps == 80
            assert training.task.num_frames == 2 * training.continues.task.num_frames


def test_every_setting_changes_the_key():
    training = training_of(PAIRWISE.row("C2D"), PAIRWISE.layout)
    keys = {training.key}
    for field in dataclasses.fields(SmallRecipe):
        value = 2 * getattr(training.recipe, field.name)
        recipe = dataclasses.replace(training.recipe, **{field.name: value})
        keys.add(dataclasses.replace(training, recipe=recipe).key)
    keys.add(dataclasses.replace(training, block="global_context").key)
    task = dataclasses.replace(training.task, other_digit="independent")
    keys.add(dataclasses.replace(training, task=task).key)
    assert len(keys) == len(dataclasses.fields(SmallRecipe)) + 3


def test_runs_survive_json():
    for training in distinct_trainings(PAPER_TABLES.values(), includes_large=True):
        assert training_from_dict(training.to_dict()) == training


def test_stills_are_shared_by_all_runs_of_one_size():
    plan = distinct_trainings(PAPER_TABLES.values())
    assert (
        len({training.stills.key for training in plan if training.continues is None})
        == 2
    )
    longer = training_of(
        PAIRWISE.row("C2D"), PAIRWISE.layout, SmallRecipe(still_steps=7)
    )
    assert longer.stills.key not in {training.stills.key for training in plan}


def test_claims_follow_the_numbers_of_the_paper():
    for table in TABLES.values():
        for claim in table.claims:
            better, worse = table.row(claim.better).paper, table.row(claim.worse).paper
            if claim.is_in_paper and None not in (better, worse):
                # R101 has the same accuracy with 5 and with 10 blocks.
                assert better > worse, claim


def test_headings():
    headings = [table.heading for table in TABLES.values()]
    assert headings[0] == "Table a"
    assert headings[7:10] == ["Charades", "Attention", "Figure 4"]


def test_unknown_row():
    with pytest.raises(StopIteration):
        PAIRWISE.row("C3D")
