"""Drawing on pictures."""

import numpy as np
import pytest

from keras_nonlocal.visualize.canvas import Canvas, heat_colors

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def area(canvas):
    return canvas.picture[..., 0].sum() / 255


def test_areas():
    canvas = Canvas(60, 80, BLACK)
    canvas.disc((30, 40), 10, WHITE)
    assert area(canvas) == pytest.approx(np.pi * 100, rel=0.02)
    canvas = Canvas(60, 80, BLACK)
    canvas.ring((30, 40), 10, 4, WHITE)
    assert area(canvas) == pytest.approx(np.pi * (12**2 - 8**2), rel=0.02)
    assert canvas.picture[30, 40].max() == 0
    canvas = Canvas(60, 80, BLACK)
    canvas.bar((10, 20), (30, 25), WHITE)
    assert area(canvas) == pytest.approx(100, rel=0.02)
    assert (canvas.picture[10:30, 20:25] == 255).all()
    canvas = Canvas(60, 80, BLACK)
    canvas.line((10, 10), (40, 50), 3, WHITE)
    assert area(canvas) == pytest.approx(50 * 3 + np.pi * 1.5**2, rel=0.05)


def test_an_arrow_ends_at_its_tip_and_is_widest_before_it():
    canvas = Canvas(40, 100, BLACK)
    canvas.arrow((20, 10), (20, 90), 3, WHITE, 0, BLACK)
    lit = canvas.picture[..., 0] > 127
    columns = np.flatnonzero(lit.any(axis=0))
    assert abs(columns[-1] - 89) <= 2
    heights = lit.sum(axis=0)
    assert heights[40] == pytest.approx(3, abs=1)
    assert heights[70:90].max() >= 10
    assert abs(int(heights.argmax()) - 76) <= 3


def test_a_short_arrow_is_a_dot():
    canvas = Canvas(40, 40, BLACK)
    canvas.arrow((20, 20), (20, 20), 2, WHITE, 0, BLACK)
    assert area(canvas) == pytest.approx(np.pi * 25, rel=0.05)


def test_what_lies_outside_is_cut_off():
    canvas = Canvas(20, 20, BLACK)
    canvas.disc((0, 0), 6, WHITE)
    assert area(canvas) == pytest.approx(np.pi * 9, rel=0.05)
    canvas.disc((-50, 90), 6, WHITE)
    assert area(canvas) == pytest.approx(np.pi * 9, rel=0.05)


def test_colors_grow_lighter():
    colors = heat_colors(np.linspace(0, 1, 50))
    assert colors.shape == (50, 3)
    assert (np.diff(colors @ [0.2126, 0.7152, 0.0722]) > 0).all()
