"""Titles, legends and times."""

import numpy as np
import pytest

from keras_nonlocal.visualize import ClipChoice, draw_attention, draw_grad_cam
from keras_nonlocal.visualize.canvas import Canvas, text_width
from keras_nonlocal.visualize.captions import Caption, Header, Legend, shortened
from tests.data.videos import write_video
from tests.visualize.clips import gray_video, red_attends_to_red
from tests.visualize.test_from_video import read_png

LEGEND = Legend("weight", 0.00123, 0.25, has_query=True)


def test_text_has_its_size_and_color():
    canvas = Canvas(40, 200, (0, 0, 0))
    width = canvas.write("Height", (10, 20), 20, (200, 100, 50))
    assert width == text_width("Height", 20)
    rows, columns = np.nonzero(canvas.picture.max(axis=-1))
    assert 10 <= rows.min() < rows.max() < 38
    assert 20 <= columns.min() < columns.max() <= 20 + width
    brightest = canvas.picture.reshape(-1, 3).max(axis=0)
    np.testing.assert_array_equal(brightest, [200, 100, 50])
    assert canvas.write("", (0, 0), 20) == 0


@pytest.mark.parametrize("corner", [(35, 190), (39, 199)])
def test_text_ends_at_the_border(corner):
    canvas = Canvas(40, 200, (0, 0, 0))
    canvas.write("beyond", corner, 20)
    assert canvas.picture.shape == (40, 200, 3)


def test_long_titles_are_cut():
    assert shortened("jump", 12, 1000) == "jump"
    cut = shortened("somersaulting in the garden", 12, 90)
    assert cut.endswith("…")
    assert "somersaulting in the garden".startswith(cut[:-1])
    assert 60 < text_width(cut, 12) <= 90
    assert shortened("jump", 12, 1) == ""


@pytest.mark.parametrize(("width", "lines"), [(900, 1), (330, 2), (60, 2)])
def test_title_and_legend_do_not_overlap(width, lines):
    titles = []
    for title in ("", "running: 0.93  conv4_block6_nl"):
        header = Header(Caption(title, np.zeros(2), LEGEND), 20, width, 5)
        assert header.height == 30 * lines
        canvas = Canvas(header.height + 10, width, (0, 0, 0))
        header.draw(canvas)
        titles.append(canvas.picture)
    legend, both = (picture.max(axis=-1) > 0 for picture in titles)
    assert legend.any()
    title = both & ~legend
    assert title.any()
    # Each is in its own columns, or else in its own rows.
    axis = 0 if lines == 1 else 1
    assert not (title.any(axis=axis) & legend.any(axis=axis)).any()


def test_the_title_names_the_class(tmp_path):
    video = write_video(tmp_path / "red.mp4", gray_video(8, [(1, 8, 16)]))
    clip = ClipChoice(frame_stride=1, short_side=32, picture_height=64)
    model = red_attends_to_red()
    headers = {}
    for draw in (draw_attention, draw_grad_cam):
        for names in (None, ("red", "gray", "none"), ("one", "two", "three")):
            path = tmp_path / "drawn.png"
            draw(model, video, path, class_names=names, clip=clip)
            headers[draw, names] = read_png(path)[:18].tobytes()
        with pytest.raises(ValueError, match=r"name the 3 classes .*Received: 2 names"):
            draw(model, video, tmp_path / "none.png", class_names=("a", "b"), clip=clip)
    assert len({*headers.values()}) == 6
    assert not (tmp_path / "none.png").exists()
