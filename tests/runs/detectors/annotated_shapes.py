"""Pictures of rectangles, and settings of runs on them that take seconds."""

import json

import numpy as np
from PIL import Image

from keras_nonlocal.runs import DetectorSettings

CATEGORIES = [{"id": 2, "name": "wide"}, {"id": 7, "name": "high"}]
SMALL = {
    "anchors": {"sizes": (8, 16, 32, 64, 128)},
    "heads": {
        "pyramid_channels": 16,
        "box_units": 32,
        "mask_channels": 16,
        "mask_convolutions": 1,
    },
    "proposals": {
        "pre_nms_training": 60,
        "pre_nms_inference": 60,
        "post_nms_training": 40,
        "post_nms_inference": 40,
        "num_samples": 32,
    },
    "regions": {"num_samples": 16, "canonical_size": 28},
    "detections": {"max_detections": 10, "num_candidates": 60},
}


def write_shapes(folder, count, seed):
    """Writes bright rectangles on dark noise, and returns the annotations' path."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    images, annotations = [], []
    for number in range(count):
        pixels = rng.integers(0, 80, (64, 64, 3), np.uint8)
        label = int(rng.integers(0, 2))
        width, height = (30, 14) if label == 0 else (14, 30)
        x, y = int(rng.integers(2, 62 - width)), int(rng.integers(2, 62 - height))
        pixels[y : y + height, x : x + width] += 150
        name = f"{number}.png"
        Image.fromarray(pixels).save(folder / name)
        images.append({"id": number, "file_name": name, "height": 64, "width": 64})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": CATEGORIES[label]["id"],
                "bbox": [x, y, width, height],
                "area": width * height,
                "iscrowd": 0,
                "segmentation": [
                    [x, y, x + width, y, x + width, y + height, x, y + height]
                ],
            }
        )
    path = folder / "annotations.json"
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path.write_text(json.dumps(content))
    return path


def small_settings(folder):
    """Settings of a run on `folder / "train"` and `folder / "test"`."""
    return DetectorSettings().replace(
        annotations=folder / "train" / "annotations.json",
        test=folder / "test" / "annotations.json",
        test_images=folder / "test",
        output=folder / "run",
        weights=None,
        width=4,
        recipe_changes=SMALL,
        short_side=(48, 64),
        long_side=64,
        buckets=((64, 64),),
        max_boxes=3,
        mask_size=28,
        batch_size=2,
        epochs=2,
        jit="off",
        save_every=2,
    )
