"""`ExportedModel`: an exported file with the methods of a model."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.lists.class_names import read_class_names
from keras_nonlocal.inference.exported.model_files import (
    ExportedFormat,
    find_exported_file,
)
from keras_nonlocal.inference.exported.runtimes import (
    RUNTIMES,
    Precision,
    Runtime,
    check_precision,
)
from keras_nonlocal.models.clip_info import ClipInfo
from keras_nonlocal.models.clip_model import ClipModel, ClipShape
from keras_nonlocal.models.exported_facts import ExportedFacts

# As the runtimes call the type.
_CLIP_INPUTS = [{"clips": name} for name in ("uint8", "u8", "tensor(uint8)")]


class ExportedModel:
    """A file that `export_model` wrote, in its own runtime.

    It scores clips without the Keras model. `predict_video`, `predict_videos` and
    `evaluate_videos` take it, or the path of the file, in place of a model.

    | format | file | runtime |
    |---|---|---|
    | `"openvino"` | `model.xml` beside `model.bin` | OpenVINO |
    | `"onnx"` | `model.onnx` | ONNX Runtime |
    | `"litert"` | `model.tflite` | LiteRT |
    | `"saved_model"` | the folder of a SavedModel | TensorFlow |

    Args:
        path: The file, its folder, or the folder with the versions of a model, of which
            the highest counts.
        precision: The type in which OpenVINO computes. With `"float32"`, the scores are
            those of the Keras model up to rounding. `"bfloat16"` has 8 bits of
            precision, and needs a processor with bfloat16 units, on which it takes
            about half the time; it is OpenVINO's own default there. The layers of a
            file with int8 weights are in int8 with both, and what is left is in this
            type. The other runtimes compute in float32. Defaults to `"float32"`.

    Attributes:
        path: The file, or the folder of the SavedModel.
        format: `"openvino"`, `"onnx"`, `"litert"` or `"saved_model"`.
        precision: The argument.
        input_shape: `(None, num_frames, height, width, 3)`, with `None` for sizes that
            may vary.
        output_shape: `(None, classes)`.
        clip_info: A `keras_nonlocal.models.ClipInfo` with the class names and what else
            is known about the training.

    Raises:
        ImportError: If the runtime is not installed.
        ValueError: If there is no such file, it does not score clips, or the runtime or
            the processor does not support `precision`.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4, include_preprocessing=True)
    >>> folder = keras_nonlocal.export_model(model, "gestures")
    >>> exported = keras_nonlocal.inference.ExportedModel(folder)
    >>> exported.input_shape
    (None, 4, 32, 32, 3)
    >>> exported.predict(np.zeros((3, 4, 32, 32, 3), "uint8")).shape
    (3, 2)
    """

    def __init__(
        self, path: str | os.PathLike[str], *, precision: Precision = "float32"
    ) -> None:
        self.path, self.format = find_exported_file(path)
        check_precision(precision, self.format)
        self.precision = precision
        self._runtime = _opened(self.path, self.format, precision)
        sizes, num_outputs = _checked_sizes(self.path, self._runtime)
        self.input_shape = (None, *sizes, 3)
        self.output_shape = (None, num_outputs)
        facts = self._facts()
        self.clip_info = facts.info
        self.clip_model = ClipModel(
            model=self,
            clips=sizes,
            num_outputs=num_outputs,
            activation=facts.activation,
            normalizes_pixels=True,
            info=facts.info,
        )

    @property
    def name(self) -> str:
        """The path as text, which names the model in messages."""
        return str(self.path)

    def predict(self, clips: np.ndarray, batch_size: int = 8) -> np.ndarray:
        """Scores clips in batches.

        Args:
            clips: RGB pixels from 0 to 255, uint8
                `(num_clips, num_frames, height, width, 3)`.
            batch_size: Clips per step. Defaults to `8`.

        Returns:
            Scores `(num_clips, classes)` in float32.

        Raises:
            ValueError: If the clips have another type or shape.
        """
        check_positive_integer("batch_size", batch_size)
        clips = self._checked(clips)
        starts = range(0, len(clips), batch_size)
        parts = [self._runtime.scores(clips[i : i + batch_size]) for i in starts]
        return np.concatenate(parts)

    def predict_on_batch(self, clips: np.ndarray) -> np.ndarray:
        """Scores one batch of clips; see `predict`."""
        return self._runtime.scores(self._checked(clips))

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Scores one batch of clips; see `predict`."""
        return self.predict_on_batch(clips)

    def fingerprint(self) -> str:
        """Returns a short hash of the file and the precision."""
        digest = hashlib.sha256(self.precision.encode())
        for file in self._files():
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:16]

    def _files(self) -> list[Path]:
        if self.format == "openvino":
            return [self.path, self.path.with_suffix(".bin")]
        if self.format != "saved_model":
            return [self.path]
        # Warm-up requests and labels do not change scores.
        variables = sorted((self.path / "variables").iterdir())
        return [self.path / "saved_model.pb", *variables]

    def _facts(self) -> ExportedFacts:
        """Returns the facts in the file, or at least the names beside it."""
        if self._runtime.facts is not None:
            return ExportedFacts.from_json(self._runtime.facts)
        is_folder = self.format == "saved_model"
        folder = self.path / "assets" if is_folder else self.path.parent
        labels = folder / "labels.txt"
        names = read_class_names(labels) if labels.is_file() else None
        fits = names is not None and len(names) == self.output_shape[1]
        return replace(ExportedFacts(), info=ClipInfo(names if fits else None))

    def _checked(self, clips: np.ndarray) -> np.ndarray:
        clips = np.ascontiguousarray(clips)
        fits = clips.ndim == 5 and all(
            want in (None, have)
            for want, have in zip(self.input_shape, clips.shape, strict=True)
        )
        if not fits or clips.dtype != np.uint8 or not clips.size:
            raise ValueError(
                "`clips` must be RGB pixels from 0 to 255, uint8 of the shape "
                f"{self.input_shape}. Received: an array of shape {clips.shape} and "
                f"type {clips.dtype}"
            )
        return clips


class _FileClipShape(ClipShape):
    """The shape of a file's clips, which only another export changes."""

    def check_takes(self, num_frames: int, height: int, width: int) -> None:
        """Checks that the file accepts clips of the given size."""
        size = (num_frames, height, width)
        if any(own not in (None, want) for own, want in zip(self, size, strict=True)):
            raise ValueError(
                "The exported model must take clips of this size: build its network "
                f"with `input_shape={(*size, 3)}`, or with `None` for sizes that vary, "
                "and with `weights=` the `.keras` file of the model, give it the "
                "`clip_info` of the model, and export that. "
                f"Received: num_frames={num_frames}, crop_size={(height, width)} for a "
                f"file with clips {tuple(self)}"
            )


def _opened(path: Path, format: ExportedFormat, precision: Precision) -> Runtime:
    try:
        return RUNTIMES[format](path, precision)
    except ImportError:
        raise
    except Exception as error:
        # Each runtime has its own class of errors for damaged files.
        message = " ".join(str(error).split())
        raise ValueError(
            f"The exported model could not be loaded: {message}. "
            f"Received: {str(path)!r}"
        ) from error


def _checked_sizes(path: Path, runtime: Runtime) -> tuple[ClipShape, int]:
    """Returns the shape of the clips and the number of scores of an opened file."""
    sizes = runtime.inputs.sizes.get("clips", ())
    scores = runtime.outputs.sizes.get("scores", ())
    if (
        {**runtime.inputs.types} not in _CLIP_INPUTS
        or len(sizes) != 5
        or sizes[4] != 3
        or len(scores) != 2
        or scores[1] is None
    ):
        raise ValueError(
            "The exported model must take `clips`, uint8 pixels, and return `scores`, "
            "as `export_model` writes models of clips. "
            f"Received: {str(path)!r} with the inputs {dict(runtime.inputs.sizes)} and "
            f"the outputs {dict(runtime.outputs.sizes)}"
        )
    return _FileClipShape(*sizes[1:4]), scores[1]
