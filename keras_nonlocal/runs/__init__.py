"""Whole training runs: from settings to a trained and tested model."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.runs.detectors.plan import DetectorPlan as DetectorPlan
    from keras_nonlocal.runs.detectors.running import (
        DetectorTrainingResult as DetectorTrainingResult,
    )
    from keras_nonlocal.runs.detectors.running import (
        run_detector_training as run_detector_training,
    )
    from keras_nonlocal.runs.detectors.settings import CocoSettings as CocoSettings
    from keras_nonlocal.runs.detectors.settings import (
        DetectorNetworkSettings as DetectorNetworkSettings,
    )
    from keras_nonlocal.runs.detectors.settings import (
        DetectorRecipeSettings as DetectorRecipeSettings,
    )
    from keras_nonlocal.runs.detectors.settings import (
        DetectorSettings as DetectorSettings,
    )
    from keras_nonlocal.runs.detectors.settings import (
        PictureSettings as PictureSettings,
    )
    from keras_nonlocal.runs.plan import TrainingPlan as TrainingPlan
    from keras_nonlocal.runs.running import TrainingResult as TrainingResult
    from keras_nonlocal.runs.running import run_training as run_training
    from keras_nonlocal.runs.setting_groups import ClipSettings as ClipSettings
    from keras_nonlocal.runs.setting_groups import DataSettings as DataSettings
    from keras_nonlocal.runs.setting_groups import NetworkSettings as NetworkSettings
    from keras_nonlocal.runs.setting_groups import RecipeSettings as RecipeSettings
    from keras_nonlocal.runs.setting_groups import RunSettings as RunSettings
    from keras_nonlocal.runs.setting_groups import TestSettings as TestSettings
    from keras_nonlocal.runs.settings import TrainingSettings as TrainingSettings
    from keras_nonlocal.runs.settings import paper_recipe as paper_recipe
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
