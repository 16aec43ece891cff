"""`run_training`: trains and tests a model from settings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_nonlocal import files, training
from keras_nonlocal.data.opening import reader_of_list
from keras_nonlocal.inference import VideoEvaluation, evaluate_videos
from keras_nonlocal.runs.inputs import (
    TrainingInputs,
    inputs_of_datasets,
    inputs_of_videos,
)
from keras_nonlocal.runs.network import compiled_network
from keras_nonlocal.runs.plan import TrainingPlan, describe_length
from keras_nonlocal.runs.settings import TrainingSettings
from keras_nonlocal.runs.shares import Share
from keras_nonlocal.runs.training_run import TrainingRun, Verbose, strategy_of_run
from keras_nonlocal.training.workers.failures import worker_loss_named


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A finished training run.

    Attributes:
        settings: The settings.
        plan: The length of the run.
        class_names: Names of the classes, if known.
        history: The logs of all epochs by name, such as `"loss"` and
            `"val_accuracy"`.
        model: The trained model.
        evaluation: The evaluation on the test videos, or `None` without any.
        folder: The run folder.
        model_path: The file of the model, for `keras.saving.load_model`.
        config: The content of `config.json`, except the versions.
        is_chief: Whether this process wrote the files. Of several workers, only one
            does.
    """

    settings: TrainingSettings
    plan: TrainingPlan
    class_names: tuple[str, ...] | None
    history: dict[str, list[float]]
    model: keras.Model
    evaluation: VideoEvaluation | None
    folder: Path
    model_path: Path
    config: dict[str, Any]
    is_chief: bool


def run_training(
    settings: TrainingSettings,
    *,
    clips: Any = None,
    validation_clips: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: Verbose = "auto",
    announce: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Trains a network on videos, saves it and tests it on whole videos.

    If the run is interrupted at any moment, the same call resumes it and ends with the
    same weights. Afterwards, the run folder contains `model.keras`, `config.json`,
    `history.csv`, the class names, the test scores and the state for resuming.

    Args:
        settings: Everything that the run depends on.
        clips: A `tf.data.Dataset` of clips and labels, with pixels from 0 to 255, in
            batches of `settings.recipe.batch_size`. In several processes of JAX, it is
            the part of this one (`shard` of the dataset functions), in smaller batches.
            Defaults to `None`: the clips of `settings.data.videos`.
        validation_clips: Validation data in the same format, if `clips` is given.
        callbacks: Additional callbacks for `fit`.
        verbose: As in `fit`.
        announce: Function such as `print`, called with lines about the length of the
            run, its projected duration, and whether it is resumed or already finished.
            Defaults to `None`.

    Returns:
        A `TrainingResult`.

    Raises:
        ValueError: If a setting is invalid, a video cannot be read, or the run folder
            holds a run with different settings or videos.
        NonFiniteLossError: If the weights are not finite after an epoch, or with
            `check_finite` as soon as the loss is not.
        WorkerLostError: If another worker has ended or cannot be reached.

    Example:

    Four small videos of two classes, in a folder per class:

    >>> import av
    >>> from pathlib import Path
    >>> frames = np.random.default_rng(0).integers(0, 256, (6, 40, 48, 3), "uint8")
    >>> for path in ("run/0.mp4", "run/1.mp4", "jump/0.mp4", "jump/1.mp4"):
    ...     file = Path("videos", path)
    ...     file.parent.mkdir(parents=True, exist_ok=True)
    ...     with av.open(str(file), "w") as container:
    ...         stream = container.add_stream("mpeg4", rate=10)
    ...         stream.width, stream.height = 48, 40
    ...         for pixels in frames:
    ...             frame = av.VideoFrame.from_ndarray(pixels)
    ...             container.mux(stream.encode(frame))
    ...         container.mux(stream.encode())

    A run that trains a tiny network on them:

    >>> from keras_nonlocal.runs import TrainingSettings, run_training
    >>> settings = TrainingSettings().replace(
    ...     videos="videos", test="videos", output="training",
    ...     variant="c2d", weights=None, nonlocal_blocks=1, width=4,
    ...     num_frames=4, frame_stride=1, crop_size=32,
    ...     batch_size=2, epochs=1, precise_statistics=2, num_clips=1, num_crops=1)
    >>> result = run_training(settings, verbose=0, announce=print)
    1 epoch of 4 videos, 2 updates
    the first update compiles the network and takes longer than the others
    >>> result.class_names, len(result.history["loss"]), result.evaluation.labels
    (('jump', 'run'), 1, (0, 0, 1, 1))
    >>> keras.saving.load_model(result.model_path).output_shape
    (None, 2)
    """
    with worker_loss_named():
        strategy = strategy_of_run(settings)
        share = Share.of(strategy, settings.recipe.batch_size)
        if clips is None:
            inputs = inputs_of_videos(settings, share)
        else:
            inputs = inputs_of_datasets(settings, clips, validation_clips)
        _check_early_stopping(settings, inputs)
        plan = TrainingPlan.of(settings.recipe, inputs)
        run = _VideoRun.checked(settings, inputs, plan, strategy, verbose, announce)
        _announce_validation(run, inputs)
        return run.result(TrainingResult, strategy, callbacks)


def _announce_validation(run: "_VideoRun", inputs: TrainingInputs) -> None:
    """Announces that the last validation videos are left out; see `Share`."""
    paths = getattr(inputs.validation, "file_paths", None)
    if paths and len(paths) < inputs.num_validation_videos:
        run.announce(
            f"validation on {len(paths)} of {inputs.num_validation_videos} videos, the "
            "same number on each device"
        )


def _check_early_stopping(settings: TrainingSettings, inputs: TrainingInputs) -> None:
    patience = settings.recipe.early_stopping
    if patience is None:
        return
    if inputs.validation is None:
        raise ValueError(
            "`early_stopping` must be given together with videos for validation. "
            f"Received: early_stopping={patience}"
        )
    if settings.run.strategy == "multi-worker":
        raise ValueError(
            "`early_stopping` must be None for several workers, of which only one has "
            f"the best weights. Received: early_stopping={patience}"
        )


class _EarlyStopping(keras.callbacks.EarlyStopping):
    """Does not warn of epochs without a validation."""

    def get_monitor_value(self, logs: dict[str, float] | None) -> float | None:
        return (logs or {}).get(self.monitor)


@dataclass(frozen=True)
class _VideoRun(
    TrainingRun[TrainingSettings, TrainingInputs, TrainingPlan, VideoEvaluation]
):
    """A checked training run on videos."""

    def compiled_model(self) -> keras.Model:
        return compiled_network(self.settings, self.inputs, self.plan)

    def length(self) -> str:
        length = describe_length(self.plan, self.settings.recipe)
        numbers = {
            "validation": self.inputs.num_validation_videos,
            "test": self.inputs.num_test_videos,
        }
        # What the settings name needs no line.
        for part, source in self.inputs.found.items():
            place = files.printable(source)
            length += f"; {part} videos: {numbers[part]:,} in {place}"
        if self.inputs.test is None:
            length += "; no test videos"
        return length

    @property
    def precise_statistics(self) -> int:
        return self.settings.recipe.precise_statistics

    def fit_arguments(self) -> dict[str, Any]:
        return {"class_weight": self.inputs.class_weights}

    def end_of_training(self, model: keras.Model) -> None:
        if self.settings.recipe.early_stopping is not None:
            model.load_weights(self.folder.best_weights)

    def own_callbacks(self) -> Iterator[keras.callbacks.Callback]:
        patience = self.settings.recipe.early_stopping
        if patience is not None:
            yield _EarlyStopping("val_loss", patience=patience)
        if self.settings.run.tensorboard and self.writes:
            yield training.SampleClips(self.folder.logs / "clips", self.inputs.training)

    def evaluate(self, model: keras.Model) -> VideoEvaluation:
        clips, views = self.settings.clips, self.settings.test
        assert self.inputs.test is not None
        return evaluate_videos(
            model,
            self.inputs.test,
            views.num_clips,
            views.num_crops,
            frame_stride=clips.frame_stride,
            target_fps=clips.target_fps,
            short_videos=clips.short_videos,
            reduction=views.reduction,
            results_file=self.folder.test_results,
            open_video=reader_of_list(self.inputs.test.paths),
            verbose=int(self.verbose in ("auto", 1)),
        )
