"""`TrainingRun`: what training runs of all kinds have in common."""

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import keras

from keras_nonlocal import training
from keras_nonlocal.files import replacing
from keras_nonlocal.inference.resumable_lines import OtherSettingsError
from keras_nonlocal.runs.divergence import StopOnDivergence
from keras_nonlocal.runs.folder import RunFolder, run_config
from keras_nonlocal.runs.progress import ProjectedDuration
from keras_nonlocal.runs.run_parts import Inputs, Plan, Settings
from keras_nonlocal.runs.run_precision import (
    check_precision,
    random_state_and_precision,
    with_precision,
)
from keras_nonlocal.training.resumable.progress import Progress
from keras_nonlocal.training.strategies import (
    is_chief,
    strategy_by_name,
    training_of,
    wait_for_chief,
)
from keras_nonlocal.training.workers.jax_workers import apart

Verbose = int | str
Announce = Callable[[str], None]

SettingsT = TypeVar("SettingsT", bound=Settings)
InputsT = TypeVar("InputsT", bound=Inputs)
PlanT = TypeVar("PlanT", bound=Plan)
EvaluationT = TypeVar("EvaluationT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class TrainingRun(abc.ABC, Generic[SettingsT, InputsT, PlanT, EvaluationT]):
    """A checked run: it trains a model, saves it and tests it.

    Args:
        settings: Everything that the run depends on.
        inputs: Its data.
        plan: Its length.
        folder: Its files.
        writes: Whether this process writes the files.
        verbose: As in `fit`.
        announce: Called with each line about the run.
    """

    settings: SettingsT
    inputs: InputsT
    plan: PlanT
    folder: RunFolder
    writes: bool
    verbose: Verbose
    announce: Announce

    @abc.abstractmethod
    def compiled_model(self) -> keras.Model:
        """Builds the model, loads its weights and compiles it."""

    @abc.abstractmethod
    def length(self) -> str:
        """Describes the length of the run in one line."""

    @abc.abstractmethod
    def own_callbacks(self) -> Iterator[keras.callbacks.Callback]:
        """Yields the callbacks that only runs of this kind have."""

    @abc.abstractmethod
    def evaluate(self, model: keras.Model) -> EvaluationT:
        """Tests a model, and continues an interrupted test of the same model."""

    def fit_arguments(self) -> dict[str, Any]:
        """Returns further arguments for `fit`."""
        return {}

    def end_of_training(self, model: keras.Model) -> None:
        """Does what follows the last epoch."""

    @property
    def speed_unit(self) -> str:
        """What the speed counts, in the plural."""
        return "clips"

    @property
    def precise_statistics(self) -> int:
        """Number of batches for the final statistics of batch normalization."""
        return 0

    @classmethod
    def checked(
        cls,
        settings: SettingsT,
        inputs: InputsT,
        plan: PlanT,
        strategy: Any,
        verbose: Verbose,
        announce: Announce | None,
    ) -> Self:
        """Creates a run, unless its folder holds a different one.

        Args:
            settings, inputs, plan: As in the constructor.
            strategy: The result of `strategy_of_run`.
            verbose, announce: As in `run_training`.
        """
        folder = RunFolder.of(settings)
        settings = with_precision(settings, folder)
        folder.check_same_run(settings, inputs, plan)
        writes = is_chief(strategy)
        if announce is None or not writes:
            announce = _say_nothing
        verbose = verbose if writes else 0
        return cls(settings, inputs, plan, folder, writes, verbose, announce)

    def result(
        self,
        kind: Callable[..., ResultT],
        strategy: Any,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> ResultT:
        """Trains, saves and tests.

        Args:
            kind: `TrainingResult`, or a class with the same fields.
            strategy: The result of `strategy_of_run`.
            callbacks: Additional callbacks for `fit`.
        """
        with (
            random_state_and_precision(self.settings),
            _broken_files_named(self.inputs),
        ):
            with training_of(strategy):
                with strategy.scope():
                    model = self.compiled_model()
                # Only now: invalid settings that fail earlier can still be corrected.
                self._begin()
                history = self._fit(model, callbacks)
                self._save_with_exact_statistics(model)
            evaluation = self._tested(model)
            wait_for_chief(strategy)
        return kind(
            settings=self.settings,
            plan=self.plan,
            class_names=self.inputs.class_names,
            history=history,
            model=model,
            evaluation=evaluation,
            folder=self.folder.path,
            model_path=self.folder.model,
            config=run_config(self.settings, self.inputs, self.plan),
            is_chief=self.writes,
        )

    def _begin(self) -> None:
        self.announce(self.length())
        if self.settings.recipe.precision != "float32":
            self.announce(f"precision: {self.settings.recipe.precision}")
        if not self.writes:
            return
        progress = self.folder.progress()
        if progress is not None:
            self.announce(f"the run in {self.folder.path} {self._state_of(progress)}")
        self.folder.drop_other_test(self.settings, self.inputs)
        self.folder.write_config(self.settings, self.inputs, self.plan)
        compiles = keras.backend.backend() != "torch"
        if compiles and (progress is None or not self._has_ended(progress)):
            self.announce(
                "the first update compiles the network and takes longer than the others"
            )

    def _has_ended(self, progress: Progress) -> bool:
        return progress.epoch >= self.plan.epochs or progress.stopped

    def _state_of(self, progress: Progress) -> str:
        done = "saved" if self.inputs.test is None else "saved and tested"
        rest = f"only its model is {done} again"
        if progress.epoch >= self.plan.epochs:
            return f"is finished: its last epoch, {progress.epoch}, is trained, {rest}"
        if progress.stopped:
            return f"was ended by a callback after epoch {progress.epoch}: {rest}"
        return f"is resumed in epoch {progress.epoch + 1}, batch {progress.batch + 1}"

    def _fit(
        self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]
    ) -> dict[str, list[float]]:
        throughput = training.Throughput(self.speed_unit)
        # Batches that other callbacks read do not count as waits of the training.
        watched = throughput.watch(self.inputs.training)
        run = self.settings.run
        history = training.fit_resumably(
            model,
            watched,
            self.folder.path,
            epochs=self.plan.epochs,
            save_freq=run.save_every if hasattr(watched, "resume") else "epoch",
            validation_data=self.inputs.validation,
            validation_freq=run.validation_freq,
            callbacks=[throughput, *self._common_callbacks(), *callbacks],
            verbose=self.verbose,
            **self.fit_arguments(),
        )
        self.end_of_training(model)
        return dict(history.history)

    def _common_callbacks(self) -> Iterator[keras.callbacks.Callback]:
        plan, run = self.plan, self.settings.run
        yield ProjectedDuration(plan.steps_per_epoch, plan.epochs, self.announce)
        yield StopOnDivergence()
        if run.check_finite:
            # Not the watched data: see `_fit`.
            yield training.StopOnNonFiniteLoss(self.inputs.training)
        if run.tensorboard and self.writes:
            yield keras.callbacks.TensorBoard(self.folder.logs)
        yield from self.own_callbacks()

    def _save_with_exact_statistics(self, model: keras.Model) -> None:
        # Saved before as well, so nothing is lost if a file cannot be read here.
        self._save(model)
        if self.precise_statistics:
            batches = self.inputs.training
            if hasattr(batches, "resume"):
                # Those of the epoch after the last one.
                batches = batches.resume(self.plan.epochs)
            training.update_batch_norm_statistics(
                model, batches, self.precise_statistics
            )
            self._save(model)

    def _save(self, model: keras.Model) -> None:
        if self.writes:
            with replacing(self.folder.model) as unfinished, apart():
                model.save(unfinished)

    def _tested(self, model: keras.Model) -> EvaluationT | None:
        """Tests the model. Results of an interrupted test of it are reused."""
        if not self.writes or self.inputs.test is None:
            return None
        if self.settings.run.strategy == "multi-worker":
            # The other workers do not take part in the test.
            model = keras.saving.load_model(self.folder.model, compile=False)
        try:
            return self.evaluate(model)
        except OtherSettingsError:
            self.folder.test_results.unlink()
            return self.evaluate(model)


def strategy_of_run(settings: Settings) -> Any:
    """Returns the strategy of a run, before anything else of it exists.

    It is one of `tf.distribute`, or `JaxWorkers`.

    Raises:
        ValueError: If the devices cannot train with the precision of the settings.
    """
    strategy = strategy_by_name(settings.run.strategy)
    check_precision(settings)
    return strategy


def _say_nothing(line: str) -> None:
    pass


@contextmanager
def _broken_files_named(inputs: Inputs) -> Iterator[None]:
    """Turns TensorFlow's error for a broken file into one sentence about the file."""
    try:
        yield
    except Exception as error:
        for dataset in (inputs.training, inputs.validation):
            raised = getattr(getattr(dataset, "failures", None), "raised", None)
            if raised is not None:
                raise ValueError(
                    f'{str(raised).rstrip(".")}; pass `on_error="skip"` to leave it out'
                ) from error
        raise
