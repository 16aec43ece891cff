"""How long a run is, and how long it will take."""

from types import SimpleNamespace

import pytest

from keras_nonlocal.runs.plan import TrainingPlan, describe_length
from keras_nonlocal.runs.setting_groups import RecipeSettings


def plan_of(num_videos=10, **recipe):
    settings = RecipeSettings(**{"batch_size": 4} | recipe)
    inputs = SimpleNamespace(
        num_videos=num_videos,
        num_validation_videos=0,
        num_test_videos=0,
        classes=2,
        steps_per_epoch=-(-num_videos // settings.batch_size),
    )
    return TrainingPlan.of(settings, inputs), settings


@pytest.mark.parametrize(
    ("num_videos", "batch_size", "epochs", "updates"),
    [
        (27, 64, 300, 300),
        (1, 64, 300, 300),
        (640, 64, 100, 1000),
        (240_000, 64, 100, 375_000),
        (2_000_000, 64, 13, 406_250),
    ],
)
def test_the_length_follows_from_the_number_of_videos(
    num_videos, batch_size, epochs, updates
):
    plan, recipe = plan_of(num_videos, batch_size=batch_size)
    assert (plan.epochs, plan.updates) == (epochs, updates)
    line = describe_length(plan, recipe)
    videos = "1 video" if num_videos == 1 else f"{num_videos:,} videos"
    assert f"{epochs:,} epochs of {videos}, {updates:,} updates" in line
    assert line.endswith("`epochs` or `updates` changes it")


def test_a_length_that_was_asked_for_is_not_explained():
    plan, recipe = plan_of(epochs=3)
    assert describe_length(plan, recipe) == "3 epochs of 10 videos, 9 updates"


def test_updates_are_rounded_to_epochs():
    accumulated, _ = plan_of(gradient_accumulation=2, updates=30)
    assert (accumulated.epochs, accumulated.updates) == (20, 30)
    one, _ = plan_of(gradient_accumulation=100, updates=1)
    assert (one.epochs, one.updates) == (34, 1)
    chosen, _ = plan_of(gradient_accumulation=2)
    assert (chosen.epochs, chosen.updates) == (200, 300)


def test_the_rate_is_scaled_if_it_is_for_a_batch_size():
    assert plan_of(gradient_accumulation=2)[0].first_learning_rate == pytest.approx(
        0.01 * 8 / 64
    )
    unscaled, _ = plan_of(learning_rate=0.002, learning_rate_batch_size=None)
    assert unscaled.first_learning_rate == 0.002
    assert plan_of(learning_rate_batch_size=2)[0].first_learning_rate == 0.02


def test_a_run_too_short_for_one_update_is_refused():
    with pytest.raises(ValueError, match=r"the run, 3\. Received: gradient_accum"):
        plan_of(gradient_accumulation=100, epochs=1)
