"""The text around drawn frames: a title, a legend and the times."""

from dataclasses import dataclass

import numpy as np

from keras_nonlocal.visualize.canvas import Canvas, Color, heat_colors, text_width

TEXT: Color = (232, 234, 240)
FAINT: Color = (160, 166, 180)
QUERY: Color = (70, 225, 255)
# Position of the weakest color in use on the color scale.
WEAKEST = 0.35
_SMALLEST_TEXT = 9
_SCALE_WIDTH = 5  # times the height of the text


@dataclass(frozen=True)
class Legend:
    """The meaning of the colors.

    Args:
        quantity: What the colors stand for.
        lowest: Its value in the darkest color.
        highest: Its value in the brightest color.
        has_query: Whether a ring marks a query.
        darkest: Position of the darkest color on the color scale.
    """

    quantity: str
    lowest: float
    highest: float
    has_query: bool = False
    darkest: float = WEAKEST


@dataclass(frozen=True)
class Caption:
    """The text around the frames.

    Args:
        title: The class, its score, and the layer.
        times: Presentation times of the frames in the video, in seconds.
        legend: The meaning of the colors.
    """

    title: str
    times: np.ndarray
    legend: Legend

    def time(self, frame: int) -> str:
        """Returns the time of a frame, as it is written."""
        return f"{self.times[frame]:.2f} s"


def text_size(picture_height: int) -> int:
    """Returns the height of the text for pictures of a height, in pixels."""
    return max(picture_height // 16, _SMALLEST_TEXT)


class Header:
    """The title and the legend, in one line or in two.

    Args:
        caption: What to write.
        size: Height of the text in pixels.
        width: Width of the canvas in pixels.
        margin: Distance from its sides in pixels.
    """

    def __init__(self, caption: Caption, size: int, width: int, margin: int) -> None:
        self._caption, self._size = caption, size
        self._width, self._margin = width, margin
        room = width - 2 * margin
        while self._legend_width() > room and self._size > 1:
            self._size -= 1
        self._line = round(1.5 * size)
        needed = text_width(caption.title, size) + self._legend_width() + 3 * size
        self._lines = 1 if needed <= room else 2

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self._line * self._lines

    def draw(self, canvas: Canvas) -> None:
        """Draws the title on the left and the legend on the right or below."""
        size, margin = self._size, self._margin
        room = self._width - 2 * margin
        top = margin + (self._line - size) // 2
        canvas.write(shortened(self._caption.title, size, room), (top, margin), size)
        if self._lines == 1:
            left = self._width - margin - self._legend_width()
        else:
            top, left = top + self._line, margin
        self._draw_legend(canvas, top, left)

    def _parts(self) -> tuple[str, str, str]:
        legend = self._caption.legend
        name = legend.quantity
        return f"{name} {legend.lowest:.2g}", f"{legend.highest:.2g}", "query"

    def _legend_width(self) -> int:
        before, after, query = self._parts()
        size = self._size
        width = text_width(before, size) + text_width(after, size)
        width += (_SCALE_WIDTH + 1) * size
        if self._caption.legend.has_query:
            width += text_width(query, size) + 3 * size
        return width

    def _draw_legend(self, canvas: Canvas, top: int, left: int) -> None:
        before, after, query = self._parts()
        size = self._size
        if self._caption.legend.has_query:
            unit = size / 20
            canvas.ring((top + size / 2, left + size / 2), 9 * unit, 3.2 * unit, QUERY)
            left += round(1.5 * size)
            left += canvas.write(query, (top, left), size, FAINT) + round(1.5 * size)
        left += canvas.write(before, (top, left), size, FAINT) + size // 2
        width = _SCALE_WIDTH * size
        shares = np.linspace(self._caption.legend.darkest, 1, width)
        height = max(size // 2, 1)
        scale = np.broadcast_to(heat_colors(shares), (height, width, 3))
        canvas.paste(scale, (top + (size - height) // 2, left))
        canvas.write(after, (top, left + width + size // 2), size, FAINT)


def shortened(text: str, size: int, room: float) -> str:
    """Returns a text that fits into a width, with an ellipsis where it was cut."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""
