"""Draws antialiased lines, arrows, dots, bars and text on an RGB picture."""

from collections.abc import Callable, Sequence

import numpy as np

from keras_nonlocal.optional_packages import import_pillow, import_pillow_drawing

Color = tuple[float, float, float]
Point = tuple[float, float]

# Dark violet to light yellow, with steadily increasing lightness.
_HEAT_COLOURS = np.array(
    [
        (20, 11, 52),
        (87, 16, 110),
        (158, 40, 100),
        (214, 72, 67),
        (246, 125, 21),
        (251, 190, 35),
        (252, 255, 164),
    ],
    np.float32,
)


def heat_colors(values: np.ndarray) -> np.ndarray:
    """Maps values from 0 to 1, `(…)`, to colors from 0 to 255, `(…, 3)`."""
    at = np.clip(values, 0, 1) * (len(_HEAT_COLOURS) - 1)
    stops = np.arange(len(_HEAT_COLOURS))
    return np.stack(
        [np.interp(at, stops, channel) for channel in _HEAT_COLOURS.T], axis=-1
    )


def text_width(text: str, size: int) -> int:
    """Returns the width of a text in pixels.

    Args:
        text: In one line.
        size: Height in pixels.
    """
    _, fonts = import_pillow_drawing()
    return int(np.ceil(fonts.load_default(size).getlength(text)))


class Canvas:
    """A picture to draw on. Points are `(y, x)`, in pixels from the upper left corner.

    Args:
        height: In pixels.
        width: In pixels.
        color: Background color.
    """

    def __init__(self, height: int, width: int, color: Color) -> None:
        self._pixels = np.empty((height, width, 3), np.float32)
        self._pixels[:] = color

    @property
    def picture(self) -> np.ndarray:
        """RGB bytes, `(height, width, 3)`."""
        return np.clip(np.round(self._pixels), 0, 255).astype(np.uint8)

    def paste(self, picture: np.ndarray, corner: tuple[int, int]) -> None:
        """Pastes a picture `(height, width, 3)`, its upper left corner at a point."""
        top, left = corner
        height, width = picture.shape[:2]
        region = self._pixels[top : top + height, left : left + width]
        region[:] = picture[: region.shape[0], : region.shape[1]]

    def write(
        self,
        text: str,
        corner: tuple[int, int],
        size: int,
        color: Color = (255, 255, 255),
    ) -> int:
        """Writes a text.

        Args:
            text: In one line.
            corner: The upper left corner.
            size: Height in pixels.
            color: Color of the text.

        Returns:
            Its width in pixels.
        """
        drawing, fonts = import_pillow_drawing()
        width = text_width(text, size)
        if not width:
            return 0
        image = import_pillow().new("L", (width, round(1.4 * size)))
        # The anchor is the left end of the ascender line.
        drawing.Draw(image).text((0, 0), text, 255, fonts.load_default(size), "la")
        top, left = corner
        region = self._pixels[top : top + image.height, left : left + width]
        alpha = np.asarray(image, np.float32)[: region.shape[0], : region.shape[1]]
        region += (alpha[..., np.newaxis] / 255) * (np.array(color) - region)
        return width

    def line(self, start: Point, end: Point, width: float, color: Color) -> None:
        """Draws a line with round ends."""
        reach = width / 2 + 1

        def coverage(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return width / 2 - _distance_to_segment(y, x, start, end)

        self._draw(coverage, (start, end), reach, color)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """Draws a filled circle."""

        def coverage(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return radius - np.hypot(y - center[0], x - center[1])

        self._draw(coverage, (center,), radius + 1, color)

    def ring(self, center: Point, radius: float, width: float, color: Color) -> None:
        """Draws a circle."""

        def coverage(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return width / 2 - abs(np.hypot(y - center[0], x - center[1]) - radius)

        self._draw(coverage, (center,), radius + width, color)

    def bar(self, corner: Point, opposite: Point, color: Color) -> None:
        """Fills a rectangle."""
        (top, left), (bottom, right) = corner, opposite

        def coverage(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            vertical = np.minimum(y - top, bottom - y)
            return np.minimum(vertical, np.minimum(x - left, right - x))

        self._draw(coverage, (corner, opposite), 1, color)

    def arrow(
        self,
        start: Point,
        end: Point,
        width: float,
        color: Color,
        border: float,
        border_color: Color,
    ) -> None:
        """Draws a line with an arrowhead at its end, or a dot if it is short.

        Args:
            start: Start of the line.
            end: Tip of the arrow.
            width: Width of the line.
            color: Color of the line and the head.
            border: Width of a border around both.
            border_color: Color of the border.
        """
        along = np.subtract(end, start)
        length = float(np.hypot(*along))
        size = 4 * width + 2
        if length < size:
            self.disc(end, size / 2 + border, border_color)
            self.disc(end, size / 2, color)
            return
        along = along / length
        across = np.array([-along[1], along[0]])
        base = np.subtract(end, size * along)
        left, right = base + 0.5 * size * across, base - 0.5 * size * across
        head = tuple((float(y), float(x)) for y, x in (end, left, right))
        shaft_end = (float(base[0] + along[0]), float(base[1] + along[1]))
        self.line(start, shaft_end, width + 2 * border, border_color)
        self._triangle(head, border, border_color)
        self.line(start, shaft_end, width, color)
        self._triangle(head, 0, color)

    def _triangle(self, corners: Sequence[Point], border: float, color: Color) -> None:
        middle = np.mean(corners, axis=0)

        def coverage(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            inside = np.full(y.shape, np.inf)
            for a, b in zip(corners, (*corners[1:], corners[0]), strict=True):
                normal = np.array([b[1] - a[1], a[0] - b[0]]) / np.hypot(
                    b[0] - a[0], b[1] - a[1]
                )
                if normal @ (middle - a) < 0:
                    normal = -normal
                edge = normal[0] * (y - a[0]) + normal[1] * (x - a[1])
                inside = np.minimum(inside, edge)
            return inside + border

        self._draw(coverage, corners, 1 + border, color)

    def _draw(
        self,
        depth: Callable[[np.ndarray, np.ndarray], np.ndarray],
        around: Sequence[Point],
        margin: float,
        color: Color,
    ) -> None:
        """Blends a color over the pixels inside a shape.

        Args:
            depth: Maps coordinates of pixel centers to their distance from the edge,
                positive inside.
            around: Points whose bounding box, widened by `margin`, contains the shape.
            margin: Margin in pixels.
            color: RGB from 0 to 255.
        """
        low = np.floor(np.min(around, axis=0) - margin).astype(int)
        high = np.ceil(np.max(around, axis=0) + margin).astype(int) + 1
        (top, left), (bottom, right) = np.maximum(low, 0), np.maximum(high, 0)
        region = self._pixels[top:bottom, left:right]
        y, x = np.mgrid[top : top + region.shape[0], left : left + region.shape[1]]
        alpha = np.clip(depth(y + 0.5, x + 0.5) + 0.5, 0, 1)[..., np.newaxis]
        region += alpha * (np.array(color) - region)


def _distance_to_segment(
    y: np.ndarray, x: np.ndarray, start: Point, end: Point
) -> np.ndarray:
    along_y, along_x = end[0] - start[0], end[1] - start[1]
    squared = along_y**2 + along_x**2
    share = ((y - start[0]) * along_y + (x - start[1]) * along_x) / max(squared, 1e-9)
    share = np.clip(share, 0, 1)
    return np.hypot(y - start[0] - share * along_y, x - start[1] - share * along_x)
