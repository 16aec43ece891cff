"""Which public modules can be imported without Keras.

Keras and its backends take seconds to import.
"""

from keras_nonlocal._surface import PACKAGE, rooms

# The public modules whose import does not import Keras, or their folders.
_WITHOUT_KERAS = (
    "beam.scanning",
    "beam.writing_records",
    "data.coco.dataset",
    "data.coco.from_tfds",
    "data.coco.objects",
    "data.coco.picture_file",
    "data.datasets",
    "data.framing",
    "data.lists",
    "data.readers",
    "data.records",
    "data.sampling",
    "data.scanning",
    "detection.keypoint_set",
    "detection.pasting",
    "experiments.rank_rows",
    "experiments.rank_trainings",
    "experiments.relation_clips",
    "experiments.results",
    "experiments.rows",
    "experiments.running",
    "experiments.statistics",
    "experiments.tables",
    "experiments.trainings",
    "inference.coco_result",
    "inference.exported",
    "inference.predicting",
    "inference.view_reduction",
    "inference.views",
    "layers.block_arguments",
    "models.clip_info",
    "models.predictions",
    "runs.detectors.settings",
    "runs.plan",
    "runs.setting_groups",
    "runs.settings",
    "tensorflow_start",
    "training.clip_datasets",
    "video_detection.detections",
    "visualize.detected_objects",
    "visualize.poses",
    "weights.checkpoint",
    "weights.errors",
    "weights.normalization",
    "weights.presets",
    "weights.report",
)


def needs_keras(module: str) -> bool:
    """Whether importing a room or the module of a public name imports Keras."""
    inside = module.removeprefix(f"{PACKAGE}.")
    return inside not in rooms() and not f"{inside}.".startswith(
        tuple(f"{path}." for path in _WITHOUT_KERAS)
    )
