"""Streams of videos from TensorFlow Datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_nonlocal.optional_packages import (
    import_tensorflow,
    import_tensorflow_datasets,
)


@dataclass(frozen=True)
class VideoStream:
    """Videos that are streamed one after the other.

    Args:
        dataset: A `tf.data.Dataset` of pictures and class indices, or of pictures.
        name: Name of the data set.
        class_names: Names of the classes, or `None` if unknown.
    """

    dataset: Any
    name: str
    class_names: tuple[str, ...] | None


def video_stream(
    source: Any,
    split: str | None,
    video_key: str,
    label_key: str | None,
    class_names: Sequence[str] | None,
) -> VideoStream:
    """Returns the stream of a builder's videos, still encoded, or of a dataset's.

    Args:
        source: A builder of TensorFlow Datasets or a `tf.data.Dataset`.
        split: Split of a builder's data set, or `None` for a dataset.
        video_key: Name of the feature with the video.
        label_key: Name of the feature with the class, or `None` for no labels.
        class_names: Names of the classes. Defaults to those of the builder.

    Raises:
        TypeError: If `source` is neither.
        ValueError: If the arguments do not fit together.
    """
    names = None if class_names is None else tuple(class_names)
    if isinstance(source, import_tensorflow().data.Dataset):
        if split is not None:
            raise ValueError(
                "`split` can only be given with a builder. "
                f"Received: split={split!r}, source={source!r}"
            )
        dataset = source.map(lambda *element: _chosen(element, video_key, label_key))
        return VideoStream(dataset, "dataset", names)
    tfds = import_tensorflow_datasets()
    if not isinstance(source, tfds.core.DatasetBuilder):
        raise TypeError(
            "`source` must be a builder of TensorFlow Datasets or a `tf.data.Dataset`. "
            f"Received: source={source!r}"
        )
    if split is None:
        raise ValueError(
            "`split` must be given with a builder. Received: split=None, "
            f"source={source.name!r}"
        )
    keys = [video_key] if label_key is None else [video_key, label_key]
    _check_features(source.info.features, video_key, keys, tfds)
    if names is None and label_key is not None:
        names = tuple(getattr(source.info.features[label_key], "names", None) or ())
    dataset = source.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(
            dict.fromkeys(keys, True),
            decoders={video_key: tfds.decode.SkipDecoding()},
        ),
    )
    dataset = dataset.map(lambda *element: _chosen(element, video_key, label_key))
    return VideoStream(dataset, f"{source.name}/{split}", names or None)


def _check_features(features: Any, video_key: str, keys: Any, tfds: Any) -> None:
    missing = [key for key in keys if key not in features]
    if missing or not isinstance(features[video_key], tfds.features.Video):
        raise ValueError(
            f"`source` must have a video {video_key!r} and the features {[*keys]}. "
            f"Received: a builder with the features {features!r}"
        )


def _chosen(element: Any, video_key: str, label_key: str | None) -> tuple[Any, ...]:
    """Returns the video and the label of a dictionary or a pair."""
    if len(element) == 1 and isinstance(element[0], dict):
        keys = [video_key] if label_key is None else [video_key, label_key]
        return tuple(element[0][key] for key in keys)
    return element[: 1 if label_key is None else 2]
