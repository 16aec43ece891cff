import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    RecordReader,
    VideoError,
    video_dataset_from_list,
    video_dataset_from_tfds,
    write_tfds_records,
)
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from tests.data.datasets.test_elements import joined
from tests.data.videos import moving_pictures

tf = pytest.importorskip("tensorflow")

NAMES = ["down", "none", "up"]


def pictures_of(seed: int) -> np.ndarray:
    return moving_pictures(12 + seed, 36, 48, seed)


VIDEOS = [pictures_of(seed) for seed in range(7)]


@pytest.fixture(scope="module")
def tfds() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def builder_class(tfds: Any) -> Any:
    """Builds a data set of seven videos."""

    class Motions(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {
                "video": tfds.features.Video(shape=(None, 36, 48, 3)),
                "label": tfds.features.ClassLabel(names=NAMES),
                "place": tfds.features.Text(),
            }
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, manager: Any) -> dict[str, Any]:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for i, video in enumerate(VIDEOS):
                yield i, {"video": video, "label": i % 3, "place": "here"}

    return Motions


@pytest.fixture
def builder(builder_class: Any, tmp_path: Path) -> Any:
    return builder_class(data_dir=tmp_path)


@pytest.fixture
def load() -> Callable[..., Any]:
    def load(source: Any, *arguments: Any, **options: Any) -> Any:
        defaults = {
            "batch_size": 2,
            "num_frames": 4,
            "frame_stride": 2,
            "crop_size": 24,
            "fps": 10,
        }
        return video_dataset_from_tfds(source, *arguments, **(defaults | options))

    return load


@pytest.fixture
def dataset() -> Any:
    """The same videos decoded, as `tfds.load(…, as_supervised=True)` gives them."""

    def elements() -> Any:
        for i, video in enumerate(VIDEOS):
            yield video, i % 3

    dataset = tf.data.Dataset.from_generator(
        elements,
        output_signature=(
            tf.TensorSpec((None, 36, 48, 3), tf.uint8),
            tf.TensorSpec((), tf.int64),
        ),
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(7))


THIRD_PARTY = pytest.mark.filterwarnings("ignore")


@THIRD_PARTY
def test_mocked_data(tfds: Any, builder: Any, load: Callable[..., Any]) -> None:
    with tfds.testing.mock_data(num_examples=5):
        clips = load(builder, "train", seed=1, with_info=True)
        assert clips.class_names == NAMES
        assert len(clips) == 3
        assert clips.element_spec[:2] == (
            tf.TensorSpec((None, 4, 24, 24, 3), tf.uint8),
            tf.TensorSpec((None,), tf.int32),
        )
        first, second = (joined(clips) for _ in range(2))
    names = {f"motions/train/{i}".encode() for i in range(5)}
    assert {*first[2]["path"]} == {*second[2]["path"]} == names
    # All pixels are noise: the clips are not those of a picture that stands still.
    assert first[0].std() > 20
    assert {*first[1]} <= {0, 1, 2}


@THIRD_PARTY
def test_a_prepared_builder(builder: Any, load: Callable[..., Any]) -> None:
    builder.download_and_prepare()
    clips, labels, info = joined(load(builder, "train", shuffle=False, with_info=True))
    # Builders store their examples in an order of their own.
    found = []
    for clip, label, times in zip(clips, labels, info["times"], strict=True):
        indices = np.round(times * 10).astype(int)
        fitting = [
            seed
            for seed, video in enumerate(VIDEOS)
            if indices[-1] < len(video) and (expected(video, indices) == clip).all()
        ]
        found += fitting
        assert label == fitting[0] % 3
    assert sorted(found) == [*range(7)]
    assert len(load(builder, "train[:3]")) == 2


def expected(video: np.ndarray, indices: np.ndarray) -> np.ndarray:
    with PicturesReader("v", video, fps=10) as pictures:
        return pictures.read(indices, Framing(27, (24, 24)))[:, 0]


def test_decoded_videos(dataset: Any, load: Callable[..., Any]) -> None:
    clips, labels = joined(load(dataset, shuffle=False, class_names=NAMES))
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    for clip, video in zip(clips, VIDEOS, strict=True):
        start = (len(video) - 7) // 2
        indices = start + np.arange(0, 8, 2)
        np.testing.assert_array_equal(clip, expected(video, indices))
    as_dictionaries = dataset.map(lambda video, label: {"video": video, "y": label})
    again = load(as_dictionaries, shuffle=False, class_names=NAMES, label_key="y")
    np.testing.assert_array_equal(joined(again)[0], clips)
    alone = load(as_dictionaries, shuffle=False, label_mode=None)
    np.testing.assert_array_equal(np.concatenate([*alone]), clips)


def test_epochs_differ_repeat_and_resume(
    dataset: Any, load: Callable[..., Any]
) -> None:
    options = {"seed": 3, "class_names": NAMES, "with_info": True}
    first, second = load(dataset, **options), load(dataset, **options)
    epochs = [joined(first) for _ in range(3)]
    orders = [tuple(info["path"]) for *_, info in epochs]
    assert len({*orders}) == 3
    assert len({frozenset(order) for order in orders}) == 1
    for clips, labels, _ in epochs:
        same_clips, same_labels, _ = joined(second)
        np.testing.assert_array_equal(clips, same_clips)
        np.testing.assert_array_equal(labels, same_labels)
    rest = load(dataset, **options).resume(epoch=1, batch=2)
    assert len(rest) == 2
    np.testing.assert_array_equal(joined(rest)[0], epochs[1][0][4:])


def test_workers_share_the_videos(dataset: Any, load: Callable[..., Any]) -> None:
    options = {"seed": 3, "class_names": NAMES, "with_info": True}
    shards = [load(dataset, shard=(i, 2), **options) for i in range(2)]
    paths = [path for shard in shards for path in joined(shard)[2]["path"]]
    assert sorted(paths) == [f"dataset/{i}".encode() for i in range(7)]
    equal = [
        load(dataset, shard=(i, 2), drop_remainder=True, **options) for i in range(2)
    ]
    assert [len(shard) for shard in equal] == [1, 1]


def test_labels_are_encoded_and_mirrored(
    dataset: Any, load: Callable[..., Any]
) -> None:
    _, labels = joined(
        load(dataset, shuffle=False, class_names=NAMES, label_mode="categorical")
    )
    np.testing.assert_array_equal(labels, np.eye(3)[[0, 1, 2, 0, 1, 2, 0]])
    _, labels, info = joined(
        load(
            dataset,
            seed=1,
            class_names=NAMES,
            horizontal_flip=True,
            flip_labels={"up": "down"},
            with_info=True,
        )
    )
    plain = np.array([int(path.rsplit(b"/")[-1]) % 3 for path in info["path"]])
    is_mirrored = labels != plain
    np.testing.assert_array_equal(labels[is_mirrored], 2 - plain[is_mirrored])
    assert is_mirrored.any()


def test_a_video_without_frames_is_left_out(load: Callable[..., Any]) -> None:
    videos = tf.data.Dataset.from_tensor_slices([0, 9]).map(
        lambda n: tf.zeros((n, 36, 48, 3), tf.uint8)
    )
    errors: list[Exception] = []
    dataset = load(videos, label_mode=None, shuffle=False, on_error=errors.append)
    assert np.concatenate([*dataset]).shape[0] == 1
    (error,) = errors
    assert str(error) == "Cannot read the video 'dataset/0': it has no frames."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`class_names` must be given"),
        ({"split": "train"}, "only be given with a builder. Received: split='train'"),
        ({"class_names": NAMES, "label_mode": "binary"}, "exactly two classes"),
        ({"label_mode": "multi_hot"}, "Received: label_mode='multi_hot'"),
        ({"shuffle_buffer": 0}, "Received: shuffle_buffer=0"),
        ({"fps": -1}, "Received: fps=-1"),
        ({"shard": (0, 2), "class_names": NAMES}, "`seed` must be given"),
    ],
)
def test_bad_arguments(
    arguments: dict, message: str, dataset: Any, load: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        load(dataset, **arguments)


def test_streams_of_unknown_length(dataset: Any, load: Callable[..., Any]) -> None:
    unknown = dataset.filter(lambda video, label: label < 2)
    clips = load(unknown, class_names=NAMES, shuffle=False)
    assert joined(clips)[1].tolist() == [0, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="a known number of videos"):
        load(unknown, class_names=NAMES, shard=(0, 2), seed=1, drop_remainder=True)


@THIRD_PARTY
def test_bad_builders(tfds: Any, builder: Any, load: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"split=None, source='motions'"):
        load(builder)
    with pytest.raises(ValueError, match=r"must have a video 'place'"):
        load(builder, "train", video_key="place")
    with pytest.raises(ValueError, match=r"features \['video', 'class'\]"):
        load(builder, "train", label_key="class")
    with pytest.raises(TypeError, match="Received: source='ucf101'"):
        load("ucf101", "train")


@THIRD_PARTY
def test_a_builder_is_written_as_records(builder: Any, tmp_path: Path) -> None:
    builder.download_and_prepare()
    target = tmp_path / "records"
    settings = {"fps": 10, "quality": 2, "verbose": False}
    videos = write_tfds_records(builder, target, "train", **settings)
    assert videos.class_names == tuple(NAMES)
    # Every video is there once, under its label.
    found = []
    whole = Framing(36, (36, 48))
    for path, label in zip(videos.paths, videos.labels or (), strict=True):
        with RecordReader(path) as record:
            seed = len(record.times) - 12
            np.testing.assert_allclose(record.times, np.arange(12 + seed) / 10)
            got = record.read(np.arange(12 + seed), whole)[:, 0]
        assert np.abs(got - VIDEOS[seed].astype(int)).mean() < 20
        assert label == seed % 3
        found.append(seed)
    assert sorted(found) == [*range(7)]
    written = [Path(path).stat().st_mtime_ns for path in videos.paths]
    assert write_tfds_records(builder, target, "train", **settings) == videos
    assert [Path(path).stat().st_mtime_ns for path in videos.paths] == written
    clips = video_dataset_from_list(
        videos, num_frames=2, crop_size=24, open_video=RecordReader, verbose=False
    )
    assert sorted(np.concatenate([y for _, y in clips])) == [0, 0, 0, 1, 1, 2, 2]


def test_a_dataset_is_written_as_records(
    dataset: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = write_tfds_records(dataset, tmp_path, num_threads=1)
    assert "7/7" in capsys.readouterr().out
    assert videos.labels == (0, 1, 2, 0, 1, 2, 0)
    assert videos.class_names is None
    shuffled = dataset.shuffle(7, seed=1)
    with pytest.raises(ValueError, match="no records but those of the same videos"):
        write_tfds_records(shuffled, tmp_path, verbose=False)
    alone = dataset.map(lambda video, label: video).take(2)
    videos = write_tfds_records(alone, tmp_path, label_key=None, verbose=False)
    assert (len(videos.paths), videos.labels) == (2, None)


def test_streams_without_an_end_are_not_written(dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`source` must have an end"):
        write_tfds_records(dataset.repeat(), tmp_path)


def test_empty_videos_of_a_stream_are_not_written(tmp_path: Path) -> None:
    videos = tf.data.Dataset.from_tensor_slices([3, 0, 9]).map(
        lambda n: (tf.zeros((n, 36, 48, 3), tf.uint8), n)
    )
    settings = {"verbose": False, "on_error": lambda error: None}
    written = write_tfds_records(videos, tmp_path, **settings)
    assert written.labels == (3, 9)
    with pytest.raises(VideoError, match="'dataset/1': it has no frames"):
        write_tfds_records(videos, tmp_path, verbose=False)
