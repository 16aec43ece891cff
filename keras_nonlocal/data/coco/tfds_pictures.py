"""Pictures with boxes from TensorFlow Datasets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_nonlocal.optional_packages import (
    import_tensorflow,
    import_tensorflow_datasets,
)

# Our names of what an element may have besides the picture, and those of `coco/2017`.
_OF_PICTURE = {"id": "image/id", "filename": "image/filename"}
_OF_OBJECTS = ("bbox", "label", "is_crowd", "area")
_NEEDED = ("bbox", "label")


@dataclass(frozen=True)
class PictureStream:
    """Pictures that are streamed one after the other.

    Args:
        dataset: A `tf.data.Dataset` of dictionaries: `"image"`, encoded or not,
            `"bbox"`, `"label"`, and `"is_crowd"`, `"area"`, `"id"` and `"filename"` if
            they are known.
        name: Name of the data set.
        class_names: Names of the classes; `None` if they are unknown.
    """

    dataset: Any
    name: str
    class_names: tuple[str, ...] | None


def picture_stream(source: Any, split: str | None) -> PictureStream:
    """Returns the pictures of a builder, still encoded, or of a dataset.

    Args:
        source: A builder of TensorFlow Datasets or a `tf.data.Dataset`.
        split: Part of a builder's data set; `None` for a dataset.

    Raises:
        TypeError: If `source` is neither of the two.
        ValueError: If the arguments do not fit together.
    """
    if isinstance(source, import_tensorflow().data.Dataset):
        if split is not None:
            raise ValueError(
                "`split` can only be given with a builder. "
                f"Received: split={split!r}, source={source!r}"
            )
        _check_names(source, source.element_spec)
        return PictureStream(source.map(_chosen), "dataset", None)
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
    features = source.info.features
    _check_names(source, features)
    names = getattr(features["objects"]["label"], "names", None)
    wanted: dict[str, Any] = dict.fromkeys(_OF_PICTURE.values(), True)
    wanted = {name: True for name in wanted if name in features}
    wanted["image"] = True
    wanted["objects"] = {n: True for n in _OF_OBJECTS if n in features["objects"]}
    dataset = source.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(
            wanted, decoders={"image": tfds.decode.SkipDecoding()}
        ),
    )
    name = f"{source.name}/{split}"
    return PictureStream(dataset.map(_chosen), name, tuple(names or ()) or None)


def _check_names(source: Any, features: Any) -> None:
    try:
        is_known = "image" in features
        is_known &= all(name in features["objects"] for name in _NEEDED)
    except (KeyError, TypeError):
        is_known = False
    if not is_known:
        raise ValueError(
            '`source` must have "image" and "objects" with "bbox" and "label", as '
            f"`coco/2017` has. Received: source={source!r}"
        )


def _chosen(element: Mapping[str, Any]) -> dict[str, Any]:
    objects = element["objects"]
    chosen = {"image": element["image"]}
    chosen |= {name: objects[name] for name in _OF_OBJECTS if name in objects}
    return chosen | {
        name: element[theirs]
        for name, theirs in _OF_PICTURE.items()
        if theirs in element
    }
