"""Training with `compile` and `fit`: recipes, checkpoints, metrics, logs."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_nonlocal.training.batch_norm import (
        freeze_batch_norm as freeze_batch_norm,
    )
    from keras_nonlocal.training.batch_norm import (
        update_batch_norm_statistics as update_batch_norm_statistics,
    )
    from keras_nonlocal.training.clip_datasets import transform_clips as transform_clips
    from keras_nonlocal.training.finetuning import freeze_stages as freeze_stages
    from keras_nonlocal.training.finetuning import (
        replace_classifier as replace_classifier,
    )
    from keras_nonlocal.training.finetuning import with_num_frames as with_num_frames
    from keras_nonlocal.training.logs import SampleClips as SampleClips
    from keras_nonlocal.training.logs import Throughput as Throughput
    from keras_nonlocal.training.metrics import (
        MeanAveragePrecision as MeanAveragePrecision,
    )
    from keras_nonlocal.training.model import ReplicatedModel as ReplicatedModel
    from keras_nonlocal.training.nonfinite import (
        NonFiniteLossError as NonFiniteLossError,
    )
    from keras_nonlocal.training.nonfinite import (
        StopOnNonFiniteLoss as StopOnNonFiniteLoss,
    )
    from keras_nonlocal.training.precision import precision_policy as precision_policy
    from keras_nonlocal.training.recipes import gradient_l2 as gradient_l2
    from keras_nonlocal.training.recipes import nesterov_sgd as nesterov_sgd
    from keras_nonlocal.training.recipes import (
        scaled_learning_rate as scaled_learning_rate,
    )
    from keras_nonlocal.training.recipes import step_schedule as step_schedule
    from keras_nonlocal.training.recipes import (
        warmup_cosine_schedule as warmup_cosine_schedule,
    )
    from keras_nonlocal.training.rematerialization import (
        rematerialized as rematerialized,
    )
    from keras_nonlocal.training.resuming import fit_resumably as fit_resumably

# Public name -> the module it is taken from: names load what they need, when they are
# used, since some need TensorFlow.
_MODULE_OF = {
    "ReplicatedModel": "model",
    "freeze_batch_norm": "batch_norm",
    "rematerialized": "rematerialization",
    "update_batch_norm_statistics": "batch_norm",
    "fit_resumably": "resuming",
    "MeanAveragePrecision": "metrics",
    "freeze_stages": "finetuning",
    "replace_classifier": "finetuning",
    "with_num_frames": "finetuning",
    "precision_policy": "precision",
    "NonFiniteLossError": "nonfinite",
    "StopOnNonFiniteLoss": "nonfinite",
    "SampleClips": "logs",
    "Throughput": "logs",
    "transform_clips": "clip_datasets",
    "gradient_l2": "recipes",
    "nesterov_sgd": "recipes",
    "scaled_learning_rate": "recipes",
    "step_schedule": "recipes",
    "warmup_cosine_schedule": "recipes",
}

__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
        value = getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
