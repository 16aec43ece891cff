"""Clips as a `keras.utils.PyDataset`, beside those of `tf.data`."""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.data import (
    VideoError,
    VideoList,
    video_dataset_from_directory,
    video_dataset_from_list,
)
from tests.data.videos import moving_pictures, write_video

NAMES = ("left", "none", "right")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoList:
    root = tmp_path_factory.mktemp("videos")
    paths = tuple(
        write_video(root / f"{i}.mp4", moving_pictures(20, 36, 48, i), gop=8)
        for i in range(7)
    )
    return VideoList(paths, (0, 1, 2, 0, 1, 2, 2), NAMES)


def load(videos: VideoList, dataset_type: Any = "keras", **options: Any) -> Any:
    defaults: dict[str, Any] = {
        "batch_size": 3,
        "num_frames": 4,
        "frame_stride": 2,
        "crop_size": 24,
        "horizontal_flip": True,
        "seed": 5,
        "verbose": False,
    }
    return video_dataset_from_list(
        videos, dataset_type=dataset_type, **(defaults | options)
    )


def epoch_of(dataset: Any) -> list[Any]:
    """The batches of the next epoch of either kind of dataset."""
    if not hasattr(dataset, "on_epoch_end"):
        return [
            element if isinstance(element, tuple) else (element,) for element in dataset
        ]
    dataset.on_epoch_begin()
    batches = [dataset[index] for index in range(len(dataset))]
    dataset.on_epoch_end()
    return batches


def assert_equal(batches: list[Any], others: list[Any]) -> None:
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        for one, two in zip(
            keras.tree.flatten(batch), keras.tree.flatten(other), strict=True
        ):
            one, two = np.asarray(one), np.asarray(two)
            if two.dtype == object and one.dtype != object:
                one = np.vectorize(str.encode)(one).astype(object)
            else:
                assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"drop_remainder": True, "label_mode": "categorical"},
        {"shuffle": False, "label_mode": None},
        {"num_clips": 2, "num_crops": 3, "with_info": True},
        {"shard": (1, 2), "flip_labels": {"left": "right"}, "with_info": True},
        {"validation_split": 0.4, "subset": "validation"},
    ],
)
def test_the_batches_are_those_of_tf_data(videos: VideoList, options: Any) -> None:
    pytest.importorskip("tensorflow")
    own, other = load(videos, **options), load(videos, "tf.data", **options)
    assert isinstance(own, keras.utils.PyDataset)
    assert len(own) == int(own.cardinality()) == int(other.cardinality())
    assert own.class_names == other.class_names
    assert own.clip_info == other.clip_info
    assert own.file_paths == other.file_paths
    for _ in range(3):
        assert_equal(epoch_of(own), epoch_of(other))


def test_epochs_differ_and_an_epoch_is_resumed_at_any_batch(videos: VideoList) -> None:
    dataset = load(videos)
    epochs = [epoch_of(dataset) for _ in range(4)]
    firsts = [np.asarray(epoch[0][0]) for epoch in epochs]
    assert not (firsts[0] == firsts[1]).all()
    for epoch, batch in ((2, 0), (0, 2), (1, 1)):
        rest = dataset.resume(epoch, batch)
        assert rest.class_names == [*NAMES]
        assert len(rest) == len(epochs[0]) - batch
        assert_equal(epoch_of(rest), epochs[epoch][batch:])
        assert_equal(epoch_of(dataset), epochs[epoch + (batch > 0)])
    assert len(dataset.resume(0, 9)) == 0
    with pytest.raises(ValueError, match=r"`epoch` must .*Received: epoch=-1"):
        dataset.resume(-1)


def test_the_files_of_a_batch(videos: VideoList) -> None:
    dataset = load(videos, with_info=True)
    for epoch in range(2):
        for batch, (_, _, info) in enumerate(epoch_of(dataset)):
            assert dataset.batch_paths(epoch, batch) == info["path"].tolist()
    assert dataset.batch_paths(0, 3) == []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Six videos of which `a/1.mp4` and `b/1.mp4` are broken."""
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3):
            write_video(tmp_path / label / f"{i}.mp4", moving_pictures(8, 36, 48, i))
        (tmp_path / label / "1.mp4").write_bytes(b"")
    return tmp_path


def from_directory(directory: Path, **options: Any) -> Any:
    return video_dataset_from_directory(
        directory,
        num_frames=2,
        frame_stride=1,
        crop_size=24,
        seed=0,
        verbose=False,
        dataset_type="keras",
        **options,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_broken_videos_are_left_out_of_their_batches(
    directory: Path, caplog: pytest.LogCaptureFixture, batch_size: int
) -> None:
    dataset = from_directory(directory, batch_size=batch_size, on_error="skip")
    assert len(dataset) == 6 // batch_size
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="keras_nonlocal"):
            batches = epoch_of(dataset)
        (record,) = caplog.records
        assert record.getMessage().startswith("2 unreadable videos were left out")
        labels = np.concatenate([labels for _, labels in batches])
        if batch_size == 6:
            assert sorted(labels.tolist()) == [0, 0, 1, 1]
        # A batch of which nothing is left gives way to another.
        assert len(batches) == len(dataset)
        assert all(len(clips) for clips, _ in batches)
    assert {Path(path).name for path in dataset.failures.reasons} == {"1.mp4"}
    assert len(dataset.failures.reasons) == 2


def test_a_broken_video_raises_its_own_error(directory: Path) -> None:
    with pytest.raises(VideoError, match=r"1\.mp4"):
        epoch_of(from_directory(directory, batch_size=2))
    seen: list[Any] = []
    epoch_of(from_directory(directory, batch_size=2, on_error=seen.append))
    assert {type(error) for error in seen} == {VideoError}
    for path in directory.rglob("*.mp4"):
        path.write_bytes(b"")
    with pytest.raises(VideoError, match="nor any other video"):
        epoch_of(from_directory(directory, batch_size=2, on_error="skip"))


def test_arguments_that_do_not_fit(videos: VideoList) -> None:
    with pytest.raises(ValueError, match=r"`batch_size` must be a number .*None"):
        load(videos, batch_size=None)
    with pytest.raises(ValueError, match=r"`batch_size` must .*batch_size=8 for 7 "):
        load(videos, batch_size=8, drop_remainder=True)
    with pytest.raises(ValueError, match=r"`dataset_type` must be .*'numpy'"):
        load(videos, "numpy")


def test_without_tensorflow_it_is_the_default(
    videos: VideoList, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras_nonlocal.data.datasets import clip_plan

    monkeypatch.setattr(clip_plan, "has_tensorflow", lambda: False)
    assert isinstance(load(videos, None), keras.utils.PyDataset)


@pytest.mark.skipif(keras.backend.backend() == "numpy", reason="NumPy trains nothing")
def test_models_train_and_resume_on_it(videos: VideoList, tmp_path: Path) -> None:
    from keras_nonlocal.training import fit_resumably

    def model() -> Any:
        inputs = keras.Input((4, 24, 24, 3))
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.GlobalAveragePooling3D()(x)
        outputs = keras.layers.Dense(
            3, activation="softmax", kernel_initializer="ones"
        )(x)
        network = keras.Model(inputs, outputs)
        network.compile("sgd", "sparse_categorical_crossentropy")
        return network

    whole = model()
    whole.fit(load(videos), epochs=3, shuffle=False, verbose=0)
    parts = model()
    fit_resumably(parts, load(videos), tmp_path / "run", epochs=1, verbose=0)
    fit_resumably(parts, load(videos), tmp_path / "run", epochs=3, verbose=0)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert np.isfinite(whole.evaluate(load(videos, shuffle=False), verbose=0))
