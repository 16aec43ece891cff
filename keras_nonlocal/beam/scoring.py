"""`Scoring`: what the pipelines that score videos have in common."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from keras_nonlocal import files
from keras_nonlocal.beam.running import FilePath, Options, run_work
from keras_nonlocal.beam.score_work import ScoreWork
from keras_nonlocal.beam.work_folder import WorkFolder
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.inference.video_scorer import VideoScorer, scorer
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.inference.views import Views
from keras_nonlocal.tensors import Tensor


@dataclass(frozen=True)
class Scoring:
    """A model and all settings for scoring videos on a cluster.

    Args:
        scorer: The same for one machine.
        directory: The folder of the pipeline.
        options: Beam's options.
    """

    scorer: VideoScorer
    directory: str
    options: Options

    @classmethod
    def of(
        cls,
        model: keras.Model,
        views: Views | None,
        reduction: Reduction,
        batch_size: int,
        preprocessing: Callable[[Tensor], Tensor] | None,
        open_video: OpenVideo,
        directory: FilePath,
        options: Options,
    ) -> "Scoring":
        """Checks the arguments of a public function.

        Raises:
            ValueError: If the model does not score clips, or an argument does not fit.
        """
        if not isinstance(model, keras.Model):
            raise ValueError(
                "`model` must be a Keras model, which workers load from a `.keras` "
                f"file. Received: model={model!r}"
            )
        found = scorer(
            model, views or Views(), reduction, batch_size, preprocessing, open_video
        )
        return cls(found, os.fspath(directory), options)

    def settings(self) -> dict[str, Any]:
        """Returns what the scores depend on, as for one machine."""
        return {
            **self.scorer.settings(),
            "model": model_fingerprint(self.scorer.own.model),
        }

    @contextmanager
    def run(self, videos: VideoList, failures: FailurePolicy) -> Iterator[WorkFolder]:
        """Runs the pipeline; see `run_work`."""
        settings = self.settings()
        work = ScoreWork(
            self._saved_model(settings["model"]),
            keras.backend.backend(),
            self.scorer.views.to_dict(),
            self.scorer.views.num_clips * self.scorer.views.num_crops,
            self.scorer.reduction,
            self.scorer.batch_size,
            self.scorer.preprocessing,
            self.scorer.open_video,
        )
        settings["pipeline"] = "scores"
        with run_work(
            videos,
            self.directory,
            work,
            settings,
            failures,
            self.options,
        ) as folder:
            yield folder

    def _saved_model(self, fingerprint: str) -> str:
        """Saves the model where workers can read it."""
        files.make_directory(self.directory)
        path = os.path.join(self.directory, f"model-{fingerprint}.keras")
        if not files.exists(path):
            with files.replacing(path) as unfinished:
                self.scorer.own.model.save(unfinished)
        return path
