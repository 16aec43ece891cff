"""Size and cost of the detectors, for `keras-nonlocal summary --task detection`."""

import argparse
from typing import Any

from keras_nonlocal.cli.json_output import print_json

# Depths, and blocks in the backbone: Table 5 of the paper.
_MASK_ROWS = ((50, 0), (50, 1), (101, 0), (101, 1))
# Depths, blocks in the head and in the backbone: its Table 6, and ResNet-50.
_KEYPOINT_ROWS = ((50, 0, 0), (50, 4, 1), (101, 0, 0), (101, 4, 0), (101, 4, 1))
_SIZE = (800, 1280)
_CLASSES, _KEYPOINTS = 80, 17


def print_detectors(options: argparse.Namespace) -> int:
    """Prints the detectors of the paper, and returns the exit code."""
    if options.depth is not None:
        raise ValueError(
            "`--depth` and `--variant` are of video networks. "
            f"Received: task={options.task!r} with depth={options.depth}"
        )
    masks = [_mask_counts(*row) for row in _MASK_ROWS]
    keypoints = [_keypoint_counts(*row) for row in _KEYPOINT_ROWS]
    if options.json:
        print_json({"networks": masks, "keypoint_networks": keypoints})
        return 0
    height, width = _SIZE
    print(f"Pictures {height}×{width}, {_CLASSES} classes\n")
    print("| network | non-local blocks | parameters | multiply-adds |")
    print("|---|---:|---:|---:|")
    for row in masks:
        print(
            f"| Mask R-CNN R{row['depth']}-FPN | {row['nonlocal_blocks']} "
            f"| {row['parameters']:,} | {row['multiply_adds']:,} |"
        )
    print(f"\nPictures {height}×{width}, {_KEYPOINTS} keypoints\n")
    print("| network | blocks in the head | in the backbone | parameters ", end="")
    print("| multiply-adds |\n|---|---:|---:|---:|---:|")
    for row in keypoints:
        print(
            f"| Keypoint R-CNN R{row['depth']}-FPN | {row['head_nonlocal_blocks']} "
            f"| {row['nonlocal_blocks']} "
            f"| {row['parameters']:,} | {row['multiply_adds']:,} |"
        )
    return 0


def _mask_counts(depth: int, blocks: int) -> dict[str, int]:
    from keras_nonlocal import detection

    build = {50: detection.NLMaskRCNN50, 101: detection.NLMaskRCNN101}[depth]
    model = build(_CLASSES, None, nonlocal_blocks=blocks)
    return {"depth": depth, "nonlocal_blocks": blocks} | _counts(model)


def _keypoint_counts(depth: int, head_blocks: int, blocks: int) -> dict[str, int]:
    from keras_nonlocal import detection

    build = {50: detection.NLKeypointRCNN50, 101: detection.NLKeypointRCNN101}[depth]
    model = build(
        _KEYPOINTS, None, head_nonlocal_blocks=head_blocks, nonlocal_blocks=blocks
    )
    numbers = {"head_nonlocal_blocks": head_blocks, "nonlocal_blocks": blocks}
    return {"depth": depth} | numbers | _counts(model)


def _counts(model: Any) -> dict[str, int]:
    from keras_nonlocal.detection import count_detector

    cost = count_detector(model, _SIZE)
    return {"parameters": cost.parameters, "multiply_adds": cost.multiply_adds}
