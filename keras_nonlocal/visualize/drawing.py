"""Draws attention and class activations, side by side or frame by frame."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from keras_nonlocal.visualize.attention import Attention, Place
from keras_nonlocal.visualize.canvas import Canvas, Color, Point, heat_colors
from keras_nonlocal.visualize.class_activation import ClassActivation

_BACKGROUND: Color = (16, 18, 24)
_TRACK: Color = (44, 48, 58)
_QUERY: Color = (70, 225, 255)
_OUTLINE: Color = (8, 9, 12)
_SHADE = 0.7  # of the pictures' brightness, so the drawing on them stands out
_MAX_COLUMNS = 8
_HEAT_OPACITY = 0.72
_WEAKEST = 0.35  # position of the weakest drawn connection on the color scale


class Layout:
    """The layout of frames and their bars on a canvas.

    Args:
        num_frames: Number of frames shown next to each other, in rows of at most 8.
        height: Height of a picture, in pixels.
        width: Width of a picture, in pixels.
    """

    def __init__(self, num_frames: int, height: int, width: int) -> None:
        self.columns = min(num_frames, _MAX_COLUMNS)
        self.rows = -(-num_frames // self.columns)
        self.height, self.width = height, width
        self.gap = max(height // 32, 4)
        self.bar_height = max(height // 9, 8)

    def corner(self, frame: int) -> tuple[int, int]:
        """Returns the upper left corner of a frame's picture."""
        row, column = divmod(frame, self.columns)
        cell_height = self.height + self.bar_height + 2 * self.gap
        return self.gap + row * cell_height, self.gap + column * (self.width + self.gap)

    def point(self, frame: int, y: float, x: float) -> Point:
        """Returns the point of a place in a frame's picture."""
        top, left = self.corner(frame)
        return top + y * self.height, left + x * self.width

    def canvas(self) -> Canvas:
        """Returns an empty canvas of the right size."""
        return Canvas(
            self.gap + self.rows * (self.height + self.bar_height + 2 * self.gap),
            self.gap + self.columns * (self.width + self.gap),
            _BACKGROUND,
        )


def attention_strip(attention: Attention, pictures: np.ndarray) -> np.ndarray:
    """Draws all frames, with arrows from the query to its connections.

    Args:
        attention: The attention to draw.
        pictures: RGB bytes, `(num_frames, height, width, 3)`.
    """
    layout = Layout(*pictures.shape[:3])
    canvas = layout.canvas()
    for frame, picture in enumerate(pictures):
        canvas.paste(picture * _SHADE, layout.corner(frame))
        _bar(canvas, layout, frame, attention.frame_weights, frame)
    query = attention.query
    start = layout.point(query.frame, query.y, query.x)
    _arrows(canvas, layout, attention, start, lambda place: place.frame)
    _mark_query(canvas, start, layout.height, is_asking=True)
    return canvas.picture


def attention_frames(attention: Attention, pictures: np.ndarray) -> list[np.ndarray]:
    """Returns each frame with the connections in it, above all frames' weights."""
    num_frames, height, width, _ = pictures.shape
    layout = Layout(1, height, width)
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
        drawn.append(canvas.picture)
    return drawn


def activation_strip(activation: ClassActivation, pictures: np.ndarray) -> np.ndarray:
    """Draws all frames, colored where the class shows, above its strength in each."""
    layout = Layout(*pictures.shape[:3])
    canvas = layout.canvas()
    heat = activation.resized(*pictures.shape[:3])
    strengths = heat.max(axis=(1, 2))
    for frame, picture in enumerate(pictures):
        canvas.paste(_overlaid(picture, heat[frame]), layout.corner(frame))
        _bar(canvas, layout, frame, strengths, frame)
    return canvas.picture


def activation_frames(
    activation: ClassActivation, pictures: np.ndarray
) -> list[np.ndarray]:
    """Returns each frame, colored where the class shows, above its strength in all."""
    num_frames, height, width, _ = pictures.shape
    layout = Layout(1, height, width)
    heat = activation.resized(num_frames, height, width)
    strengths = heat.max(axis=(1, 2))
    drawn = []
    for frame, picture in enumerate(pictures):
        canvas = layout.canvas()
        canvas.paste(_overlaid(picture, heat[frame]), layout.corner(0))
        for other in range(num_frames):
            slot = (other, num_frames)
            _bar(canvas, layout, 0, strengths, other, slot, is_bright=other == frame)
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
    """Returns positions on the color scale, from `_WEAKEST` to 1."""
    values = np.array(weights)
    spread = np.ptp(values)
    share = (values - values.min()) / spread if spread > 0 else np.ones(len(values))
    return _WEAKEST + (1 - _WEAKEST) * share


def _mark_query(canvas: Canvas, at: Point, height: int, is_asking: bool) -> None:
    unit = height / 320
    canvas.ring(at, 9 * unit, 6 * unit, _OUTLINE)
    canvas.ring(at, 9 * unit, 3.2 * unit, _QUERY)
    if is_asking:
        canvas.disc(at, 3.5 * unit, _QUERY)


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
        red, green, blue = heat_colors(np.array(_WEAKEST + share * (1 - _WEAKEST)))
        dim = 1.0 if is_bright else 0.45
        color = (red * dim, green * dim, blue * dim)
        canvas.bar((bottom - share * layout.bar_height, begin), (bottom, end), color)
