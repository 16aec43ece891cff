"""Whole detectors with random values, as four projects name and lay them out."""

import pickle

import numpy as np
import pytest

from tests.weights.checkpoint_files import torch_bytes

BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}
ANCHORS, POOL = 3, 7
HEADS = ("mask", "keypoint")


def network_arrays(rng, classes, sizes, mask_convolutions=1, width=4, keypoints=None):
    """Arrays by `(part, …)` in PyTorch's layout, the background class not included.

    With `keypoints`, their number and that of the convolutions, there are no masks.
    """
    channels, units, mask_channels = sizes
    shapes = {("stem", "conv"): (width, 3, 7, 7), ("stem", "norm"): (width,)}
    before = width
    for stage, count in BLOCKS.items():
        inner = width * 2 ** (stage - 2)
        for block in range(count):
            kernels = {
                1: (inner, before, 1, 1),
                2: (inner, inner, 3, 3),
                3: (4 * inner, inner, 1, 1),
            }
            if block == 0:
                kernels[0] = (4 * inner, before, 1, 1)
            for branch, shape in kernels.items():
                shapes["block", stage, block, branch, "conv"] = shape
                shapes["block", stage, block, branch, "norm"] = shape[:1]
            before = 4 * inner
        shapes["lateral", stage] = (channels, before, 1, 1)
        shapes["output", stage] = (channels, channels, 3, 3)
    shapes["rpn", "conv"] = (channels, channels, 3, 3)
    shapes["rpn", "logits"] = (ANCHORS, channels, 1, 1)
    shapes["rpn", "deltas"] = (4 * ANCHORS, channels, 1, 1)
    shapes["fc", 1] = (units, channels * POOL**2)
    shapes["fc", 2] = (units, units)
    head, convolutions = "mask", mask_convolutions
    if keypoints is not None:
        points, convolutions = keypoints
        head = "keypoint"
    for number in range(1, convolutions + 1):
        before = channels if number == 1 else mask_channels
        shapes[head, number] = (mask_channels, before, 3, 3)
    if keypoints is None:
        shapes["mask", "deconv"] = (mask_channels, mask_channels, 2, 2)
    else:
        shapes["keypoint", "deconv"] = (mask_channels, points, 4, 4)
    arrays = {key: rng.normal(0, 0.1, shape) for key, shape in shapes.items()}
    arrays["class"] = rng.normal(0, 0.1, (classes, units))
    arrays["background"] = rng.normal(0, 0.1, (1, units))
    arrays["box"] = rng.normal(0, 0.1, (classes, 4, units))
    if keypoints is None:
        arrays["mask"] = rng.normal(0, 0.1, (classes, mask_channels, 1, 1))
    return {key: array.astype("float32") for key, array in arrays.items()}


def norm_values(rng, size):
    return {
        "weight": rng.uniform(0.5, 1.5, size).astype("float32"),
        "bias": rng.normal(0, 0.1, size).astype("float32"),
        "running_mean": rng.normal(0, 0.1, size).astype("float32"),
        "running_var": rng.uniform(0.5, 1.5, size).astype("float32"),
    }


def _with_background(arrays, rng, first):
    """The arrays, of which some projects have unused rows in the last layers."""
    score = np.concatenate(
        [arrays["background"], arrays["class"]]
        if first
        else [arrays["class"], arrays["background"]]
    )
    last = {name: arrays[name] for name in ("box", "mask") if name in arrays}
    if first:
        last = {
            name: np.concatenate([rng.normal(size=rows[:1].shape), rows])
            for name, rows in last.items()
        }
    last["box"] = last["box"].reshape(-1, last["box"].shape[-1])
    last = {name: rows.astype("f4") for name, rows in last.items()}
    return arrays | last | {"class": score}


DETECTRON2 = {
    "stem": "backbone.bottom_up.stem.conv1",
    "shortcut": "backbone.bottom_up.res{stage}.{block}.shortcut",
    "block": "backbone.bottom_up.res{stage}.{block}.conv{branch}",
    "norm": "{conv}.norm",
    "lateral": "backbone.fpn_lateral{level}",
    "output": "backbone.fpn_output{level}",
    ("rpn", "conv"): "proposal_generator.rpn_head.conv",
    ("rpn", "logits"): "proposal_generator.rpn_head.objectness_logits",
    ("rpn", "deltas"): "proposal_generator.rpn_head.anchor_deltas",
    ("fc", 1): "roi_heads.box_head.fc1",
    ("fc", 2): "roi_heads.box_head.fc2",
    "class": "roi_heads.box_predictor.cls_score",
    "box": "roi_heads.box_predictor.bbox_pred",
    "mask_conv": "roi_heads.mask_head.mask_fcn{number}",
    ("mask", "deconv"): "roi_heads.mask_head.deconv",
    "mask": "roi_heads.mask_head.predictor",
    "keypoint_conv": "roi_heads.keypoint_head.conv_fcn{number}",
    ("keypoint", "deconv"): "roi_heads.keypoint_head.score_lowres",
}
TORCHVISION = {
    "stem": "backbone.body.conv1",
    "shortcut": "backbone.body.layer{layer}.{block}.downsample.0",
    "block": "backbone.body.layer{layer}.{block}.conv{branch}",
    "lateral": "backbone.fpn.inner_blocks.{index}.0",
    "output": "backbone.fpn.layer_blocks.{index}.0",
    ("rpn", "conv"): "rpn.head.conv.0.0",
    ("rpn", "logits"): "rpn.head.cls_logits",
    ("rpn", "deltas"): "rpn.head.bbox_pred",
    ("fc", 1): "roi_heads.box_head.fc6",
    ("fc", 2): "roi_heads.box_head.fc7",
    "class": "roi_heads.box_predictor.cls_score",
    "box": "roi_heads.box_predictor.bbox_pred",
    "mask_conv": "roi_heads.mask_head.{number_from_0}.0",
    ("mask", "deconv"): "roi_heads.mask_predictor.conv5_mask",
    "mask": "roi_heads.mask_predictor.mask_fcn_logits",
    "keypoint_conv": "roi_heads.keypoint_head.{module}",
    ("keypoint", "deconv"): "roi_heads.keypoint_predictor.kps_score_lowres",
}
TORCHVISION_2019 = TORCHVISION | {
    "lateral": "backbone.fpn.inner_blocks.{index}",
    "output": "backbone.fpn.layer_blocks.{index}",
    ("rpn", "conv"): "rpn.head.conv",
    "mask_conv": "roi_heads.mask_head.mask_fcn{number}",
}
MMDETECTION = {
    "stem": "backbone.conv1",
    "shortcut": "backbone.layer{layer}.{block}.downsample.0",
    "block": "backbone.layer{layer}.{block}.conv{branch}",
    "lateral": "neck.lateral_convs.{index}.conv",
    "output": "neck.fpn_convs.{index}.conv",
    ("rpn", "conv"): "rpn_head.rpn_conv",
    ("rpn", "logits"): "rpn_head.rpn_cls",
    ("rpn", "deltas"): "rpn_head.rpn_reg",
    ("fc", 1): "roi_head.bbox_head.shared_fcs.0",
    ("fc", 2): "roi_head.bbox_head.shared_fcs.1",
    "class": "roi_head.bbox_head.fc_cls",
    "box": "roi_head.bbox_head.fc_reg",
    "mask_conv": "roi_head.mask_head.convs.{number_from_0}.conv",
    ("mask", "deconv"): "roi_head.mask_head.upsample",
    "mask": "roi_head.mask_head.conv_logits",
}
DETECTRON = {
    ("rpn", "conv"): "conv_rpn_fpn2",
    ("rpn", "logits"): "rpn_cls_logits_fpn2",
    ("rpn", "deltas"): "rpn_bbox_pred_fpn2",
    ("fc", 1): "fc6",
    ("fc", 2): "fc7",
    "class": "cls_score",
    "box": "bbox_pred",
    "mask_conv": "_[mask]_fcn{number}",
    ("mask", "deconv"): "conv5_mask",
    "mask": "mask_fcn_logits",
    "keypoint_conv": "conv_fcn{number}",
    ("keypoint", "deconv"): "kps_score_lowres",
}


def detectron_state(arrays, rng):
    """The blobs of a Detectron file: norms are scales and biases alone."""
    blobs = {}

    def add(name, weight, bias_size=None):
        blobs[f"{name}_w"] = weight
        blobs[f"{name}_w_momentum"] = np.zeros_like(weight)
        if bias_size is not None:
            blobs[f"{name}_b"] = rng.normal(0, 0.1, bias_size).astype("f4")

    def add_norm(name, size):
        values = norm_values(rng, size)
        blobs[f"{name}_bn_s"], blobs[f"{name}_bn_b"] = values["weight"], values["bias"]

    arrays = _with_background(arrays, rng, first=True)
    for key, array in arrays.items():
        size = len(array)
        if key == ("stem", "conv"):
            add("conv1", array)
        elif key == ("stem", "norm"):
            add_norm("res_conv1", size)
        elif key[0] == "block":
            _, stage, block, branch, kind = key
            branch = "branch1" if branch == 0 else f"branch2{'abc'[branch - 1]}"
            name = f"res{stage}_{block}_{branch}"
            add(name, array) if kind == "conv" else add_norm(name, size)
        elif key[0] in ("lateral", "output"):
            stage = key[1]
            name = f"res{stage}_{BLOCKS[stage] - 1}_sum"
            if key[0] == "lateral":
                name = f"inner_{name}" + ("" if stage == 5 else "_lateral")
            add(f"fpn_{name}", array, size)
        elif isinstance(key, tuple) and isinstance(key[1], int) and key[0] in HEADS:
            add(DETECTRON[f"{key[0]}_conv"].format(number=key[1]), array, size)
        elif key != "background":
            bias = array.shape[1] if key[1] == "deconv" else size
            add(DETECTRON[key], array, bias)
    if ("keypoint", "deconv") in arrays:
        points = arrays["keypoint", "deconv"].shape[1]
        blobs["kps_score_w"] = np.zeros((points, points, 4, 4), "f4")
        blobs["kps_score_b"] = np.zeros(points, "f4")
    blobs |= {"fc1000_w": np.zeros((9, 4), "f4"), "fc1000_b": np.zeros(9, "f4")}
    blobs |= {"conv1_b": np.zeros(len(blobs["conv1_w"]), "f4"), "lr": np.float32(0.1)}
    return blobs


def torch_state(arrays, rng, names, *, background_first):
    """The state dict of a PyTorch detector with the names of a project."""
    state = {}

    def add(name, weight, bias_size=None):
        state[f"{name}.weight"] = weight
        if bias_size is not None:
            state[f"{name}.bias"] = rng.normal(0, 0.1, bias_size).astype("f4")

    def norm_name(convolution):
        if "norm" in names:
            return names["norm"].format(conv=convolution)
        if convolution.endswith("downsample.0"):
            return convolution[:-1] + "1"
        return convolution.replace("conv", "bn")

    arrays = _with_background(arrays, rng, first=background_first)
    for key, array in arrays.items():
        size = len(array)
        if key[0] in ("stem", "block"):
            name = names["stem"]
            if key[0] == "block":
                _, stage, block, branch, _ = key
                name = names["block" if branch else "shortcut"].format(
                    stage=stage, layer=stage - 1, block=block, branch=branch
                )
            if key[-1] == "conv":
                add(name, array)
                continue
            name = norm_name(name)
            for role, value in norm_values(rng, size).items():
                state[f"{name}.{role}"] = value
        elif key[0] in ("lateral", "output"):
            name = names[key[0]].format(level=key[1], index=key[1] - 2)
            add(name, array, size)
        elif isinstance(key, tuple) and isinstance(key[1], int) and key[0] in HEADS:
            numbers = {"number": key[1], "number_from_0": key[1] - 1}
            numbers["module"] = 2 * key[1] - 2
            add(names[f"{key[0]}_conv"].format(**numbers), array, size)
        elif key != "background":
            bias = array.shape[1] if key[1] == "deconv" else size
            add(names[key], array, bias)
    return state


def _tensors(content):
    torch = pytest.importorskip("torch")
    if isinstance(content, dict):
        return {key: _tensors(value) for key, value in content.items()}
    return torch.tensor(content) if isinstance(content, np.ndarray) else content


def write_detector(folder, project, arrays, rng):
    """Writes a file as a project does, and returns its path and what is in it."""
    if project == "detectron":
        state, path = detectron_state(arrays, rng), folder / "model_final.pkl"
        path.write_bytes(pickle.dumps({"blobs": state, "cfg": "A: 1"}, protocol=2))
        return path, state
    names = {
        "detectron2": DETECTRON2,
        "torchvision": TORCHVISION,
        "torchvision_2019": TORCHVISION_2019,
        "mmdetection": MMDETECTION,
    }[project]
    is_torchvision = project.startswith("torchvision")
    state = torch_state(arrays, rng, names, background_first=is_torchvision)
    if project == "detectron2":
        state["pixel_mean"] = np.array([[[103.53]], [[116.28]], [[123.675]]], "f4")
        state["pixel_std"] = np.ones((3, 1, 1), "f4")
        path = folder / "model_final.pkl"
        path.write_bytes(pickle.dumps({"model": state, "__author__": "Detectron2"}))
        return path, state
    path = folder / "model.pth"
    content = state
    if project == "mmdetection":
        content = {"meta": {"epoch": 12}, "state_dict": state}
    path.write_bytes(torch_bytes(_tensors(content)))
    return path, state
