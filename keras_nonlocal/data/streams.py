"""Videos that come one after the other out of TensorFlow Datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_nonlocal.data._requirements import (
    import_tensorflow,
    import_tensorflow_datasets,
)


@dataclass(frozen=True)
class VideoStream:
    """Videos that come one after the other.

    Args:
        dataset: A `tf.data.Dataset` of pictures and class indices, or of pictures.
        name: What the data set is called.
        class_names: Names of the classes, if they are known.
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
    """Returns the videos of a builder, still encoded, or of a dataset.

    Args:
        source: A builder of TensorFlow Datasets or a `tf.data.Dataset`.
        split: Which part of a builder's data set.
        video_key: Name of the feature with the video.
        label_key: Name of the feature with the class; `None`: no labels.
        class_names: Names of the classes. Defaults to those of the builder.

    Raises:
        ValueError: If these do not fit together, with the reason.
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
    """Returns the video and the label of an element that is a dictionary or a pair."""
    if len(element) == 1 and isinstance(element[0], dict):
        keys = [video_key] if label_key is None else [video_key, label_key]
        return tuple(element[0][key] for key in keys)
    return element[: 1 if label_key is None else 2]
