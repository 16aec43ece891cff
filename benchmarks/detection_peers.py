"""The detectors of torchvision and Detectron2, for `detection.py`.

It runs in the environment of the peers, which needs neither Keras nor this package.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import time

import numpy as np
import torch
from detection_pieces import (
    PIECES,
    STRIDE,
    THRESHOLD,
    random_boxes,
    random_map,
    seconds_of,
)
from memory import MemoryMeter

HEIGHT, WIDTH, CLASSES = 800, 1333, 80


def main() -> None:
    case = json.loads(sys.argv[sys.argv.index("--case") + 1])
    torch.manual_seed(1)
    if "find" in case:
        importlib.import_module("torchvision")
        has_detectron2 = importlib.util.find_spec("detectron2") is not None
        names = ["torchvision", *(["Detectron2"] if has_detectron2 else [])]
        result: Any = {"peers": names}
    elif "write" in case:
        torch.save(torchvision_model().state_dict(), case["write"])
        result = {}
    elif "piece" in case:
        result = piece(case)
    else:
        result = measure(case)
    print(json.dumps(result))


def torchvision_model() -> Any:
    """Mask R-CNN with frozen batch normalization and random weights."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    backbone = resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=FrozenBatchNorm2d,
        trainable_layers=3,
    )
    return with_detections(MaskRCNN(backbone, CLASSES + 1), "bn3")


def detectron2_model() -> Any:
    from detectron2 import model_zoo
    from detectron2.modeling import build_model

    name = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"
    configuration = model_zoo.get_config(name)
    configuration.MODEL.DEVICE = "cpu"
    configuration.MODEL.WEIGHTS = ""
    configuration.MODEL.ROI_HEADS.NUM_CLASSES = CLASSES
    return with_detections(build_model(configuration), "conv3.norm")


def with_detections(model: Any, last_norms: str) -> Any:
    """Changes random weights so that the network detects something.

    Args:
        model: The network.
        last_norms: End of the names of the last normalization of each residual block.
    """
    with torch.no_grad():
        for name, norm in model.backbone.named_modules():
            if name.endswith(last_norms):
                # The sum of 16 blocks of random weights would grow too much.
                norm.weight.fill_(0.1)
        # Scores of a classifier that has learned.
        model.roi_heads.box_predictor.cls_score.weight.mul_(100)
    return model


def measure(case: dict[str, Any]) -> dict[str, Any]:
    is_training = case["step"] == "training"
    make = torchvision_steps if case["network"] == "torchvision" else detectron2_steps
    model, detect, losses, versions = make(case["objects"] or 0)
    model.train(is_training)
    trainable = [p for p in model.parameters() if p.requires_grad]
    # Random weights diverge at a common learning rate.
    optimizer = torch.optim.SGD(trainable, 1e-7, momentum=0.9, weight_decay=1e-4)
    memory = MemoryMeter()
    result: dict[str, Any] = {"versions": versions}

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        sum(losses().values()).backward()
        optimizer.step()

    def infer() -> Any:
        with torch.inference_mode():
            return detect()

    if is_training:
        step()
    else:
        scores = infer()
        result |= {"found": len(scores), "scores": scores.tolist()}
    seconds = []
    for _ in range(case["repeats"]):
        start = time.perf_counter()
        (step if is_training else infer)()
        seconds.append(time.perf_counter() - start)
    return {**result, "seconds": seconds, "extra_bytes": memory.extra_bytes()}


Steps = tuple[Any, Callable[[], Any], Callable[[], Any], str]


def objects_and_picture(objects: int) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 500, (objects, 2))
    boxes = np.concatenate(
        [corners, corners + rng.uniform(20, 300, (objects, 2))], axis=1
    )
    labels = rng.integers(0, CLASSES, objects)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype("float32")
    masks = np.zeros((objects, HEIGHT, WIDTH), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = rng.integers(0, 2, mask[y1:y2, x1:x2].shape)
    return (
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(labels),
        torch.tensor(masks),
        torch.tensor(pixels).permute(2, 0, 1).contiguous(),
    )


def torchvision_steps(objects: int) -> Steps:
    import torchvision

    model = torchvision_model()
    boxes, labels, masks, pixels = objects_and_picture(objects)
    target = {"boxes": boxes, "labels": labels + 1, "masks": masks.to(torch.uint8)}
    pixels = pixels / 255
    return (
        model,
        lambda: model([pixels])[0]["scores"],
        lambda: model([pixels], [target]),
        f"torch {torch.__version__}, torchvision {torchvision.__version__}",
    )


def detectron2_steps(objects: int) -> Steps:
    import detectron2
    from detectron2.structures import BitMasks, Boxes, Instances

    model = detectron2_model()
    boxes, labels, masks, pixels = objects_and_picture(objects)
    instances = Instances((HEIGHT, WIDTH))
    instances.gt_boxes, instances.gt_classes = Boxes(boxes), labels
    instances.gt_masks = BitMasks(masks)
    sample = {"image": pixels.flip(0), "height": HEIGHT, "width": WIDTH}

    def losses() -> Any:
        from detectron2.utils.events import EventStorage

        with EventStorage():
            return model([{**sample, "instances": instances}])

    return (
        model,
        lambda: model([sample])[0]["instances"].scores,
        losses,
        f"detectron2 {detectron2.__version__}",
    )


def piece(case: dict[str, Any]) -> dict[str, Any]:
    from torchvision import ops

    settings, repeats = PIECES[case["piece"]], case["repeats"]
    if "boxes" in settings:
        boxes = torch.tensor(random_boxes(settings["boxes"]))
        scores = torch.arange(len(boxes), 0, -1, dtype=torch.float32)
        seconds = seconds_of(lambda: ops.nms(boxes, scores, THRESHOLD), repeats)
        return {"forward": seconds, "gradients": None}
    features = torch.tensor(random_map()).permute(2, 0, 1)[None].contiguous()
    if "kernel" in settings:
        return convolution(features, settings["kernel"], repeats)
    boxes = torch.tensor(random_boxes(settings["regions"]))
    side = settings["side"]

    def forward() -> Any:
        return ops.roi_align(features, [boxes], side, 1 / STRIDE, 2, aligned=False)

    def gradients() -> Any:
        leaf = features.clone().requires_grad_()
        y = ops.roi_align(leaf, [boxes], side, 1 / STRIDE, 2, aligned=False)
        return torch.autograd.grad((y**2).sum(), leaf)

    return {
        "forward": seconds_of(forward, repeats),
        "gradients": seconds_of(gradients, repeats),
    }


def convolution(features: Any, size: int, repeats: int) -> dict[str, Any]:
    channels = features.shape[1]
    layer = torch.nn.Conv2d(channels, channels, size, padding="same")

    def gradients() -> Any:
        leaf = features.clone().requires_grad_()
        inputs = [leaf, *layer.parameters()]
        return torch.autograd.grad((layer(leaf) ** 2).sum(), inputs)

    return {
        "forward": seconds_of(lambda: layer(features), repeats),
        "gradients": seconds_of(gradients, repeats),
    }


if __name__ == "__main__":
    main()
