"""Names and scores on a picture, each on a small plate of its own color."""

from dataclasses import dataclass, field

import numpy as np

from keras_nonlocal.optional_packages import import_pillow, import_pillow_drawing

Rectangle = tuple[int, int, int, int]
RGB = tuple[int, int, int]

_DARK: RGB = (16, 18, 24)
_LIGHT: RGB = (255, 255, 255)
_SMALLEST_TEXT = 11
# Text is as high as one of these parts of the shorter side.
_TEXT_SHARE = 36


@dataclass
class LabelWriter:
    """Writes labels beside boxes where they cover no other label.

    Args:
        picture: RGB bytes, `(height, width, 3)`, which are drawn on.
    """

    picture: np.ndarray
    _taken: list[Rectangle] = field(default_factory=list)

    def write(self, text: str, box: np.ndarray, color: RGB) -> None:
        """Writes above the box, or inside or below where there is no room.

        Args:
            text: In one line.
            box: `(x1, y1, x2, y2)` in pixels.
            color: Of the plate.
        """
        drawing, fonts = import_pillow_drawing()
        height, width = self.picture.shape[:2]
        size = max(min(height, width) // _TEXT_SHARE, _SMALLEST_TEXT)
        font = fonts.load_default(size)
        pad = max(size // 4, 2)
        ascent, descent = font.getmetrics()
        plate_width = round(font.getlength(text)) + 2 * pad
        plate_height = ascent + descent + pad
        left, top = self._place(box, min(plate_width, width), min(plate_height, height))
        right, bottom = min(left + plate_width, width), min(top + plate_height, height)
        self._taken.append((left, top, right, bottom))
        image = import_pillow().new("RGB", (right - left, bottom - top), color)
        drawing.Draw(image).text(
            (pad, pad // 2), text, fill=readable_on(color), font=font
        )
        self.picture[top:bottom, left:right] = np.asarray(image)

    def _place(self, box: np.ndarray, width: int, height: int) -> tuple[int, int]:
        """The corner at which a plate covers the least of the others."""
        picture_height, picture_width = self.picture.shape[:2]
        x1, y1, x2, y2 = (int(side) for side in np.round(box))
        corners = [
            (left, top)
            for top in (y1 - height, y1, y2 - height, y2)
            for left in (x1, x2 - width)
            if 0 <= top <= picture_height - height
        ] or [(x1, 0)]
        inside = [
            (min(max(left, 0), picture_width - width), top) for left, top in corners
        ]
        # Of equal places the first.
        return min(inside, key=lambda corner: self._covered(corner, width, height))

    def _covered(self, corner: tuple[int, int], width: int, height: int) -> int:
        left, top = corner
        return sum(
            max(min(left + width, other[2]) - max(left, other[0]), 0)
            * max(min(top + height, other[3]) - max(top, other[1]), 0)
            for other in self._taken
        )


def readable_on(color: RGB) -> RGB:
    """Returns the color of text with the higher contrast to a plate."""
    # Relative luminance and contrast of WCAG 2.
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return _DARK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else _LIGHT
