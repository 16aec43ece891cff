"""Where frames, their bars and their times stand on a canvas."""

from keras_nonlocal.visualize.canvas import Canvas, Color, Point, text_width
from keras_nonlocal.visualize.captions import FAINT, Caption, Header, text_size

_BACKGROUND: Color = (16, 18, 24)
_MAX_COLUMNS = 8


class Layout:
    """The layout of frames, their bars and times on a canvas, below a header.

    Args:
        num_frames: Number of frames shown next to each other, in rows of at most 8.
        height: Height of a picture, in pixels.
        width: Width of a picture, in pixels.
        caption: What is written around the frames.
    """

    def __init__(
        self, num_frames: int, height: int, width: int, caption: Caption
    ) -> None:
        self.columns = min(num_frames, _MAX_COLUMNS)
        self.rows = -(-num_frames // self.columns)
        self.height, self.width = height, width
        self.gap = max(height // 32, 4)
        self.bar_height = max(height // 9, 8)
        self.text_size = text_size(height)
        self.time_height = round(1.5 * self.text_size)
        self.canvas_width = self.gap + self.columns * (self.width + self.gap)
        self.caption = caption
        self.header = Header(caption, self.text_size, self.canvas_width, self.gap)

    @property
    def cell_height(self) -> int:
        """Height of a picture with its bar and its time."""
        return self.height + self.bar_height + self.time_height + 2 * self.gap

    def corner(self, frame: int) -> tuple[int, int]:
        """Returns the upper left corner of a frame's picture."""
        row, column = divmod(frame, self.columns)
        top = self.gap + self.header.height + row * self.cell_height
        return top, self.gap + column * (self.width + self.gap)

    def point(self, frame: int, y: float, x: float) -> Point:
        """Returns the point of a place in a frame's picture."""
        top, left = self.corner(frame)
        return top + y * self.height, left + x * self.width

    def canvas(self) -> Canvas:
        """Returns a canvas of the right size with the header."""
        height = self.gap + self.header.height + self.rows * self.cell_height
        canvas = Canvas(height, self.canvas_width, _BACKGROUND)
        self.header.draw(canvas)
        return canvas

    def write_time(
        self, canvas: Canvas, cell: int, frame: int, center: float = 0.5
    ) -> None:
        """Writes the time of a frame below the bar of a picture.

        Args:
            canvas: The canvas.
            cell: Number of the picture.
            frame: Number of the frame.
            center: Where to write, relative to the width of the picture.
        """
        text = self.caption.time(frame)
        written = text_width(text, self.text_size)
        top, left = self.corner(cell)
        top += self.height + self.gap + self.bar_height + self.text_size // 4
        shift = round(center * self.width - written / 2)
        shift = max(0, min(shift, self.width - written))
        canvas.write(text, (top, left + shift), self.text_size, FAINT)
