"""Detectors in ONNX and OpenVINO files, run by their own runtimes."""

import pytest

FORMATS = ("onnx", "openvino")


def need_packages(format):
    """Skips a test where the converter or the runtime is missing."""
    packages = {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}
    for package in packages[format]:
        pytest.importorskip(package)


def run_detector(folder, format):
    """Returns a function from the inputs to the outputs by name."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(folder / "model.xml", "CPU", settings)
    assert all(len(port.get_names()) == 1 for port in compiled.outputs)

    def run(inputs):
        found = compiled(inputs)
        return {port.get_any_name(): found[port].copy() for port in compiled.outputs}

    return run
