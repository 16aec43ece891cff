"""Which frames of a video are searched."""

import numpy as np
import pytest

from keras_nonlocal.video_detection.frame_choice import FrameChoice, group_ends


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1, range(10)), (4, (0, 4, 8)), ("4", (0, 4, 8)), (99, (0,)), ("0.2s", range(10))],
)
def test_frames_and_seconds_are_counted(every, expected):
    indices = FrameChoice.of(every).indices(np.arange(10) / 5)
    assert indices.tolist() == [*expected]


def test_seconds_choose_what_is_on_the_screen(rng):
    times = np.cumsum(rng.uniform(0.001, 0.4, 200))
    for seconds in (0.05, 0.3, 1.0, 7.5):
        chosen = FrameChoice.of(f"{seconds} s").indices(times)
        moments = np.arange(times[0], times[-1], seconds)
        shown = {int(np.flatnonzero(times <= m + 1e-9)[-1]) for m in moments}
        # The last frame is on the screen for the median time.
        assert {*chosen.tolist()} - shown <= {len(times) - 1}
        assert shown <= {*chosen.tolist()}


def test_a_constant_rate_has_no_rounding():
    times = np.arange(900) * 1001 / 30000
    half = FrameChoice.of("0.5005s").indices(times)
    assert half.tolist() == [*range(0, 900, 15)]


@pytest.mark.parametrize("every", [0, -3, "0s", "-1s", "", "often", "1e400s", "0"])
def test_what_is_not_positive_is_refused(every):
    with pytest.raises(ValueError, match=r"`every` must be a positive .* Received: "):
        FrameChoice.of(every)


@pytest.mark.parametrize("every", [0.5, True, None, (1,)])
def test_other_types_are_refused(every):
    with pytest.raises(TypeError, match=r'as in "0.5s"\. Received: every='):
        FrameChoice.of(every)


def test_batches_end_where_frames_would_wait_too_long():
    indices = np.array([0, 5, 10, 15, 20, 25, 30])
    assert [*group_ends(indices, 3, None)] == [3, 6, 7]
    assert [*group_ends(indices, 3, 11)] == [3, 6, 7]
    assert [*group_ends(indices, 3, 10)] == [2, 4, 6, 7]
    assert [*group_ends(indices, 3, 1)] == [1, 2, 3, 4, 5, 6, 7]
    assert [*group_ends(indices[:0], 3, None)] == []
