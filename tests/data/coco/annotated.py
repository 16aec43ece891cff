"""A small data set in COCO's format, with everything that such files may hold."""

import json

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

CATEGORIES = [
    {"id": 90, "name": "toothbrush"},
    {"id": 3, "name": "car"},
    {"id": 17, "name": "cat"},
]
# Height and width.
SIZES = {139: (48, 64), 7: (70, 40), 25: (40, 40), 8: (33, 90), 40: (64, 48)}


def ellipse(size, box):
    """A bitmap of the ellipse in a box `(x, y, width, height)`."""
    x, y, width, height = box
    rows = (np.arange(size[0]) + 0.5 - y - height / 2) / (height / 2)
    columns = (np.arange(size[1]) + 0.5 - x - width / 2) / (width / 2)
    return (rows[:, None] ** 2 + columns**2 <= 1).astype(np.uint8)


def compressed(bitmap):
    encoded = coco_mask.encode(np.asfortranarray(bitmap))
    return {"size": [*bitmap.shape], "counts": encoded["counts"].decode()}


def uncompressed(bitmap):
    flat = bitmap.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [len(flat)]])
    counts = np.diff(edges).tolist()
    return {
        "size": [*bitmap.shape],
        "counts": counts if flat[0] == 0 else [0, *counts],
    }


def rectangle(box):
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def content():
    """The contents of the JSON file; image 25 has no objects."""
    boxes = {
        1: (139, 17, [10.0, 8.0, 24.0, 30.0]),
        2: (139, 90, [30.0, 20.0, 20.5, 15.25]),
        3: (7, 3, [4.0, 20.0, 30.0, 40.0]),
        4: (8, 17, [50.0, 3.0, 36.0, 25.0]),
        5: (40, 3, [-0.25, 10.0, 20.25, 20.0]),
    }
    entries = {
        number: {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": rectangle(box),
        }
        for number, (image, category, box) in boxes.items()
    }
    entries[1]["segmentation"] = uncompressed(ellipse(SIZES[139], boxes[1][2]))
    entries[3]["segmentation"] = compressed(ellipse(SIZES[7], boxes[3][2]))
    # A second polygon of two points, which is dropped.
    entries[4]["segmentation"] += [[50.0, 3.0, 60.0, 9.0]]
    crowd = np.zeros(SIZES[8], np.uint8)
    crowd[5:30, 2:45] = 1
    others = [
        (6, 8, 3, [2.0, 5.0, 43.0, 25.0], uncompressed(crowd)),
        (7, 7, 3, [1.0, 1.0, 10.0, 10.0], [[1.0, 1.0, 11.0, 11.0]]),
        (8, 7, 3, [5.0, 5.0, 0.0, 10.0], rectangle([5, 5, 1, 10])),
        (9, 8, 17, [95.0, 2.0, 20.0, 8.0], rectangle([95, 2, 20, 8])),
        (10, 139, 4, [5.0, 5.0, 9.0, 10.0], rectangle([5, 5, 9, 10])),
        (11, 999, 3, [5.0, 5.0, 9.0, 10.0], rectangle([5, 5, 9, 10])),
        (12, 40, 3, [5.0, 5.0, 9.0, 10.0], []),
    ]
    annotations = [*entries.values()]
    for number, image, category, box, segmentation in others:
        annotations.append(
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(number == 6),
                "segmentation": segmentation,
            }
        )
    images = [
        {"id": image, "file_name": f"{image}.png", "height": size[0], "width": size[1]}
        for image, size in SIZES.items()
    ]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def write_pictures(folder, rng, entries):
    """Random pictures of the sizes in the annotations."""
    for entry in entries:
        pixels = rng.integers(0, 256, (entry["height"], entry["width"], 3), np.uint8)
        Image.fromarray(pixels).save(folder / entry["file_name"])


def write_set(folder, rng):
    """Writes the JSON file and the pictures, and returns their places."""
    images = folder / "images"
    images.mkdir()
    held = content()
    write_pictures(images, rng, held["images"])
    path = folder / "annotations.json"
    path.write_text(json.dumps(held))
    return path, images


def write_many(folder, rng, count, categories=3):
    """A set of `count` pictures with up to 3 rectangles each."""
    images, annotations = [], []
    for number in range(1, count + 1):
        height, width = (int(side) for side in rng.integers(30, 90, 2))
        name = f"{number:03d}.png"
        images.append(
            {"id": number, "file_name": name, "height": height, "width": width}
        )
        for _ in range(rng.integers(0, 4)):
            corner = rng.uniform(0, 15, 2)
            size = rng.uniform(5, 14, 2)
            box = [*corner.tolist(), *size.tolist()]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": int(rng.integers(1, categories + 1)),
                    "bbox": box,
                    "iscrowd": 0,
                    "segmentation": rectangle(box),
                }
            )
    write_pictures(folder, rng, images)
    names = [{"id": i, "name": f"class {i}"} for i in range(1, categories + 1)]
    return {"images": images, "annotations": annotations, "categories": names}


class Oracle:
    """A model that finds in each picture what is annotated there.

    Args:
        dataset: A dataset of `coco_dataset`.
        change: Takes and returns the arrays of a batch.
    """

    def __init__(self, dataset, change=lambda outputs: outputs):
        self.calls = 0
        self._change = change
        self._known = {}
        source = dataset.source.for_evaluation(dataset.failures)
        for batch in source.batches(0):
            for index, image in enumerate(batch.x["images"]):
                own = {name: values[index] for name, values in batch.y.items()}
                self._known[image.tobytes()] = own

    def predict_on_batch(self, x):
        self.calls += 1
        found = [self._known[image.tobytes()] for image in x["images"]]
        outputs = {name: np.stack([one[name] for one in found]) for name in found[0]}
        outputs["scores"] = np.full(outputs["labels"].shape, 0.9, "float32")
        return self._change(outputs)
