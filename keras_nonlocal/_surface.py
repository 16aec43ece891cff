"""All public names, as a mapping from room to module to names.

A room is a folder whose names users import; `keras_nonlocal` itself is the first. Every
other list of public names is derived from this one or compared with it by a test.
"""

from collections.abc import Mapping

PACKAGE = "keras_nonlocal"

_MODELS = {
    "models.clip_info": ("ClipInfo",),
    "models.complexity": ("Complexity", "count_complexity"),
    "models.named.nl_resnet": ("NLResNet50", "NLResNet101", "NLResNet152"),
    "models.named.nl_resnet_c2d": ("NLResNet50C2D", "NLResNet101C2D", "NLResNet152C2D"),
    "models.named.nl_resnet_i3d": ("NLResNet50I3D", "NLResNet101I3D", "NLResNet152I3D"),
    "models.named.resnet_c2d": ("ResNet50C2D", "ResNet101C2D", "ResNet152C2D"),
    "models.named.resnet_i3d": ("ResNet50I3D", "ResNet101I3D", "ResNet152I3D"),
    "models.predictions": ("decode_predictions", "kinetics400_names"),
    "models.preprocessing": ("preprocess_input",),
    "models.pyramid": ("pyramid_outputs",),
    "models.video": ("NLResNet",),
}
BUILDERS = tuple(
    name
    for names in _MODELS.values()
    for name in names
    if name.startswith(("NLResNet", "ResNet"))
)

# Module paths are relative to the package.
_SURFACE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "": {
        "detection": (
            "NLKeypointRCNN50",
            "NLKeypointRCNN101",
            "NLMaskRCNN50",
            "NLMaskRCNN101",
        ),
        "export": ("export_model", "export_saved_model"),
        "inference": (
            "evaluate_coco",
            "evaluate_videos",
            "predict_picture",
            "predict_video",
            "predict_videos",
        ),
        "models": (*BUILDERS, "decode_predictions", "preprocess_input"),
        "tensorflow_start": ("enable_onednn",),
        "video_detection": ("detect_video",),
    },
    "beam": {
        "beam.evaluating": ("evaluate_videos",),
        "beam.predicting": ("predict_videos",),
        "beam.scanning": ("scan_videos",),
        "beam.writing_records": ("write_video_records",),
    },
    "data": {
        "data.augmentation": ("AugmentClips",),
        "data.callbacks": ("ClipEpochs",),
        "data.coco.dataset": ("CocoDataset",),
        "data.coco.from_annotations": ("coco_dataset",),
        "data.coco.from_tfds": ("coco_dataset_from_tfds",),
        "data.coco.objects": ("WrongObject",),
        "data.coco.picture_file": ("ImageError",),
        "data.datasets.clip_dataset": ("ClipDataset",),
        "data.datasets.failures": ("FailurePolicy",),
        "data.datasets.from_directory": ("video_dataset_from_directory",),
        "data.datasets.from_list": ("video_dataset_from_list",),
        "data.datasets.from_tfds": ("video_dataset_from_tfds",),
        "data.framing": ("Framing", "FramingSampler"),
        "data.lists.directories": ("list_directory",),
        "data.lists.lines": (
            "read_frame_list",
            "read_path_label_list",
            "read_rawframe_list",
        ),
        "data.lists.published": (
            "read_hmdb51_split",
            "read_something_something",
            "read_ucf101_split",
        ),
        "data.lists.published_csv": ("read_charades_csv", "read_kinetics_csv"),
        "data.lists.video_list": ("VideoList",),
        "data.readers.pyav": ("PyAVReader",),
        "data.readers.stored_frames": ("FrameFolderReader",),
        "data.readers.tensorflow_io": ("TensorFlowIOReader",),
        "data.readers.video_reader": ("VideoError", "VideoReader"),
        "data.records.record_file": ("RecordReader",),
        "data.records.writing": ("write_tfds_records", "write_video_records"),
        "data.sampling": ("ClipSampler",),
        "data.scanning": ("VideoFacts", "scan_videos"),
    },
    "detection": {
        "detection.anchors": ("Anchors",),
        "detection.complexity": ("count_detector",),
        "detection.keypoint_rcnn": ("KeypointRCNN",),
        "detection.keypoint_set": ("KeypointSet",),
        "detection.named": ("MaskRCNN", "NLMaskRCNN50", "NLMaskRCNN101"),
        "detection.named_keypoints": ("NLKeypointRCNN50", "NLKeypointRCNN101"),
        "detection.pasting": ("paste_masks",),
        "detection.pyramid": ("feature_pyramid",),
        "detection.recipes": ("RECIPES",),
        "detection.region_model": ("RegionModel",),
        "detection.settings": (
            "DetectionSettings",
            "HeadSettings",
            "KeypointSettings",
            "Pixels",
            "ProposalSettings",
            "Recipe",
            "RegionSettings",
        ),
    },
    "experiments": {
        "experiments.attention_shares": ("AttentionShare",),
        "experiments.full_runs": ("FullTable", "run_full_experiments"),
        "experiments.rank_rows": ("RankRow", "RankTable"),
        "experiments.rank_trainings": ("RankTraining",),
        "experiments.relation_clips": (
            "ClipTask",
            "Scenes",
            "draw_clips",
            "draw_stills",
        ),
        "experiments.results": ("RowResult", "TableResult"),
        "experiments.rows": ("Claim", "Layout", "Row", "Table"),
        "experiments.running": ("ExperimentResults", "run_experiments"),
        "experiments.statistics": ("Cell", "Difference"),
        "experiments.tables": ("TABLES",),
        "experiments.trainings": ("SmallRecipe", "Training"),
    },
    "export": {
        "export.batch_norm_folding": ("fold_batch_norm",),
        "export.exporting": ("export_saved_model",),
        "export.formats": ("export_model",),
    },
    "inference": {
        "inference.coco_evaluating": ("evaluate_coco",),
        "inference.coco_result": ("CocoResult",),
        "inference.evaluating": ("evaluate_videos",),
        "inference.exported.exported_model": ("ExportedModel",),
        "inference.pictures": ("predict_picture",),
        "inference.predicting": ("predict_video", "predict_videos"),
        "inference.video_evaluation": ("VideoEvaluation",),
        "inference.views": ("Views",),
    },
    "layers": {
        "layers.block_arguments": ("NonLocalOptions",),
        "layers.folded_convolution": ("FoldedConv3D",),
        "layers.frozen_batch_normalization": ("FrozenBatchNormalization",),
        "layers.fused_batch_normalization": ("FusedBatchNormalization",),
        "layers.non_local_block": ("NonLocalBlock",),
        "layers.operation": ("non_local_operation",),
        "layers.pixel_preprocessing": ("PixelPreprocessing",),
        "layers.rematerialized_segment": ("RematerializedSegment",),
    },
    "metrics": {
        "metrics.mean_average_precision": ("MeanAveragePrecision",),
    },
    "models": _MODELS,
    "runs": {
        "runs.detectors.plan": ("DetectorPlan",),
        "runs.detectors.running": ("DetectorTrainingResult", "run_detector_training"),
        "runs.detectors.settings": (
            "CocoSettings",
            "DetectorNetworkSettings",
            "DetectorRecipeSettings",
            "DetectorSettings",
            "PictureSettings",
        ),
        "runs.plan": ("TrainingPlan",),
        "runs.running": ("TrainingResult", "run_training"),
        "runs.setting_groups": (
            "ClipSettings",
            "DataSettings",
            "NetworkSettings",
            "RecipeSettings",
            "RunSettings",
            "TestSettings",
        ),
        "runs.settings": ("TrainingSettings", "paper_recipe"),
    },
    "training": {
        "metrics.mean_average_precision": ("MeanAveragePrecision",),
        "replicas": ("ReplicatedModel",),
        "training.batch_norm": ("freeze_batch_norm", "update_batch_norm_statistics"),
        "training.clip_datasets": ("transform_clips",),
        "training.detector_schedules": (
            "DETECTOR_SCHEDULES",
            "DetectorSchedule",
            "WarmupStepSchedule",
            "detector_schedule",
        ),
        "training.finetuning": (
            "freeze_stages",
            "replace_classifier",
            "with_num_frames",
        ),
        "training.logs": ("SampleClips", "Throughput"),
        "training.nonfinite": ("NonFiniteLossError", "StopOnNonFiniteLoss"),
        "training.precision": ("precision_policy",),
        "training.recipes": (
            "gradient_l2",
            "nesterov_sgd",
            "scaled_learning_rate",
            "step_schedule",
            "warmup_cosine_schedule",
        ),
        "training.rematerialization": ("rematerialized",),
        "training.resumable.fit": ("fit_resumably",),
        "training.weight_decay": ("decay_kernels",),
        "training.workers.failures": ("WorkerLostError",),
    },
    "video_detection": {
        "video_detection.detecting": ("VideoDetections", "detect_video"),
        "video_detection.detections": ("FrameDetections",),
    },
    "visualize": {
        "visualize.attention": ("Attention", "Connection", "Place", "attend"),
        "visualize.class_activation": ("ClassActivation", "grad_cam"),
        "visualize.clips": ("ClipChoice",),
        "visualize.detected_objects": ("draw_detections",),
        "visualize.from_video": ("draw_attention", "draw_grad_cam"),
        "visualize.poses": ("draw_poses",),
    },
    "weights": {
        "weights.checkpoint": ("Checkpoint", "read_checkpoint"),
        "weights.download": (
            "DownloadError",
            "LicenseNotice",
            "download_preset",
            "load_imagenet",
            "load_preset",
        ),
        "weights.errors": ("CheckpointError",),
        "weights.inflation": ("inflate",),
        "weights.loading": ("convert_checkpoint", "load_checkpoint"),
        "weights.normalization": (
            "KERAS_IMAGENET_NORMALIZATION",
            "KINETICS_NORMALIZATION",
            "TORCH_IMAGENET_NORMALIZATION",
            "PixelNormalization",
        ),
        "weights.parity": ("ParityReport", "parity_report"),
        "weights.presets": ("PRESETS", "Preset", "find_preset"),
        "weights.report": ("LoadReport",),
    },
}


def rooms() -> tuple[str, ...]:
    """Returns the names of the package's public folders."""
    return tuple(room for room in _SURFACE if room)


def public_names(room: str) -> dict[str, str]:
    """Returns a mapping from each public name to the module that defines it.

    Args:
        room: The `__name__` of the package or of one of its public folders.
    """
    modules = _SURFACE[room.removeprefix(PACKAGE).removeprefix(".")]
    return {
        name: f"{PACKAGE}.{module}"
        for module, names in modules.items()
        for name in names
    }
