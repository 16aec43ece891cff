"""Stick figures on backgrounds, annotated with keypoints in COCO's format.

python examples/pose_pictures.py DIR

With scikit-image, half of the backgrounds are parts of the photographs that it ships.
"""

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from shape_pictures import background

NAMES = (
    *("head", "neck", "left hand", "right hand"),
    *("hip", "left foot", "right foot"),
)
# COCO counts from 1.
SKELETON = ((1, 2), (2, 3), (2, 4), (2, 5), (5, 6), (5, 7))
SIGMAS = (0.05, 0.05, 0.07, 0.07, 0.07, 0.07, 0.07)
SIDE = 128
_CATEGORY = 3
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
_FINE = 3  # pictures are drawn so many times larger, and made smaller at the end
_MOST_OVERLAP = 0.1


def write_pictures(folder: Path, num_pictures: int, seed: int) -> Path:
    """Writes pictures, and `annotations.json` beside them.

    Args:
        folder: For both.
        num_pictures: How many.
        seed: Decides what is in them.

    Returns:
        The path of the annotations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(num_pictures):
        rng = np.random.default_rng((seed, number))
        picture, poses = _scene(rng)
        name = f"{number:04d}.png"
        picture.save(folder / name)
        images.append({"id": number, "file_name": name, "height": SIDE, "width": SIDE})
        annotations += [
            {"id": len(annotations) + index, "image_id": number, **_annotation(*pose)}
            for index, pose in enumerate(poses, start=1)
        ]
    category = {
        "id": _CATEGORY,
        "name": "figure",
        "keypoints": list(NAMES),
        "skeleton": list(map(list, SKELETON)),
    }
    path = folder / "annotations.json"
    contents = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(contents))
    return path


def _annotation(points: np.ndarray, radius: float) -> dict:
    """A figure; its points outside of the picture have no label."""
    low = np.clip(points.min(axis=0) - radius, 0, SIDE)
    high = np.clip(points.max(axis=0) + radius, 0, SIDE)
    is_inside = ((points >= 0) & (points < SIDE)).all(axis=1)
    # COCO names the pixel, whose center is half a pixel further.
    keypoints = np.column_stack([points - 0.5, np.full(len(points), 2)])
    keypoints[~is_inside] = 0
    return {
        "category_id": _CATEGORY,
        "bbox": [*low.round(2).tolist(), *(high - low).round(2).tolist()],
        "area": float(np.prod(high - low)),
        "iscrowd": 0,
        "keypoints": keypoints.ravel().round(2).tolist(),
        "num_keypoints": int(is_inside.sum()),
    }


def _scene(rng: np.random.Generator) -> tuple[Image.Image, list]:
    picture = _background(rng)
    poses: list[tuple[np.ndarray, float]] = []
    for _ in range(rng.integers(1, 3)):
        for _ in range(20):
            points, radius = _pose(rng)
            if all(_overlap(points, other) <= _MOST_OVERLAP for other, _ in poses):
                _paint(rng, picture, points * _FINE, radius * _FINE)
                poses.append((points, radius))
                break
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX), poses


def _pose(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A figure that faces the viewer, so its left is at the right of the picture."""
    height = rng.uniform(48, 96)
    limb, spine = 0.36 * height, 0.32 * height
    lean = rng.uniform(-0.35, 0.35)
    arms = rng.uniform(-0.6, 1.2, 2)  # from horizontal downwards
    legs = rng.uniform(0.1, 0.7, 2)  # from vertical outwards
    neck = np.zeros(2)
    hip = spine * np.array([np.sin(lean), np.cos(lean)])
    head = -0.16 * height * np.array([np.sin(lean), np.cos(lean)])
    sides = np.array([[1, 1], [-1, 1]])
    hands = neck + limb * np.column_stack([np.cos(arms), np.sin(arms)]) * sides
    feet = hip + limb * np.column_stack([np.sin(legs), np.cos(legs)]) * sides
    points = np.array([head, neck, *hands, hip, *feet])
    radius = 0.085 * height
    low, high = points.min(axis=0) - radius, points.max(axis=0) + radius
    # Most figures are in the picture completely.
    room = np.maximum(SIDE - (high - low), -8)
    corner = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
    return points - low + corner, radius


def _paint(
    rng: np.random.Generator, picture: Image.Image, points: np.ndarray, radius: float
) -> None:
    shape = Image.new("L", picture.size)
    draw = ImageDraw.Draw(shape)
    for one, other in SKELETON:
        ends = [tuple(points[one - 1]), tuple(points[other - 1])]
        draw.line(ends, fill=255, width=round(0.75 * radius))
    sizes = np.array([1.0, 0.4, 0.5, 0.5, 0.45, 0.5, 0.5]) * radius
    for (x, y), size in zip(points, sizes, strict=True):
        draw.ellipse((x - size, y - size, x + size, y + size), fill=255)
    shadow = shape.filter(ImageFilter.GaussianBlur(1.5 * _FINE))
    picture.paste((15, 15, 20), (_FINE, 2 * _FINE), shadow.point(lambda v: v // 2))
    picture.paste(tuple(int(c) for c in rng.uniform(60, 255, 3)), mask=shape)


def _background(rng: np.random.Generator) -> Image.Image:
    photographs = _photographs()
    if not photographs or rng.random() < 0.5:
        return background(rng, SIDE * _FINE)
    photograph = photographs[rng.integers(len(photographs))]
    side = int(rng.integers(SIDE, min(photograph.size) + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
    part = photograph.crop((left, top, left + side, top + side))
    return part.resize((SIDE * _FINE,) * 2, Image.Resampling.BICUBIC)


@cache
def _photographs() -> list[Image.Image]:
    if importlib.util.find_spec("skimage") is None:
        return []
    from skimage import data

    return [Image.fromarray(getattr(data, name)()) for name in _PHOTOGRAPHS]


def _overlap(points: np.ndarray, other: np.ndarray) -> float:
    """The share of the smaller box that the other one covers."""
    low = np.maximum(points.min(axis=0), other.min(axis=0))
    high = np.minimum(points.max(axis=0), other.max(axis=0))
    areas = [np.prod(np.ptp(pose, axis=0)) for pose in (points, other)]
    return float(np.prod(np.maximum(high - low, 0)) / min(areas))


if __name__ == "__main__":
    print(write_pictures(Path(sys.argv[1]), 24, seed=0))
