"""Detections on pictures: what is drawn where, and what is refused."""

import numpy as np
import pytest

from keras_nonlocal.visualize import draw_detections
from keras_nonlocal.visualize.object_labels import LabelWriter, readable_on

GRAY = 90


def one(box, label=0, score=0.9, mask=None):
    found = {
        "boxes": np.array([box], "float32"),
        "scores": np.array([score], "float32"),
        "labels": np.array([label]),
    }
    return found if mask is None else {**found, "masks": mask[None]}


def picture(height=240, width=320):
    return np.full((height, width, 3), GRAY, np.uint8)


def changed(drawn):
    return (drawn != GRAY).any(axis=-1)


def test_a_box_is_a_line_around_what_it_holds():
    image = picture()
    drawn = draw_detections(image, one((40, 60, 200, 180)))
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape
    is_changed = changed(drawn)
    assert (image == GRAY).all()
    # The four sides, and nothing inside or outside of them but the label above.
    assert is_changed[120, [40, 199]].all()
    assert is_changed[[60, 179], 120].all()
    assert not is_changed[70:170, 50:190].any()
    assert not is_changed[:, 204:].any()
    assert not is_changed[184:].any()
    assert is_changed[52:58, 42:80].any()


def test_a_mask_is_tinted_inside_and_outlined_at_its_edge():
    rows, columns = np.mgrid[:28, :28] - 13.5
    mask = (np.hypot(rows, columns) < 9).astype("float32")
    box = (60, 40, 228, 208)
    drawn = draw_detections(picture(), one(box, mask=mask), mask_opacity=0.25)
    plain = draw_detections(picture(), one(box))
    color = np.array((255, 176, 0))
    tint = np.round(GRAY + 0.25 * (color - GRAY))
    assert np.abs(drawn[124, 144] - tint).max() <= 1
    # The radius is 9 of 28 cells of 6 pixels.
    edge = drawn[124, 144 + 54 - 9 : 144 + 54 + 9].astype(int)
    assert np.abs(edge - color).sum(axis=-1).min() <= 110
    np.testing.assert_array_equal(drawn[50:60, 100:180], plain[50:60, 100:180])


def test_only_detections_with_a_score_and_an_area_are_drawn():
    nothing = {
        "boxes": np.array(
            [[9, 9, 50, 50], [0, 0, 0, 0], [30, 30, 20, 60], [0, 0, np.nan, 9]]
        ),
        "scores": np.array([0.49, 0.9, 0.9, 0.9]),
        "labels": np.array([0, -1, 1, 1]),
        "masks": np.ones((4, 28, 28)),
    }
    assert not changed(draw_detections(picture(), nothing)).any()
    assert changed(draw_detections(picture(), nothing, min_score=0.4)).any()
    empty = {name: values[:0] for name, values in nothing.items()}
    assert not changed(draw_detections(picture(), empty)).any()


@pytest.mark.parametrize(
    "box", [(-40, -30, 60, 50), (280, 200, 400, 300), (5, 1, 9, 3)]
)
def test_boxes_that_reach_out_of_the_picture_are_drawn_in_part(box):
    mask = np.ones((28, 28), "float32")
    drawn = draw_detections(picture(), one(box, mask=mask), ["a name that is long"])
    assert changed(drawn).any()


def test_classes_have_names_and_colors(rng):
    image = picture()
    names = ["ant", "bee"]
    first, second = (
        draw_detections(image, one((40, 60, 200, 180), label), names)
        for label in (0, 1)
    )
    assert (first[120, 40] != second[120, 40]).any()
    unnamed = draw_detections(image, one((40, 60, 200, 180)))
    assert (first[40:60] != unnamed[40:60]).any()
    with pytest.raises(ValueError, match=r"2 names, and a detection of class 2"):
        draw_detections(image, one((40, 60, 200, 180), 2), names)


def test_labels_cover_each_other_only_where_there_is_no_room():
    labels = LabelWriter(np.zeros((100, 200, 3), np.uint8))
    for _ in range(3):
        labels.write("object 50%", np.array([20.0, 30, 180, 70]), (255, 255, 0))
    taken = labels._taken
    for index, (left, top, right, bottom) in enumerate(taken):
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 100
        for other in taken[:index]:
            apart = (
                left >= other[2]
                or right <= other[0]
                or top >= other[3]
                or bottom <= other[1]
            )
            assert apart


def test_text_stands_out_on_every_color():
    assert readable_on((255, 230, 80)) == (16, 18, 24)
    assert readable_on((30, 30, 120)) == (255, 255, 255)


def test_the_picture_is_written_as_png(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "found.png"
    drawn = draw_detections(picture(), one((40, 60, 200, 180)), output=path)
    with image.open(path) as written:
        np.testing.assert_array_equal(np.asarray(written), drawn)


@pytest.mark.parametrize(
    ("image", "found", "arguments", "message"),
    [
        (np.zeros((8, 8)), one((0, 0, 4, 4)), {}, r"image of \(8, 8\)"),
        (picture(), {"boxes": np.zeros((1, 4))}, {}, r"without \['labels', 'scores'\]"),
        (
            picture(),
            {name: value[None] for name, value in one((0, 0, 4, 4)).items()},
            {},
            "one row of what `predict` returns",
        ),
        (picture(), one((0, 0, 4, 4)), {"min_score": 2}, "min_score=2"),
        (picture(), one((0, 0, 4, 4)), {"output": "a.jpg"}, "must end in `.png`"),
    ],
)
def test_wrong_arguments_are_named(image, found, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_detections(image, found, **arguments)
