"""Inference of exported files for networks.py: ours as users run them, and a peer's.

Ours is exported with `export_model` and scored by `ExportedModel`, from uint8 pixels to
scores. PySlowFast's network is converted by OpenVINO from PyTorch for clips of this
size, and takes normalized floats with the channels first.
"""

import tempfile
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

SIDE, FRAMES = 224, 8
# Name of a row -> the format, the precision and whether the file is quantized.
CONFIGURATIONS = {
    "SavedModel": ("saved_model", "float32", False),
    "ONNX Runtime": ("onnx", "float32", False),
    "LiteRT": ("litert", "float32", False),
    "OpenVINO float32": ("openvino", "float32", False),
    "OpenVINO bfloat16": ("openvino", "bfloat16", False),
    "OpenVINO int8, the rest float32": ("openvino", "float32", True),
    "OpenVINO int8, the rest bfloat16": ("openvino", "bfloat16", True),
}
PACKAGES = {
    "saved_model": "keras",
    "onnx": "onnxruntime",
    "litert": "ai-edge-litert",
    "openvino": "openvino",
}
PEER_CONFIGURATIONS = {
    "OpenVINO float32": "float32",
    "OpenVINO bfloat16": "bfloat16",
}

Made = tuple[Callable[[], Any], None, dict[str, Any]]


def runs(case: dict[str, Any]) -> bool:
    """Whether a case is about an exported file."""
    return case["configuration"] in CONFIGURATIONS


def own_step(case: dict[str, Any]) -> Made:
    """Returns a step of inference of our file, and facts about it."""
    import keras_nonlocal
    from keras_nonlocal.inference import ExportedModel

    format, precision, is_int8 = CONFIGURATIONS[case["configuration"]]
    model = keras_nonlocal.NLResNet(
        case["depth"], case["variant"], input_shape=(FRAMES, SIDE, SIDE, 3)
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("gamma", "moving_variance")):
            # Branches that are not zero, as in a trained network.
            weight.assign(rng.uniform(0.2, 0.4, weight.shape))
    clips = rng.integers(0, 256, (case["batch"], FRAMES, SIDE, SIDE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as directory:
        folder = keras_nonlocal.export_model(
            model, directory, format, calibration_clips=clips if is_int8 else None
        )
        exported = ExportedModel(folder, precision=precision)
        exported.predict_on_batch(clips)
    return lambda: exported.predict_on_batch(clips), None, _facts(format)


def peer_step(case: dict[str, Any]) -> Made:
    """Returns a step of inference of PySlowFast's network, and facts about it."""
    import openvino
    import pyslowfast
    import torch

    class OneInput(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, clips: Any) -> Any:
            return self.network([clips])

    network = pyslowfast.build(case["peer"], case["variant"], case["depth"]).eval()
    clips = torch.randn(case["batch"], 3, FRAMES, SIDE, SIDE)
    converted = openvino.convert_model(
        OneInput(network), example_input=clips, input=[*clips.shape]
    )
    _, precision, _ = CONFIGURATIONS[case["configuration"]]
    hint = {"INFERENCE_PRECISION_HINT": precision.replace("loat", "")}
    compiled = openvino.compile_model(converted, "CPU", hint)
    pixels = clips.numpy()
    return lambda: np.array(compiled(pixels)[0]), None, _facts("openvino")


def _facts(format: str) -> dict[str, Any]:
    from devices import device_name

    package = PACKAGES[format]
    return {
        "versions": f"{package} {metadata.version(package)}",
        "device": device_name(),
        "matrix_side": None,
        "multiply_adds": None,
    }
