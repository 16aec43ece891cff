"""`ScoreWork`: scores videos in the processes of workers.

This module does not import Keras: a worker learns from `ScoreWork` which backend to use
before it imports it.
"""

import base64
import importlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.beam.work_folder import Outcome, Video
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError

_SCORE = "<f4"
_SETTINGS_OF_TENSORFLOW = ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL")


@dataclass(frozen=True)
class ScoreWork:
    """Scores the views of videos with a model, which a process loads once.

    Args:
        model_file: The model, a `.keras` file whose name tells it from all others.
        backend: Keras's backend.
        views: The clips and crops to score, resolved for the model, as a dictionary.
        views_per_video: Their number.
        reduction, batch_size, preprocessing, open_video: As in `predict_videos`.
        environment: Settings of TensorFlow.
    """

    model_file: str
    backend: str
    views: Mapping[str, Any]
    views_per_video: int
    reduction: Any
    batch_size: int
    preprocessing: Callable[[Any], Any] | None
    open_video: OpenVideo
    environment: Mapping[str, str] = field(
        default_factory=lambda: {
            name: os.environ[name]
            for name in _SETTINGS_OF_TENSORFLOW
            if name in os.environ
        }
    )

    @property
    def keeps_outcomes(self) -> bool:
        """The scores are kept."""
        return True

    @property
    def group_size(self) -> int:
        """Number of videos whose views fill a batch of the model."""
        return -(-self.batch_size // self.views_per_video)

    def outcomes(self, videos: Sequence[Video]) -> Iterator[tuple[Video, Outcome]]:
        """Yields each video and its scores or its error."""
        if not videos:
            return
        listed = VideoList(
            tuple(video.path for video in videos),
            segments=tuple(video.segment for video in videos),
        )
        for place, scores in self._scorer().scores(listed, range(len(videos))):
            if isinstance(scores, VideoError):
                yield videos[place], {"error": scores.reason}
            else:
                yield videos[place], {"scores": encoded_scores(scores)}

    def _scorer(self) -> Any:
        model = self._loaded_model()
        from keras_nonlocal.inference.video_scorer import scorer
        from keras_nonlocal.inference.views import Views

        found = scorer(
            model,
            Views(**self.views),
            self.reduction,
            self.batch_size,
            self.preprocessing,
            self.open_video,
        )
        return replace(found, own=replace(found.own, model=_OneAtATime(model)))

    def _loaded_model(self) -> Any:
        """Returns the model, loaded once in this process for all of its threads."""
        with _LOADING:
            if self.model_file not in _LOADED:
                self._start_keras()
                # The model of another pipeline in this process.
                _LOADED.clear()
                _LOADED[self.model_file] = load_model(self.model_file)
            return _LOADED[self.model_file]

    def _start_keras(self) -> None:
        for name, value in self.environment.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("KERAS_BACKEND", self.backend)
        found = importlib.import_module("keras").backend.backend()
        if found != self.backend:
            raise RuntimeError(
                "Workers must use Keras's backend of the launcher: set "
                f"`KERAS_BACKEND={self.backend}` in their environment. "
                f"Received: the backend {found!r}"
            )


_LOADING = threading.Lock()
_LOADED: dict[str, Any] = {}


class _OneAtATime:
    """A model for the threads of a worker: while one is scoring, others decode.

    Args:
        model: A Keras model, which is not made for calls of several threads.
    """

    _lock = threading.Lock()

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict_on_batch(self, x: Any) -> Any:
        """Returns the scores of a batch."""
        with self._lock:
            return self._model.predict_on_batch(x)


def load_model(path: str) -> Any:
    """Loads a model from a path, which may have a scheme."""
    import keras

    import keras_nonlocal  # noqa: F401 - registers its layers

    with tempfile.TemporaryDirectory() as folder:
        local = path
        if files.is_remote(path):
            local = str(Path(folder, "model.keras"))
            with files.open_bytes(path) as file:
                Path(local).write_bytes(file.read())
        return keras.saving.load_model(local, compile=False)


def encoded_scores(scores: np.ndarray) -> str:
    """Returns scores `(num_outputs,)` as text, bit by bit."""
    return base64.b64encode(np.asarray(scores, _SCORE).tobytes()).decode()


def decoded_scores(text: str) -> np.ndarray:
    """Returns the scores `(num_outputs,)` of `encoded_scores`."""
    return np.frombuffer(base64.b64decode(text), _SCORE).astype("float32")
