"""The folder of a training run, and checks that a run belongs to it.

`config.json` holds the settings, the plan and hashes of the data. A run is resumed
only if all of them are the same, except for settings that do not affect the training.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from keras_nonlocal.files import local_path, replacing
from keras_nonlocal.runs.class_names import write_class_names
from keras_nonlocal.runs.grouped_settings import CONFIG_FILE, fields_by_name
from keras_nonlocal.runs.run_parts import Inputs, Plan, Settings
from keras_nonlocal.runs.setting_groups import ClipSettings
from keras_nonlocal.runs.settings import TrainingSettings

if TYPE_CHECKING:
    from keras_nonlocal.training.precision import Precision
    from keras_nonlocal.training.resumable.progress import Progress

_CHANGEABLE = frozenset(
    {
        "check_finite",
        "jit",
        "max_errors",
        "num_clips",
        "num_crops",
        "on_error",
        "output",
        "precise_statistics",
        "reduction",
        "save_every",
        "tensorboard",
        "test",
        "test_images",
        "workers",
    }
)
# What a plan counts, but training does not depend on.
_OF_THE_TEST = frozenset({"num_test_pictures", "num_test_videos"})


@dataclass(frozen=True)
class RunFolder:
    """The files of a training run.

    Args:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns the folder of the run with these settings."""
        return cls(local_path("output", settings.run.output))

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / "model.keras"

    @property
    def best_weights(self) -> Path:
        """The weights of the epoch with the lowest validation loss."""
        return self.path / "best.weights.h5"

    @property
    def test_results(self) -> Path:
        """The results of the final test, one line of JSON per video or picture."""
        return self.path / "test_scores.jsonl"

    @property
    def logs(self) -> Path:
        """Curves and sample clips for TensorBoard."""
        return self.path / "logs"

    def progress(self) -> "Progress | None":
        """Returns the progress at the last saved state, or `None` without one."""
        from keras_nonlocal.training.resumable.state_file import read_progress

        return read_progress(str(self._state))

    def has_state(self) -> bool:
        """Whether a run in this folder can be resumed."""
        return self._state.exists()

    @property
    def _state(self) -> Path:
        from keras_nonlocal.training.resumable.training_checkpoints import STATE_FILE

        return self.path / STATE_FILE

    def precision(self, kind: type[Settings]) -> "Precision | None":
        """Returns the precision of the run in this folder, or `None` without one."""
        file = self.path / CONFIG_FILE
        if not file.exists():
            return None
        return _read_config(file, kind).settings.recipe.precision

    def check_same_run(self, settings: Settings, inputs: Inputs, plan: Plan) -> None:
        """Checks that the folder does not hold a run with different settings or data.

        Raises:
            ValueError: If the folder holds a different run. The error names the first
                difference.
        """
        file = self.path / CONFIG_FILE
        if not file.exists():
            return
        saved = _read_config(file, type(settings))
        there, here = _flat(saved.settings), _flat(settings)
        for name in here:
            if name not in _CHANGEABLE and there[name] != here[name]:
                raise self._other(f"`{name}`", there[name], here[name])
        for name, value in plan.to_dict().items():
            if name in _OF_THE_TEST or name not in saved.plan:
                continue
            if saved.plan[name] != value:
                raise self._other(_in_words(name), saved.plan[name], value)
        for part, value in inputs.fingerprints.items():
            if part == "test" or part not in saved.videos:
                continue
            if saved.videos[part] != value:
                name = f"the hash of the {part} data"
                raise self._other(name, saved.videos[part], value)

    def _other(self, name: str, there: Any, here: Any) -> ValueError:
        return ValueError(
            "`output` must be new, or hold a run with the same settings and data, "
            "which cannot change during a run. "
            f"Received: output={str(self.path)!r}, where {name} is {there!r} instead "
            f"of {here!r}"
        )

    def drop_other_test(self, settings: Settings, inputs: Inputs) -> None:
        """Removes the results of a test on other videos, or of other content."""
        file = self.path / CONFIG_FILE
        if "test" not in inputs.fingerprints or not file.exists():
            return
        saved = _read_config(file, type(settings)).videos
        if saved.get("test") != inputs.fingerprints["test"]:
            self.test_results.unlink(missing_ok=True)

    def write_config(self, settings: Settings, inputs: Inputs, plan: Plan) -> None:
        """Writes the run's configuration and the names of its classes."""
        config = run_config(settings, inputs, plan) | {"versions": _versions()}
        self.path.mkdir(parents=True, exist_ok=True)
        if inputs.class_names is not None:
            write_class_names(self.path, inputs.class_names)
        with replacing(self.path / CONFIG_FILE) as unfinished:
            unfinished.write_text(json.dumps(config, indent=2), encoding="utf-8")


def run_config(settings: Settings, inputs: Inputs, plan: Plan) -> dict[str, Any]:
    """Returns the run's configuration in JSON types."""
    names = inputs.class_names
    return {
        "settings": settings.to_dict(),
        "plan": plan.to_dict(),
        "videos": inputs.fingerprints,
        "class_names": None if names is None else list(names),
    }


def trained_clips(model: str) -> ClipSettings | None:
    """Returns the clips of the run that wrote a model, if they are known.

    Args:
        model: Path of the model's file.
    """
    file = Path(model).with_name(CONFIG_FILE)
    try:
        return _read_config(file, TrainingSettings).settings.clips
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class _SavedConfig:
    settings: Any
    plan: dict[str, Any]
    videos: dict[str, Any]


def _read_config(file: Path, kind: type[Settings]) -> _SavedConfig:
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
        settings: Settings
        if "options" in saved and kind is TrainingSettings:
            settings = _settings_of_options(saved)
        elif _is_of_another_command(saved["settings"], kind):
            raise _OtherCommandError(
                "`output` must be new, or hold a run of the same command. "
                f"Received: output={str(file.parent)!r}, which holds one of another"
            )
        else:
            settings = kind.from_dict(saved["settings"])
        if settings.recipe.precision == "auto":
            # Earlier versions did not choose.
            settings = settings.replace(precision="float32")
        return _SavedConfig(
            settings, dict(saved.get("plan", {})), dict(saved.get("videos", {}))
        )
    except _OtherCommandError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "`output` must be new, or hold a training run. Received: "
            f"output={str(file.parent)!r}, whose {file.name} is of something else: "
            f"{error}"
        ) from error


class _OtherCommandError(ValueError):
    pass


def _is_of_another_command(settings: Any, kind: type[Settings]) -> bool:
    """Whether settings name other data than those of the command."""
    own = kind().to_dict().get("data", {})
    there = settings.get("data", {})
    # The first one is that of the videos or of the annotations.
    return bool(own) and bool(there) and next(iter(own)) not in there


def _settings_of_options(saved: Mapping[str, Any]) -> TrainingSettings:
    """Reads the settings of an older run, which saved its command-line options."""
    options = dict(saved["options"])
    if options.get("weights") == "none":
        options["weights"] = None
    if options.get("epochs") is not None:
        options["updates"] = None
    if options.get("class_names") is not None:
        # The option was a file, whose content is saved beside the options.
        options["class_names"] = saved["class_names"]
    known = fields_by_name(TrainingSettings).keys()
    return TrainingSettings().replace(
        **{name: value for name, value in options.items() if name in known}
    )


def _in_words(name: str) -> str:
    """Names an attribute of a plan in a sentence."""
    words = name.removeprefix("num_").replace("_", " ")
    return f"the {words}" if name == "first_learning_rate" else f"the number of {words}"


def _flat(settings: Settings) -> dict[str, Any]:
    return {
        name: value
        for group in settings.to_dict().values()
        for name, value in group.items()
    }


def _versions() -> dict[str, str]:
    import keras

    import keras_nonlocal

    return {
        "keras_nonlocal": keras_nonlocal.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }
