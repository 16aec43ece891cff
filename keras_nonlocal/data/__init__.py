"""Clips from video files: `tf.data` pipelines in the manner of Keras.

From the source to the batch:

- what there is: `sources` (lists and directories), `annotations` and `line_lists` (the
  lists of known collections), `streams` (TensorFlow Datasets), `labels`;
- which frames, and what of them: `sampling`, `transforms`;
- readers, one interface (`readers`): `decoding` (PyAV), `frames` (pictures), `records`
  (TFRecords; `record_writing` writes them), `tensorflow_io`, on `pictures`,
  `completeness` and `files`;
- from readers to batches: `loading`, `epochs`, `failures`, `pipeline`, and the public
  functions in `directory`, `listed` and `streamed`;
- beside them: `augmentation`, `callbacks`, `scanning`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_nonlocal.data.annotations import (
    read_charades_csv,
    read_hmdb51_split,
    read_kinetics_csv,
    read_something_something,
    read_ucf101_split,
)
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.directory import video_dataset_from_directory
from keras_nonlocal.data.frames import FrameFolderReader
from keras_nonlocal.data.line_lists import (
    read_frame_list,
    read_path_label_list,
    read_rawframe_list,
)
from keras_nonlocal.data.listed import video_dataset_from_list
from keras_nonlocal.data.readers import VideoError, VideoReader
from keras_nonlocal.data.record_writing import (
    write_tfds_records,
    write_video_records,
)
from keras_nonlocal.data.records import RecordReader
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.data.scanning import VideoFacts, scan_videos
from keras_nonlocal.data.sources import VideoList, list_directory
from keras_nonlocal.data.streamed import video_dataset_from_tfds
from keras_nonlocal.data.tensorflow_io import TensorFlowIOReader
from keras_nonlocal.data.transforms import Framing, FramingSampler

if TYPE_CHECKING:
    from keras_nonlocal.data.augmentation import AugmentClips as AugmentClips
    from keras_nonlocal.data.callbacks import ClipEpochs as ClipEpochs

__all__ = [
    "AugmentClips",
    "ClipEpochs",
    "ClipSampler",
    "FrameFolderReader",
    "Framing",
    "FramingSampler",
    "PyAVReader",
    "RecordReader",
    "TensorFlowIOReader",
    "VideoError",
    "VideoFacts",
    "VideoList",
    "VideoReader",
    "list_directory",
    "read_charades_csv",
    "read_frame_list",
    "read_hmdb51_split",
    "read_kinetics_csv",
    "read_path_label_list",
    "read_rawframe_list",
    "read_something_something",
    "read_ucf101_split",
    "scan_videos",
    "video_dataset_from_directory",
    "video_dataset_from_list",
    "video_dataset_from_tfds",
    "write_tfds_records",
    "write_video_records",
]

# Keras takes seconds to import, and reading videos does not need it.
_MODULE_OF = {
    "AugmentClips": "keras_nonlocal.data.augmentation",
    "ClipEpochs": "keras_nonlocal.data.callbacks",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
