"""Training with `compile` and `fit`: recipes, checkpoints, logs and fine-tuning."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.metrics.mean_average_precision import (
        MeanAveragePrecision as MeanAveragePrecision,
    )
    from keras_nonlocal.replicas import ReplicatedModel as ReplicatedModel
    from keras_nonlocal.training.batch_norm import (
        freeze_batch_norm as freeze_batch_norm,
    )
    from keras_nonlocal.training.batch_norm import (
        update_batch_norm_statistics as update_batch_norm_statistics,
    )
    from keras_nonlocal.training.clip_datasets import transform_clips as transform_clips
    from keras_nonlocal.training.detector_schedules import (
        DETECTOR_SCHEDULES as DETECTOR_SCHEDULES,
    )
    from keras_nonlocal.training.detector_schedules import (
        DetectorSchedule as DetectorSchedule,
    )
    from keras_nonlocal.training.detector_schedules import (
        WarmupStepSchedule as WarmupStepSchedule,
    )
    from keras_nonlocal.training.detector_schedules import (
        detector_schedule as detector_schedule,
    )
    from keras_nonlocal.training.finetuning import freeze_stages as freeze_stages
    from keras_nonlocal.training.finetuning import (
        replace_classifier as replace_classifier,
    )
    from keras_nonlocal.training.finetuning import with_num_frames as with_num_frames
    from keras_nonlocal.training.logs import SampleClips as SampleClips
    from keras_nonlocal.training.logs import Throughput as Throughput
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
    from keras_nonlocal.training.resumable.fit import fit_resumably as fit_resumably
    from keras_nonlocal.training.weight_decay import decay_kernels as decay_kernels
    from keras_nonlocal.training.workers.failures import (
        WorkerLostError as WorkerLostError,
    )
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
