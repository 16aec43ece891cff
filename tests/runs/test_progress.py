"""The line on how long the rest of a run takes."""

import pytest

pytest.importorskip("keras")

from keras_nonlocal.runs.progress import ProjectedDuration, in_words


def announced(seconds_per_step, steps_per_epoch, epochs, first_epoch=0, first_batch=0):
    """The lines of a run whose steps all take as long, but for the first."""
    now, lines = [0.0], []
    callback = ProjectedDuration(steps_per_epoch, epochs, lines.append, lambda: now[0])
    callback.first_batch = first_batch
    now[0] += 1000
    for epoch in range(first_epoch, epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(steps_per_epoch - callback.first_batch):
            now[0] += seconds_per_step
            callback.on_train_batch_end(batch)
        callback.first_batch = 0
    return lines


def test_it_is_said_once_after_the_first_steps():
    # 200 steps, of which 21 are done.
    lines = announced(1.0, 50, 4)
    assert lines == ["about 2 minutes 59 seconds to go, at 1 s per batch"]


def test_slow_steps_are_measured_for_half_a_minute():
    (line,) = announced(40.0, 3, 1500)
    assert line.startswith(
        "about 2 days 1 hour to go, at 40 s per batch; this is more "
    )
    assert "`epochs` or `updates` shorten it" in line


def test_a_resumed_epoch_counts_from_its_first_batch():
    (line,) = announced(1.0, 100, 2, first_epoch=1, first_batch=40)
    assert line == "about 39 seconds to go, at 1 s per batch"


def test_short_runs_say_nothing():
    assert announced(0.1, 3, 2) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3605, "1 hour"),
        (90_000, "1 day 1 hour"),
        (86_400 * 3 + 50, "3 days"),
    ],
)
def test_lengths_of_time_in_words(seconds, words):
    assert in_words(seconds) == words
