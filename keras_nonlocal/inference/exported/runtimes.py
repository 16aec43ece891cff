"""The runtimes of exported files: each opens a file and scores batches of clips."""

import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from keras_nonlocal.arguments import check_choice
from keras_nonlocal.inference.exported.model_files import ExportedFormat
from keras_nonlocal.models.exported_facts import FACTS_FILE, FACTS_KEY
from keras_nonlocal.optional_packages import (
    import_litert,
    import_onnxruntime,
    import_openvino,
    import_tensorflow,
)
from keras_nonlocal.processors import num_processors

Precision = Literal["float32", "bfloat16"]
PRECISIONS = ("float32", "bfloat16")

Sizes = tuple[int | None, ...]

# Shapes of batches for which OpenVINO has compiled the model. A compiled model holds
# its own copy of the weights.
_MAX_COMPILED = 3


def check_precision(precision: str, format: ExportedFormat) -> None:
    """Checks that a runtime, and the processor, can compute in a precision.

    Raises:
        ImportError: If the runtime is not installed.
        ValueError: If they cannot.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision == "float32":
        return
    if format != "openvino":
        raise ValueError(
            f"`precision={precision!r}` needs an OpenVINO file; the other runtimes "
            f"compute in float32. Received: a file of the format {format!r}"
        )
    core = import_openvino().Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ValueError(
            f"`precision={precision!r}` needs a processor with bfloat16 units. "
            f"Received: {core.get_property('CPU', 'FULL_DEVICE_NAME')}"
        )


class Ports(NamedTuple):
    """The inputs or outputs of a file: name → type and sizes, `None` if variable."""

    types: Mapping[str, str]
    sizes: Mapping[str, Sizes]


class Runtime(Protocol):
    """An opened file.

    Attributes:
        inputs: The inputs of the file.
        outputs: The outputs of the file.
        facts: The JSON that `export_model` wrote into the file, or `None`.
    """

    inputs: Ports
    outputs: Ports
    facts: str | None

    def scores(self, clips: np.ndarray) -> np.ndarray:
        """Scores uint8 clips `(batch, num_frames, height, width, 3)`."""
        ...


class OpenVINORuntime:
    """A model in OpenVINO on the processor.

    It is compiled anew for each shape of a batch. If OpenVINO knows the shape, it need
    not rearrange features between convolutions and products.
    """

    def __init__(self, path: Path, precision: Precision) -> None:
        openvino = import_openvino()
        self._core = openvino.Core()
        # Without it, OpenVINO computes in bfloat16 where the processor can.
        self._settings = {"INFERENCE_PRECISION_HINT": precision.replace("loat", "")}
        self._model = self._core.read_model(path)
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._lock = Lock()
        self.inputs, self.outputs = (
            Ports(
                {_name(port): port.get_element_type().to_string() for port in ports},
                {_name(port): _openvino_sizes(port) for port in ports},
            )
            for ports in (self._model.inputs, self._model.outputs)
        )
        known = self._model.has_rt_info([FACTS_KEY])
        self.facts = self._model.get_rt_info([FACTS_KEY]).astype(str) if known else None

    def scores(self, clips: np.ndarray) -> np.ndarray:
        with self._lock:
            compiled = self._compiled_for(clips.shape)
            # The result is in memory that the next call writes.
            return np.array(compiled({"clips": clips})["scores"])

    def _compiled_for(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            while len(self._compiled) >= _MAX_COMPILED:
                self._compiled.popitem(last=False)
            self._model.reshape({"clips": list(shape)})
            self._compiled[shape] = self._core.compile_model(
                self._model, "CPU", self._settings
            )
        self._compiled.move_to_end(shape)
        return self._compiled[shape]


class ONNXRuntime:
    """A model in ONNX Runtime, on a GPU if the installed one supports it."""

    def __init__(self, path: Path, precision: Precision) -> None:
        onnxruntime = import_onnxruntime()
        able = onnxruntime.get_available_providers()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        self._session = onnxruntime.InferenceSession(
            str(path), providers=[each for each in wanted if each in able]
        )
        self.inputs, self.outputs = (
            Ports(
                {port.name: port.type for port in ports},
                {
                    port.name: tuple(
                        size if isinstance(size, int) else None for size in port.shape
                    )
                    for port in ports
                },
            )
            for ports in (self._session.get_inputs(), self._session.get_outputs())
        )
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.facts: str | None = metadata.get(FACTS_KEY)

    def scores(self, clips: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._session.run(["scores"], {"clips": clips})[0]
        return found


class LiteRTRuntime:
    """A model in LiteRT, which takes one batch at a time."""

    def __init__(self, path: Path, precision: Precision) -> None:
        interpreter = import_litert().Interpreter(
            str(path), num_threads=num_processors()
        )
        self._run = interpreter.get_signature_runner()
        self._lock = Lock()
        self.inputs, self.outputs = (
            Ports(
                {name: np.dtype(port["dtype"]).name for name, port in ports.items()},
                {
                    name: tuple(
                        None if size < 0 else int(size)
                        for size in port["shape_signature"]
                    )
                    for name, port in ports.items()
                },
            )
            for ports in (self._run.get_input_details(), self._run.get_output_details())
        )
        self.facts = None
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if FACTS_FILE in archive.namelist():
                    self.facts = archive.read(FACTS_FILE).decode()

    def scores(self, clips: np.ndarray) -> np.ndarray:
        with self._lock:
            return np.array(self._run(clips=clips)["scores"])


class SavedModelRuntime:
    """A SavedModel in TensorFlow, on a GPU if there is one."""

    def __init__(self, path: Path, precision: Precision) -> None:
        self._tf = import_tensorflow()
        self._loaded = self._tf.saved_model.load(str(path))
        self._answer = self._loaded.signatures["serving_default"]
        self.inputs, self.outputs = (
            Ports(
                {name: spec.dtype.name for name, spec in specs.items()},
                {name: tuple(spec.shape) for name, spec in specs.items()},
            )
            for specs in (
                self._answer.structured_input_signature[1],
                self._answer.structured_outputs,
            )
        )
        file = path / "assets.extra" / FACTS_FILE
        self.facts = file.read_text("utf-8") if file.is_file() else None

    def scores(self, clips: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._answer(clips=self._tf.constant(clips))[
            "scores"
        ].numpy()
        return found


RUNTIMES: dict[ExportedFormat, Callable[[Path, Precision], Runtime]] = {
    "openvino": OpenVINORuntime,
    "onnx": ONNXRuntime,
    "litert": LiteRTRuntime,
    "saved_model": SavedModelRuntime,
}


def _name(port: Any) -> str:
    names: set[str] = port.get_names()
    return min(names) if names else port.get_node().get_friendly_name()


def _openvino_sizes(port: Any) -> Sizes:
    return tuple(
        None if size.is_dynamic else size.get_length()
        for size in port.get_partial_shape()
    )
