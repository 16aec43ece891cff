"""Trains Mask R-CNN with and without a non-local block, and uses what it learned.

python examples/detection.py                 # writes its own pictures first
python examples/detection.py --blocks 1      # only the network with the block
KERAS_BACKEND=jax python examples/detection.py
"""

import argparse
import time
from pathlib import Path
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
from shape_pictures import SIDE, write_pictures
from small_detectors import LIVE, draw, fit, read, small_recipe, training_options

import keras_nonlocal
from keras_nonlocal.detection import HeadSettings
from keras_nonlocal.visualize import draw_detections

NAMES = {0: "Mask R-CNN", 1: "Mask R-CNN + NL"}


def main() -> None:
    options = parse_options()
    folder = options.output
    train, test = (
        read(
            write_pictures(folder / part, count, seed),
            SIDE,
            options,
            mask_size=56,
            max_boxes=8,
        )
        for part, count, seed in (
            ("train", options.pictures, 1),
            ("test", options.test_pictures, 2),
        )
    )
    print(
        f"{options.pictures} pictures to learn from, {options.test_pictures} unseen "
        f"ones to test. Classes: {', '.join(train.class_names)}\n"
    )
    results = {}
    for blocks in options.blocks:
        keras.utils.set_random_seed(options.seed)
        model = build(train, blocks, options)
        start = time.perf_counter()
        fit(model, train, options)
        seconds = time.perf_counter() - start
        result = keras_nonlocal.evaluate_coco(model, test, verbose=int(LIVE))
        results[blocks] = (model, result, seconds)
    print_table(results)
    model = results[options.blocks[-1]][0]
    drawn = draw(
        model,
        folder,
        SIDE,
        lambda picture, found: draw_detections(picture, found, model.class_names),
    )
    print(f"\npictures:    {drawn}")
    save_and_reload(model, folder)


def parse_options() -> argparse.Namespace:
    parser = training_options(__doc__.splitlines()[0], "detection_output")
    parser.add_argument("--blocks", type=int, nargs="+", choices=(0, 1), default=(0, 1))
    return parser.parse_args()


def build(train: Any, blocks: int, options: argparse.Namespace) -> Any:
    """A small detector for small pictures, trained from scratch."""
    heads = HeadSettings(
        pyramid_channels=32, box_units=128, mask_channels=32, mask_convolutions=2
    )
    return keras_nonlocal.NLMaskRCNN50(
        len(train.class_names),
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        nonlocal_blocks=blocks,
        width=options.width,
        recipe=small_recipe("paper", heads, num_regions=48),
        class_names=train.class_names,
        category_ids=train.category_ids,
        seed=options.seed,
    )


def print_table(results: dict[int, Any]) -> None:
    print("\n| network | box AP | box AP50 | mask AP | mask AP50 | training |")
    print("|---|---:|---:|---:|---:|---:|")
    for blocks, (_, result, seconds) in results.items():
        figures = [
            part[name] for part in (result.box, result.mask) for name in ("AP", "AP50")
        ]
        numbers = " | ".join(f"{figure:.3f}" for figure in figures)
        print(f"| {NAMES[blocks]} | {numbers} | {seconds:.0f} s |")


def save_and_reload(model: Any, folder: Path) -> None:
    picture = folder / "test" / "0000.png"
    model.save(folder / "detector.keras")
    print(f"model:       {folder / 'detector.keras'}")
    loaded = keras.saving.load_model(folder / "detector.keras", compile=False)
    expected, found = (
        keras_nonlocal.predict_picture(each, picture, short_side=SIDE, long_side=SIDE)
        for each in (model, loaded)
    )
    print_difference("Loaded again", picture, found["scores"], expected["scores"])
    if keras.backend.backend() == "tensorflow":
        served = export(model, folder, picture)
        print_difference("Served", picture, served, expected["scores"])


def export(model: Any, folder: Path, picture: Path) -> np.ndarray:
    """Exports a SavedModel and returns the scores it gives the objects in a picture."""
    import tensorflow as tf

    served = keras_nonlocal.export_saved_model(
        model, folder / "serving", short_side=SIDE, long_side=SIDE
    )
    print(f"for servers: {served}")
    signature = tf.saved_model.load(str(served)).signatures["encoded_images"]
    answer = signature(images=tf.constant([picture.read_bytes()]))
    return answer["scores"].numpy()[0, : int(answer["num_detections"][0])]


def print_difference(
    how: str, picture: Path, scores: np.ndarray, expected: np.ndarray
) -> None:
    difference = np.abs(scores - expected).max(initial=0.0)
    print(
        f"{how}, the network finds {len(scores)} objects in {picture.name}, with "
        f"scores that differ by at most {difference:.1e}."
    )


if __name__ == "__main__":
    main()
