"""Draws attention and class activations, side by side or frame by frame."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from keras_nonlocal.visualize.attention import Attention, Place
from keras_nonlocal.visualize.canvas import Canvas, Color, Point, heat_colors
from keras_nonlocal.visualize.captions import QUERY, WEAKEST, Caption, Legend
from keras_nonlocal.visualize.class_activation import ClassActivation
from keras_nonlocal.visualize.layout import Layout

_TRACK: Color = (44, 48, 58)
_OUTLINE: Color = (8, 9, 12)
_SHADE = 0.7  # of the pictures' brightness, so the drawing on them stands out
_HEAT_OPACITY = 0.72


def attention_legend(attention: Attention) -> Legend:
    """Returns the meaning of the colors of arrows."""
    weights = [connection.weight for connection in attention.connections] or [0.0]
    return Legend("weight", min(weights), max(weights), has_query=True)


def activation_legend(activation: ClassActivation) -> Legend:
    """Returns the meaning of the colors of a class activation."""
    return Legend("activation", 0.0, float(activation.heat.max()), darkest=0.0)


def attention_strip(
    attention: Attention, pictures: np.ndarray, caption: Caption
) -> np.ndarray:
    """Draws all frames, with arrows from the query to its connections.

    Args:
        attention: The attention to draw.
        pictures: RGB bytes, `(num_frames, height, width, 3)`.
        caption: What is written around the frames.
    """
    num_frames, height, width, _ = pictures.shape
    layout = Layout(num_frames, height, width, caption)
    canvas = layout.canvas()
    for frame, picture in enumerate(pictures):
        canvas.paste(picture * _SHADE, layout.corner(frame))
        _bar(canvas, layout, frame, attention.frame_weights, frame)
        layout.write_time(canvas, frame, frame)
    query = attention.query
    start = layout.point(query.frame, query.y, query.x)
    _arrows(canvas, layout, attention, start, lambda place: place.frame)
    _mark_query(canvas, start, layout.height, is_asking=True)
    return canvas.picture


def attention_frames(
    attention: Attention, pictures: np.ndarray, caption: Caption
) -> list[np.ndarray]:
    """Returns each frame with the connections in it, above all frames' weights."""
    num_frames, height, width, _ = pictures.shape
    layout = Layout(1, height, width, caption)
    query = attention.query
    drawn = []
    for frame, picture in enumerate(pictures):
        canvas = layout.canvas()
        canvas.paste(picture * _SHADE, layout.corner(0))
        start = layout.point(0, query.y, query.x)
        _arrows(
            canvas,
            layout,
            attention,
            start,
            partial(_cell_if_shown, frame),
        )
        _mark_query(canvas, start, height, is_asking=frame == query.frame)
        for other in range(num_frames):
            _bar(
                canvas,
                layout,
                0,
                attention.frame_weights,
                other,
                slot=(other, num_frames),
                is_bright=other == frame,
            )
        layout.write_time(canvas, 0, frame, (frame + 0.5) / num_frames)
        drawn.append(canvas.picture)
    return drawn


def activation_strip(
    activation: ClassActivation, pictures: np.ndarray, caption: Caption
) -> np.ndarray:
    """Draws all frames, colored where the class shows, above its strength in each."""
    num_frames, height, width, _ = pictures.shape
    layout = Layout(num_frames, height, width, caption)
    canvas = layout.canvas()
    heat = activation.resized(num_frames, height, width)
    strengths = heat.max(axis=(1, 2))
    for frame, picture in enumerate(pictures):
        canvas.paste(_overlaid(picture, heat[frame]), layout.corner(frame))
        _bar(canvas, layout, frame, strengths, frame)
        layout.write_time(canvas, frame, frame)
    return canvas.picture


def activation_frames(
    activation: ClassActivation, pictures: np.ndarray, caption: Caption
) -> list[np.ndarray]:
    """Returns each frame, colored where the class shows, above its strength in all."""
    num_frames, height, width, _ = pictures.shape
    layout = Layout(1, height, width, caption)
    heat = activation.resized(num_frames, height, width)
    strengths = heat.max(axis=(1, 2))
    drawn = []
    for frame, picture in enumerate(pictures):
        canvas = layout.canvas()
        canvas.paste(_overlaid(picture, heat[frame]), layout.corner(0))
        for other in range(num_frames):
            slot = (other, num_frames)
            _bar(canvas, layout, 0, strengths, other, slot, is_bright=other == frame)
        layout.write_time(canvas, 0, frame, (frame + 0.5) / num_frames)
        drawn.append(canvas.picture)
    return drawn


def _overlaid(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns a darkened picture under the colors of the heat."""
    opacity = _HEAT_OPACITY * heat[..., np.newaxis]
    return picture * _SHADE * (1 - opacity) + heat_colors(heat) * opacity


def _cell_if_shown(frame: int, place: Place) -> int | None:
    """Returns the only cell for places that cover the frame in it."""
    return 0 if place.first_frame <= frame <= place.last_frame else None


def _arrows(
    canvas: Canvas,
    layout: Layout,
    attention: Attention,
    start: Point,
    cell_of: Callable[[Place], int | None],
) -> None:
    """Draws the connections, the weakest first.

    Args:
        canvas: The canvas to draw on.
        layout: Layout of the canvas.
        attention: The connections to draw.
        start: Start of the arrows.
        cell_of: Returns the number of the picture to draw a place in, or `None`.
    """
    shares = _shares([connection.weight for connection in attention.connections])
    unit = layout.height / 320
    for connection, share in reversed(
        [*zip(attention.connections, shares, strict=True)]
    ):
        place = connection.place
        cell = cell_of(place)
        if cell is None:
            continue
        end = layout.point(cell, place.y, place.x)
        red, green, blue = heat_colors(np.array(share)).tolist()
        color = (red, green, blue)
        width = unit * (1.2 + 2.3 * share)
        canvas.arrow(start, end, width, color, unit, _OUTLINE)


def _shares(weights: Sequence[float]) -> np.ndarray:
    """Returns positions on the color scale, from `WEAKEST` to 1."""
    values = np.array(weights)
    spread = np.ptp(values)
    share = (values - values.min()) / spread if spread > 0 else np.ones(len(values))
    return WEAKEST + (1 - WEAKEST) * share


def _mark_query(canvas: Canvas, at: Point, height: int, is_asking: bool) -> None:
    unit = height / 320
    canvas.ring(at, 9 * unit, 6 * unit, _OUTLINE)
    canvas.ring(at, 9 * unit, 3.2 * unit, QUERY)
    if is_asking:
        canvas.disc(at, 3.5 * unit, QUERY)


def _bar(
    canvas: Canvas,
    layout: Layout,
    cell: int,
    values: np.ndarray,
    index: int,
    slot: tuple[int, int] = (0, 1),
    is_bright: bool = True,
) -> None:
    """Draws the bar of one value below a picture, relative to the largest value.

    Args:
        canvas: The canvas to draw on.
        layout: Layout of the canvas.
        cell: Number of the picture.
        values: All values.
        index: Index of the value to draw.
        slot: Number of the bar below the picture, and the number of bars.
        is_bright: Whether the bar is highlighted.
    """
    number, count = slot
    top, left = layout.corner(cell)
    top += layout.height + layout.gap
    slot_width = layout.width / count
    inset = min(slot_width / 12, 2) if count > 1 else 0
    begin = left + number * slot_width + inset
    end = left + (number + 1) * slot_width - inset
    bottom = top + layout.bar_height
    canvas.bar((top, begin), (bottom, end), _TRACK)
    highest = values.max()
    if highest > 0 and values[index] > 0:
        share = float(values[index] / highest)
        red, green, blue = heat_colors(np.array(WEAKEST + share * (1 - WEAKEST)))
        dim = 1.0 if is_bright else 0.45
        color = (red * dim, green * dim, blue * dim)
        canvas.bar((bottom - share * layout.bar_height, begin), (bottom, end), color)
