"""Clips from video files, as `tf.data` pipelines in Keras's style.

- `lists/`: collections of videos, from folders, CSV and text files, and TFDS.
- `readers/`: from a video to frames.
- `records/`: videos in TFRecord files.
- `datasets/`: from videos to batches of clips.
- `coco/`: pictures with COCO annotations, and batches of their objects.
- `sampling`, `framing` and `augmentation`: the choice of frames, the crop of the
  picture, and random changes.
"""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.data.augmentation import AugmentClips as AugmentClips
    from keras_nonlocal.data.callbacks import ClipEpochs as ClipEpochs
    from keras_nonlocal.data.coco.dataset import CocoDataset as CocoDataset
    from keras_nonlocal.data.coco.from_annotations import coco_dataset as coco_dataset
    from keras_nonlocal.data.coco.from_tfds import (
        coco_dataset_from_tfds as coco_dataset_from_tfds,
    )
    from keras_nonlocal.data.coco.objects import WrongObject as WrongObject
    from keras_nonlocal.data.coco.picture_file import ImageError as ImageError
    from keras_nonlocal.data.datasets.clip_dataset import ClipDataset as ClipDataset
    from keras_nonlocal.data.datasets.failures import FailurePolicy as FailurePolicy
    from keras_nonlocal.data.datasets.from_directory import (
        video_dataset_from_directory as video_dataset_from_directory,
    )
    from keras_nonlocal.data.datasets.from_list import (
        video_dataset_from_list as video_dataset_from_list,
    )
    from keras_nonlocal.data.datasets.from_tfds import (
        video_dataset_from_tfds as video_dataset_from_tfds,
    )
    from keras_nonlocal.data.framing import Framing as Framing
    from keras_nonlocal.data.framing import FramingSampler as FramingSampler
    from keras_nonlocal.data.lists.directories import list_directory as list_directory
    from keras_nonlocal.data.lists.lines import read_frame_list as read_frame_list
    from keras_nonlocal.data.lists.lines import (
        read_path_label_list as read_path_label_list,
    )
    from keras_nonlocal.data.lists.lines import read_rawframe_list as read_rawframe_list
    from keras_nonlocal.data.lists.published import (
        read_hmdb51_split as read_hmdb51_split,
    )
    from keras_nonlocal.data.lists.published import (
        read_something_something as read_something_something,
    )
    from keras_nonlocal.data.lists.published import (
        read_ucf101_split as read_ucf101_split,
    )
    from keras_nonlocal.data.lists.published_csv import (
        read_charades_csv as read_charades_csv,
    )
    from keras_nonlocal.data.lists.published_csv import (
        read_kinetics_csv as read_kinetics_csv,
    )
    from keras_nonlocal.data.lists.video_list import VideoList as VideoList
    from keras_nonlocal.data.readers.pyav import PyAVReader as PyAVReader
    from keras_nonlocal.data.readers.stored_frames import (
        FrameFolderReader as FrameFolderReader,
    )
    from keras_nonlocal.data.readers.tensorflow_io import (
        TensorFlowIOReader as TensorFlowIOReader,
    )
    from keras_nonlocal.data.readers.video_reader import VideoError as VideoError
    from keras_nonlocal.data.readers.video_reader import VideoReader as VideoReader
    from keras_nonlocal.data.records.record_file import RecordReader as RecordReader
    from keras_nonlocal.data.records.writing import (
        write_tfds_records as write_tfds_records,
    )
    from keras_nonlocal.data.records.writing import (
        write_video_records as write_video_records,
    )
    from keras_nonlocal.data.sampling import ClipSampler as ClipSampler
    from keras_nonlocal.data.scanning import VideoFacts as VideoFacts
    from keras_nonlocal.data.scanning import scan_videos as scan_videos
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
