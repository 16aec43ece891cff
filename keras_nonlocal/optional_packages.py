"""Imports of packages that only some parts of this package need."""

import importlib
import importlib.util
from types import ModuleType
from typing import Any

_PYCOCOTOOLS = (
    "pycocotools is needed for COCO's masks and figures: `pip install pycocotools`."
)


def import_av() -> ModuleType:
    """Returns PyAV, which decodes the videos."""
    return _import("av", "PyAV is needed to read video files: `pip install av`.")


def import_tensorflow() -> ModuleType:
    """Returns TensorFlow, whose `tf.data` runs the pipeline."""
    return _import(
        "tensorflow",
        "TensorFlow is needed for `tf.data` datasets of video clips: "
        "`pip install tensorflow`.",
    )


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed."""
    return importlib.util.find_spec("tensorflow") is not None


def import_tensorflow_datasets() -> ModuleType:
    """Returns TensorFlow Datasets, which stores and reads data sets."""
    return _import(
        "tensorflow_datasets",
        "TensorFlow Datasets is needed to read from its builders: "
        "`pip install tensorflow-datasets`.",
    )


def import_grain() -> ModuleType:
    """Returns Grain, which loads clips in processes."""
    return _import("grain", "Grain is needed for `workers`: `pip install grain`.")


def import_beam() -> tuple[ModuleType, ModuleType]:
    """Returns Apache Beam and the module of its `PipelineOptions`."""
    message = (
        "Apache Beam is needed for pipelines on clusters: "
        "`pip install keras_nonlocal[beam]`."
    )
    beam = _import("apache_beam", message)
    return beam, _import_part("apache_beam.options.pipeline_options", message)


def import_openvino() -> ModuleType:
    """Returns OpenVINO, which converts and runs exported models."""
    return _import(
        "openvino",
        "OpenVINO is needed for its files: `pip install keras_nonlocal[openvino]`.",
    )


def can_import_openvino() -> bool:
    """Whether OpenVINO is installed and works on this machine."""
    try:
        importlib.import_module("openvino")
    except Exception:
        # A library that is missing or does not fit is no ImportError everywhere.
        return False
    return True


def import_nncf() -> ModuleType:
    """Returns NNCF, which quantizes models for OpenVINO."""
    return _import(
        "nncf", "NNCF is needed to quantize: `pip install keras_nonlocal[openvino]`."
    )


def import_onnxruntime() -> ModuleType:
    """Returns ONNX Runtime, which runs ONNX files."""
    return _import(
        "onnxruntime", "ONNX Runtime is needed to run ONNX: `pip install onnxruntime`."
    )


def import_litert() -> ModuleType:
    """Returns the interpreter of LiteRT, which runs `.tflite` files."""
    return _import_part(
        "ai_edge_litert.interpreter",
        "LiteRT is needed to run .tflite files: `pip install keras_nonlocal[litert]`.",
    )


def import_pillow() -> ModuleType:
    """Returns `PIL.Image`, which decodes and scales pictures."""
    return _import_part(
        "PIL.Image", "Pillow is needed to read pictures: `pip install pillow`."
    )


def import_pillow_drawing() -> tuple[ModuleType, ModuleType]:
    """Returns `PIL.ImageDraw` and `PIL.ImageFont`, which write text on pictures."""
    message = "Pillow is needed to write on pictures: `pip install pillow`."
    draw = _import_part("PIL.ImageDraw", message)
    return draw, _import_part("PIL.ImageFont", message)


def import_pycocotools_mask() -> ModuleType:
    """Returns `pycocotools.mask`, which encodes and decodes masks."""
    return _import_part("pycocotools.mask", _PYCOCOTOOLS)


def import_pycocotools_evaluation() -> tuple[Any, Any]:
    """Returns the classes `COCO` and `COCOeval` of pycocotools."""
    coco = _import_part("pycocotools.coco", _PYCOCOTOOLS)
    evaluation = _import_part("pycocotools.cocoeval", _PYCOCOTOOLS)
    return coco.COCO, evaluation.COCOeval


def import_faster_coco_eval() -> tuple[Any, Any]:
    """Returns the classes `COCO` and `COCOeval_faster` of faster-coco-eval."""
    package = _import(
        "faster_coco_eval",
        "faster-coco-eval is needed to evaluate with it: "
        "`pip install faster-coco-eval`.",
    )
    return package.COCO, package.COCOeval_faster


def import_gradio() -> ModuleType:
    """Returns Gradio, which makes the page of the demo."""
    return _import(
        "gradio", "Gradio is needed for the demo: `pip install keras_nonlocal[demo]`."
    )


def import_digits() -> Any:
    """Returns scikit-learn's `load_digits`, which reads handwritten digits."""
    package = _import_part(
        "sklearn.datasets",
        "scikit-learn is needed for its handwritten digits: "
        "`pip install scikit-learn`.",
    )
    return package.load_digits


def import_sktime_datasets() -> ModuleType:
    """Returns `sktime.datasets`, which holds real signals."""
    return _import_part(
        "sktime.datasets",
        "sktime is needed for its speakers and appliances: `pip install sktime`.",
    )


def import_scipy_stats() -> ModuleType:
    """Returns `scipy.stats`."""
    return _import_part(
        "scipy.stats", "SciPy is needed for statistics: `pip install scipy`."
    )


def import_pyplot() -> ModuleType:
    """Returns `matplotlib.pyplot`, for figures in files."""
    matplotlib = _import(
        "matplotlib", "Matplotlib is needed for figures: `pip install matplotlib`."
    )
    matplotlib.use("agg")
    return importlib.import_module("matplotlib.pyplot")


def _import_part(name: str, message: str) -> ModuleType:
    _import(name.partition(".")[0], message)
    return importlib.import_module(name)


def _import(name: str, message: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(message) from None
