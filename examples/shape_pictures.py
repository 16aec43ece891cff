"""Pictures of shapes on painted backgrounds, annotated in COCO's format.

python examples/shape_pictures.py DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ("circle", "square", "triangle")
# COCO's numbers have gaps, so these have.
CATEGORY_IDS = (1, 4, 9)
SIDE = 128
_FINE = 2  # pictures are drawn so many times larger, and made smaller at the end
_MOST_OVERLAP = 0.2


def write_pictures(
    folder: Path, num_pictures: int, seed: int, side: int = SIDE
) -> Path:
    """Writes pictures, and `annotations.json` beside them.

    Args:
        folder: For both.
        num_pictures: How many.
        seed: Decides what is in them.
        side: Height and width in pixels.

    Returns:
        The path of the annotations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(num_pictures):
        rng = np.random.default_rng((seed, number))
        picture, shapes = _scene(rng, side)
        name = f"{number:04d}.png"
        picture.save(folder / name)
        images.append({"id": number, "file_name": name, "height": side, "width": side})
        for label, corners in shapes:
            low, high = corners.min(axis=0), corners.max(axis=0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORY_IDS[label],
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": _area(corners),
                    "segmentation": [corners.ravel().tolist()],
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": number, "name": name}
        for number, name in zip(CATEGORY_IDS, SHAPES, strict=True)
    ]
    path = folder / "annotations.json"
    contents = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(contents))
    return path


def _scene(rng: np.random.Generator, side: int) -> tuple[Image.Image, list]:
    picture = background(rng, side * _FINE)
    shapes: list[tuple[int, np.ndarray]] = []
    for _ in range(rng.integers(1, 5)):
        for _ in range(20):
            label = int(rng.integers(len(SHAPES)))
            corners = _corners(rng, label, side)
            if all(_overlap(corners, other) <= _MOST_OVERLAP for _, other in shapes):
                _paint(rng, picture, corners * _FINE)
                shapes.append((label, corners))
                break
    return picture.resize((side, side), Image.Resampling.BOX), shapes


def _clouds(rng: np.random.Generator, side: int, coarsest: int = 3) -> np.ndarray:
    """Smooth noise of several sizes, from 0 to 1, `(side, side)`."""
    total = np.zeros((side, side), np.float32)
    for octave in range(5):
        cells = coarsest * 2**octave
        noise = Image.fromarray(rng.random((cells, cells), np.float32))
        layer = noise.resize((side, side), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 2**octave
    total -= total.min()
    return total / total.max()


def background(rng: np.random.Generator, side: int) -> Image.Image:
    """Two colors that flow into each other, with light from one side."""
    first, second = rng.uniform(30, 215, (2, 3))
    share = _clouds(rng, side)[..., None]
    slope = np.linspace(-1, 1, side)
    angle = rng.uniform(0, 2 * np.pi)
    light = np.cos(angle) * slope[:, None] + np.sin(angle) * slope[None]
    pixels = first * share + second * (1 - share) + 22 * light[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _corners(rng: np.random.Generator, label: int, side: int) -> np.ndarray:
    """The outline of a shape that lies in the picture, `(corners, 2)` as x and y."""
    radius = rng.uniform(0.09, 0.24) * side
    count = (32, 4, 3)[label]
    start = rng.uniform(0, 2 * np.pi)
    angles = start + 2 * np.pi * np.arange(count) / count
    center = rng.uniform(radius + 1, side - radius - 1, 2)
    corners = center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return corners.round(2)


def _paint(rng: np.random.Generator, picture: Image.Image, corners: np.ndarray) -> None:
    """A shape with a shadow, and a color that its light and its texture vary."""
    side = picture.width
    outline = Image.new("L", picture.size)
    ImageDraw.Draw(outline).polygon([*map(tuple, corners.tolist())], fill=255)
    shadow = Image.new("L", picture.size)
    ImageDraw.Draw(shadow).polygon(
        [(x + 1.2 * _FINE, y + 1.8 * _FINE) for x, y in corners.tolist()], fill=120
    )
    shadow = shadow.filter(ImageFilter.GaussianBlur(1.5 * _FINE))
    picture.paste((15, 15, 20), mask=shadow)
    color = rng.uniform(40, 255, 3)
    texture = _clouds(rng, side, coarsest=8)[..., None] - 0.5
    rows = np.linspace(1, -1, side)[:, None, None]
    pixels = np.clip(color + 50 * texture + 25 * rows, 0, 255).astype(np.uint8)
    picture.paste(Image.fromarray(pixels), mask=outline)


def _overlap(corners: np.ndarray, other: np.ndarray) -> float:
    """The share of the smaller box that the other one covers."""
    low = np.maximum(corners.min(axis=0), other.min(axis=0))
    high = np.minimum(corners.max(axis=0), other.max(axis=0))
    areas = [np.prod(np.ptp(shape, axis=0)) for shape in (corners, other)]
    return float(np.prod(np.maximum(high - low, 0)) / min(areas))


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


if __name__ == "__main__":
    print(write_pictures(Path(sys.argv[1]), 24, seed=0))
