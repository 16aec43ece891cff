from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    PyAVReader,
    list_directory,
    video_dataset_from_directory,
)
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")

NAMES = [f"{label}/{i}.mp4" for label in ("down", "up") for i in range(5)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate(NAMES):
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, moving_pictures(20, 36, 48, seed), gop=8)
    (root / "up" / "notes.txt").touch()
    (root / ".cache").mkdir()
    return root


@pytest.fixture
def load(directory: Path) -> Callable[..., Any]:
    def load(**arguments: Any) -> Any:
        defaults = {
            "batch_size": 4,
            "num_frames": 4,
            "frame_stride": 2,
            "crop_size": 24,
            "verbose": False,
        }
        return video_dataset_from_directory(directory, **(defaults | arguments))

    return load


def arrays(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    clips, labels = zip(*((x.numpy(), y.numpy()) for x, y in dataset), strict=True)
    return np.concatenate(clips), np.concatenate(labels)


def test_without_shuffling_the_middle_of_each_video(
    load: Callable[..., Any], directory: Path
) -> None:
    dataset = load(shuffle=False)
    clips, labels = arrays(dataset)
    assert len(dataset) == 3
    assert dataset.class_names == ["down", "up"]
    assert dataset.file_paths == [str(directory / name) for name in NAMES]
    assert labels.tolist() == [0] * 5 + [1] * 5
    assert dataset.element_spec == (
        tf.TensorSpec((None, 4, 24, 24, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
    )
    for clip, name in zip(clips, NAMES, strict=True):
        with PyAVReader(str(directory / name)) as video:
            # (20 - 7) // 2 = 6 is the first frame; 24 * 8/7 is 27.
            expected = video.read(np.array([6, 8, 10, 12]), Framing(27, (24, 24)))
        np.testing.assert_array_equal(clip, expected[:, 0])
    np.testing.assert_array_equal(arrays(dataset)[0], clips)


def test_epochs_differ_and_a_seed_repeats_them(load: Callable[..., Any]) -> None:
    first, second = load(seed=3), load(seed=3, batch_size=2)
    epochs = [arrays(first) for _ in range(2)]
    for clips, labels in epochs:
        same_clips, same_labels = arrays(second)
        np.testing.assert_array_equal(clips, same_clips)
        np.testing.assert_array_equal(labels, same_labels)
        assert sorted(labels) == [0] * 5 + [1] * 5
    assert (epochs[0][0] != epochs[1][0]).any()
    assert epochs[0][1].tolist() != epochs[1][1].tolist()
    assert (arrays(load(seed=4))[0] != epochs[0][0]).any()


def test_threads_do_not_change_the_clips(load: Callable[..., Any]) -> None:
    clips, _ = arrays(load(seed=3))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    np.testing.assert_array_equal(arrays(load(seed=3).with_options(options))[0], clips)


def test_training_and_validation_are_apart(load: Callable[..., Any]) -> None:
    train, validation = load(seed=1, validation_split=0.3, subset="both")
    assert (len(train.file_paths), len(validation.file_paths)) == (7, 3)
    assert not {*train.file_paths} & {*validation.file_paths}
    for subset, dataset in (("training", train), ("validation", validation)):
        alone = load(seed=1, validation_split=0.3, subset=subset)
        assert alone.file_paths == dataset.file_paths
    clips, labels = arrays(validation)
    np.testing.assert_array_equal(arrays(validation)[0], clips)
    expected = [int("/up/" in path) for path in validation.file_paths]
    assert labels.tolist() == expected


def test_views_of_whole_videos(load: Callable[..., Any], directory: Path) -> None:
    clips, _ = arrays(load(shuffle=False, num_clips=2, num_crops=3, short_side=24))
    assert clips.shape == (10, 6, 4, 24, 24, 3)
    with PyAVReader(str(directory / NAMES[0])) as video:
        framing = Framing(24, (24, 24), ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0)))
        expected = video.read(np.array([[0, 2, 4, 6], [13, 15, 17, 19]]), framing)
    for view in range(6):
        np.testing.assert_array_equal(clips[0, view], expected[view // 3, :, view % 3])


def test_label_modes(load: Callable[..., Any]) -> None:
    _, labels = arrays(load(shuffle=False, label_mode="categorical"))
    np.testing.assert_array_equal(labels, np.eye(2)[[0] * 5 + [1] * 5])
    _, labels = arrays(load(shuffle=False, label_mode="binary"))
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels[:, 0], [0] * 5 + [1] * 5)
    _, labels = arrays(load(shuffle=False, labels=[*range(10)]))
    assert labels.tolist() == [*range(10)]
    dataset = load(shuffle=False, label_mode=None)
    assert dataset.class_names is None
    assert dataset.element_spec == tf.TensorSpec((None, 4, 24, 24, 3), tf.uint8)
    _, labels = arrays(load(shuffle=False, class_names=["up", "down"]))
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_without_a_batch_size_single_videos(load: Callable[..., Any]) -> None:
    dataset = load(batch_size=None)
    assert len(dataset) == 10
    assert dataset.element_spec[0].shape == (4, 24, 24, 3)


def test_verbose_tells_what_was_found(
    load: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    load(verbose=True, seed=1, validation_split=0.2, subset="training")
    assert capsys.readouterr().out == (
        "Found 10 videos belonging to 2 classes.\nUsing 8 videos for training.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_mode": "one_hot"}, "Received: label_mode='one_hot'"),
        ({"labels": "filename"}, "Received: labels='filename'"),
        ({"labels": [0, 1]}, "one entry for each of the 10 videos .*: 2 labels"),
        ({"class_names": ["up", "left"]}, r"which are \['down', 'up'\]. .*'left'"),
        ({"class_names": ["up"]}, r"at least two classes.*\['up'\]"),
        ({"labels": None, "class_names": ["up"]}, '`labels="inferred"`'),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"num_frames": 0}, "Received: num_frames=0"),
        ({"frame_stride": 0}, "Received: frame_stride=0"),
        ({"crop_size": -1}, "Received: crop_size=-1"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"subset": "test", "validation_split": 0.5}, "Received: subset='test'"),
        ({"subset": "both"}, "validation_split=None, subset='both'"),
        ({"subset": "both", "validation_split": 1.5}, "validation_split=1.5"),
        ({"subset": "training", "validation_split": 0.5}, "`seed` must be given"),
        ({"subset": "both", "validation_split": 0.01}, "no videos for validation"),
        ({"labels": [*range(10)], "label_mode": "binary"}, "exactly two classes"),
    ],
)
def test_bad_arguments(load: Callable[..., Any], arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(**arguments)


def test_bad_directories(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ValueError, match=r"does not exist. Received: .*missing'"):
        video_dataset_from_directory(missing)
    missing.touch()
    with pytest.raises(ValueError, match=r"not a file. Received: .*missing'"):
        video_dataset_from_directory(missing)
    with pytest.raises(ValueError, match=r"at least two classes.*the classes \[\]"):
        video_dataset_from_directory(tmp_path)
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match=r"holds no videos \(files .*\.mp4.*Received"):
        video_dataset_from_directory(tmp_path)
    (tmp_path / "one" / "a.mp4").touch()
    with pytest.raises(ValueError, match=r"at least two classes.*\['one'\]"):
        video_dataset_from_directory(tmp_path)


def test_links_in_a_circle_repeat_no_video(tmp_path: Path) -> None:
    for name in ("a/1.mp4", "b/2.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b", target_is_directory=True)
    paths = list_directory(tmp_path, labels=None, follow_links=True).paths
    assert sorted(Path(path).name for path in paths) == ["1.mp4", "2.mp4"]
    by_class = list_directory(tmp_path, follow_links=True)
    assert [Path(path).name for path in by_class.paths] == ["1.mp4", "2.mp4", "2.mp4"]
    assert by_class.labels == (0, 0, 1)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    for name in ("a/good.mp4", "b/broken.mp4"):
        (tmp_path / name).parent.mkdir()
        write_video(tmp_path / name, moving_pictures(8, 36, 48))
    (tmp_path / "b/broken.mp4").write_bytes(b"no video at all")
    dataset = video_dataset_from_directory(
        tmp_path, shuffle=False, num_frames=2, crop_size=24, verbose=False
    )
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"Cannot read the video '.*b/broken.mp4': Invalid data found",
    ):
        next(iter(dataset))
