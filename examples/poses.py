"""Finds poses with and without non-local blocks in the keypoint head.

python examples/poses.py                 # writes its own pictures first
python examples/poses.py --blocks 2      # only the network with two blocks
"""

import argparse
import time
from dataclasses import replace
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
from pose_pictures import SIDE, SIGMAS, write_pictures
from small_detectors import LIVE, draw, fit, read, small_recipe, training_options

import keras_nonlocal
from keras_nonlocal.detection import HeadSettings
from keras_nonlocal.visualize import draw_poses

NAMES = {0: "Keypoint R-CNN", 1: "+ 1 block", 2: "+ 2 blocks"}


def main() -> None:
    options = parse_options()
    folder = options.output
    train, test = (
        read(
            write_pictures(folder / part, count, seed),
            SIDE,
            options,
            masks=False,
            keypoints=True,
            oks_sigmas=SIGMAS,
            max_boxes=4,
        )
        for part, count, seed in (
            ("train", options.pictures, 1),
            ("test", options.test_pictures, 2),
        )
    )
    print(
        f"{options.pictures} pictures to learn from, {options.test_pictures} unseen "
        f"ones to test. Keypoints: {', '.join(train.keypoint_names)}\n"
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
        lambda picture, found: draw_poses(
            picture, found, model.keypoints, class_names=model.class_names
        ),
    )
    print(f"\npictures: {drawn}")
    model.save(folder / "poses.keras")
    print(f"model:    {folder / 'poses.keras'}")


def parse_options() -> argparse.Namespace:
    parser = training_options(__doc__.splitlines()[0], "poses_output")
    parser.add_argument(
        "--blocks", type=int, nargs="+", choices=(0, 1, 2), default=(0, 2)
    )
    parser.set_defaults(steps=150)  # figures are learned sooner than shapes
    return parser.parse_args()


def build(train: Any, blocks: int, options: argparse.Namespace) -> Any:
    """A small detector for small pictures, trained from scratch."""
    heads = HeadSettings(
        pyramid_channels=32,
        box_units=256,
        keypoint_channels=64,
        keypoint_convolutions=4,
    )
    recipe = small_recipe("paper_keypoints", heads, num_regions=32)
    recipe = replace(recipe, keypoints=replace(recipe.keypoints, min_visible=1))
    return keras_nonlocal.NLKeypointRCNN50(
        len(train.keypoint_names),
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        head_nonlocal_blocks=blocks,
        nonlocal_blocks=0,
        width=options.width,
        recipe=recipe,
        class_names=train.class_names,
        category_ids=train.category_ids,
        keypoint_names=train.keypoint_names,
        flip_pairs=train.flip_pairs,
        oks_sigmas=train.oks_sigmas,
        skeleton=train.skeleton,
        seed=options.seed,
    )


def print_table(results: dict[int, Any]) -> None:
    print("\n| network | box AP | box AP50 | OKS AP | OKS AP50 | training |")
    print("|---|---:|---:|---:|---:|---:|")
    for blocks, (_, result, seconds) in results.items():
        figures = [
            part[name]
            for part in (result.box, result.keypoints)
            for name in ("AP", "AP50")
        ]
        numbers = " | ".join(f"{figure:.3f}" for figure in figures)
        print(f"| {NAMES[blocks]} | {numbers} | {seconds:.0f} s |")


if __name__ == "__main__":
    main()
