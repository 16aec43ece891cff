"""Stick figures in COCO's format."""

import json

import numpy as np
from PIL import Image, ImageDraw

NAMES = ["head", "left hand", "right hand"]
SKELETON = [[1, 2], [1, 3]]
LEFT, RIGHT = (250, 60, 60), (60, 120, 250)


def write_figures(folder, count, seed, side=64):
    """Writes figures with a white head, a red left and a blue right hand.

    Returns the path of the annotations.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        pixels = rng.integers(0, 60, (side, side, 3), np.uint8)
        picture = Image.fromarray(pixels)
        height, width = rng.uniform(26, 44), rng.uniform(22, 36)
        x, y = rng.uniform(2, side - 2 - width), rng.uniform(2, side - 2 - height)
        points = [
            (x + width / 2, y + 4),
            (x + width - 4, y + rng.uniform(0.5, 1) * height - 4),
            (x + 4, y + rng.uniform(0.5, 1) * height - 4),
        ]
        draw = ImageDraw.Draw(picture)
        for hand in points[1:]:
            draw.line([points[0], hand], fill=(230, 230, 230), width=2)
        for (px, py), color in zip(points, ((255,) * 3, LEFT, RIGHT), strict=True):
            draw.ellipse((px - 4, py - 4, px + 4, py + 4), fill=color)
        name = f"{number}.png"
        picture.save(folder / name)
        images.append({"id": number, "file_name": name, "height": side, "width": side})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": 5,
                "bbox": [x, y, width, height],
                # COCO's figures of keypoints leave out objects below 32² pixels.
                "area": 1100.0,
                "iscrowd": 0,
                "num_keypoints": 3,
                # COCO names the pixel.
                "keypoints": [v for px, py in points for v in (px - 0.5, py - 0.5, 2)],
            }
        )
    category = {"id": 5, "name": "figure", "keypoints": NAMES, "skeleton": SKELETON}
    path = folder / "annotations.json"
    content = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(content))
    return path
