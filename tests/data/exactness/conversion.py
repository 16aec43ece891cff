"""Between which limits the RGB of a decoded frame lies, by its color matrix and range.

Colors are stored for several pixels together, and a converter may interpolate between
them as it likes. The result lies between those of the neighbors.
"""

import json
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from tests.data.exactness.films import run

_FORMAT = re.compile(r"(?:yuvj?|yuva)(4\d\d)p(?:(9|1\d)le)?$|gray(?:(1\d)le)?$")
# Columns and rows that share one color.
_SHARED = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "410": (4, 4), "440": (1, 2)}
# The shares of red and blue in the brightness (ITU-T H.273, table 4).
_SHARES = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
_SHARES_OF_OTHERS = (0.299, 0.114)


@dataclass(frozen=True)
class _Layout:
    """How the frames of a stream are stored."""

    width: int
    height: int
    pixel_format: str
    shared: tuple[int, int] | None
    bits: int
    is_full: bool
    shares: tuple[float, float]


def rgb_limits(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the lowest and the highest RGB of all pixels, from 0 to 255.

    Each has the shape `(frames, height, width, 3)`. `None`: the frames are not stored
    as brightness and colors.
    """
    layout = _layout(path)
    if layout is None:
        return None
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-an"]
    command += ["-fps_mode", "passthrough", "-pix_fmt", layout.pixel_format]
    content, _ = run([*command, "-f", "rawvideo", "pipe:1"])
    limits = [_frame_limits(layout, frame) for frame in _frames(layout, content)]
    lowest, highest = zip(*limits, strict=True)
    return np.stack(lowest), np.stack(highest)


def _layout(path: Path) -> _Layout | None:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_streams"]
    content, _ = run([*command, "-of", "json", f"file:{path}"])
    (stream, *_) = json.loads(content)["streams"]
    found = _FORMAT.match(stream["pix_fmt"])
    if found is None:
        return None
    name = stream["pix_fmt"]
    return _Layout(
        stream["width"],
        stream["height"],
        name,
        _SHARED[found[1]] if found[1] else None,
        int(found[2] or found[3] or 8),
        stream.get("color_range") == "pc" or name.startswith(("yuvj", "gray")),
        _SHARES.get(stream.get("color_space", ""), _SHARES_OF_OTHERS),
    )


def _frames(layout: _Layout, content: bytes) -> list[list[np.ndarray]]:
    """Returns the planes of each frame."""
    sizes = [(layout.height, layout.width)]
    if layout.shared is not None:
        columns, rows = layout.shared
        sizes += 2 * [(-(-layout.height // rows), -(-layout.width // columns))]
    if "yuva" in layout.pixel_format:
        sizes.append(sizes[0])
    values = np.frombuffer(content, np.uint8 if layout.bits == 8 else "<u2")
    ends = np.cumsum([height * width for height, width in sizes])
    frames = values.reshape(-1, ends[-1])
    return [
        [
            plane.reshape(size)
            for plane, size in zip(np.split(frame, ends[:-1]), sizes, strict=True)
        ]
        for frame in frames
    ]


def _frame_limits(
    layout: _Layout, planes: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    unit = 2.0 ** (layout.bits - 8)
    brightness, colors = planes[0].astype(np.float64), [*planes[1:3]]
    if layout.is_full:
        scale = 2.0**layout.bits - 1
        brightness, divisor = brightness / scale, scale
    else:
        brightness, divisor = (brightness - 16 * unit) / (219 * unit), 224 * unit
    if not colors:
        gray = np.repeat(brightness[..., np.newaxis], 3, axis=-1)
        return _levels(gray), _levels(gray)
    blue, red = ((plane - 128 * unit) / divisor for plane in colors)
    of_red, of_blue = layout.shares
    offsets = (
        2 * (1 - of_red) * red,
        -2
        * (of_red * (1 - of_red) * red + of_blue * (1 - of_blue) * blue)
        / (1 - of_red - of_blue),
        2 * (1 - of_blue) * blue,
    )
    bounds = [_neighbors(offset, layout) for offset in offsets]
    return tuple(
        _levels(brightness[..., np.newaxis] + np.stack(limit, axis=-1))
        for limit in zip(*bounds, strict=True)
    )


def _neighbors(plane: np.ndarray, layout: _Layout) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least and the greatest of the stored values around each pixel."""
    columns, rows = layout.shared
    # Lines of the same field are two apart.
    down = 2 if rows > 1 else 0
    right = 1 if columns > 1 else 0
    padded = np.pad(plane, ((down, down), (right, right)), mode="edge")
    height, width = plane.shape
    views = [
        padded[top : top + height, left : left + width]
        for top, left in product(range(2 * down + 1), range(2 * right + 1))
    ]
    return tuple(
        limit.repeat(rows, axis=0).repeat(columns, axis=1)[
            : layout.height, : layout.width
        ]
        for limit in (np.min(views, axis=0), np.max(views, axis=0))
    )


def _levels(values: np.ndarray) -> np.ndarray:
    return 255 * values.clip(0, 1)
