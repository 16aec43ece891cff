import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.data import ClipEpochs, video_dataset_from_directory
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for i in range(7):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        write_video(folder / f"{i}.mp4", moving_pictures(12, 36, 48, i))
    return root


def load(directory: Path, **options: Any) -> Any:
    return video_dataset_from_directory(
        directory,
        batch_size=2,
        num_frames=2,
        frame_stride=1,
        crop_size=24,
        seed=5,
        verbose=False,
        **options,
    )


def batches(dataset: Any) -> list[bytes]:
    return [clips.numpy().tobytes() for clips, _ in dataset]


def test_resuming_goes_on_with_the_clips_of_the_whole_run(directory: Path) -> None:
    whole = load(directory)
    epochs = [batches(whole) for _ in range(4)]
    assert len({batch for epoch in epochs for batch in epoch}) == 16
    resumed = load(directory)
    rest = resumed.resume(epoch=1, batch=3)
    assert len(rest) == 1
    assert batches(rest) == epochs[1][3:]
    assert batches(resumed) == epochs[2]
    assert batches(resumed) == epochs[3]
    resumed.resume(epoch=1)
    assert batches(resumed) == epochs[1]


def test_batches_name_their_files(directory: Path) -> None:
    dataset = load(directory)
    for epoch in (0, 1):
        for batch, (_, labels) in enumerate(dataset.resume(epoch)):
            paths = dataset.batch_paths(epoch, batch)
            assert [Path(path).parent.name for path in paths] == [
                "ab"[label] for label in labels.numpy()
            ]
        files = [p for b in range(4) for p in dataset.batch_paths(epoch, b)]
        assert sorted(files) == sorted(dataset.file_paths)
    assert dataset.batch_paths(0, 0) != dataset.batch_paths(1, 0)
    assert dataset.batch_paths(0, 4) == []


def test_videos_that_were_left_out_shift_no_batch(
    directory: Path, tmp_path: Path
) -> None:
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    for name in ("a/3.mp4", "a/9.mp4", "b/8.mp4"):
        (tmp_path / name).write_bytes(b"no video")
    dataset = load(tmp_path, on_error="skip")
    elements = [[(c.numpy(), y.numpy()) for c, y in dataset] for _ in range(3)]
    for epoch, expected in enumerate(elements):
        assert [len(labels) for _, labels in expected] == [2, 2, 2, 1]
        for batch in range(5):
            rest = [clips.numpy() for clips, _ in dataset.resume(epoch, batch)]
            assert len(rest) == len(expected[batch:])
            for clips, (whole, _) in zip(rest, expected[batch:], strict=True):
                np.testing.assert_array_equal(clips, whole)
        for batch, (_, labels) in enumerate(expected):
            paths = dataset.batch_paths(epoch, batch)
            names = [Path(path).parent.name for path in paths]
            assert names == ["ab"[label] for label in labels]


def test_resuming_before_the_start_is_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="Received: epoch=-1"):
        load(directory).resume(-1)
    with pytest.raises(ValueError, match="Received: batch=-2"):
        load(directory).resume(0, -2)


class Recorder(keras.Model):
    """Notes the mean of each batch it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(2)
        self.means: list[float] = []

    def call(self, clips: Any) -> Any:
        means = keras.ops.mean(keras.ops.cast(clips, "float32"), axis=(1, 2, 3))
        return self.dense(means / 255)

    def train_step(self, data: Any) -> dict[str, Any]:
        self.means.append(float(tf.reduce_mean(tf.cast(data[0], tf.float32))))
        return super().train_step(data)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="records inside a TensorFlow step"
)
def test_fit_with_clip_epochs_has_the_clips_of_each_epoch(directory: Path) -> None:
    expected = [
        [np.frombuffer(batch, np.uint8).mean() for batch in batches(load(directory))]
    ]
    reference = load(directory)
    batches(reference)
    for _ in range(2):
        expected.append(
            [np.frombuffer(batch, np.uint8).mean() for batch in batches(reference)]
        )

    def fit(initial_epoch: int) -> list[float]:
        model = Recorder()
        model.compile(
            "sgd",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            run_eagerly=True,
        )
        dataset = load(directory)
        model.fit(
            dataset,
            initial_epoch=initial_epoch,
            epochs=3,
            verbose=0,
            shuffle=False,
            callbacks=[ClipEpochs(dataset)],
        )
        return model.means

    np.testing.assert_allclose(fit(0), np.ravel(expected), rtol=1e-5)
    np.testing.assert_allclose(fit(2), expected[2], rtol=1e-5)


def test_a_strategy_trains_on_all_clips_without_a_warning(directory: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("strategies belong to TensorFlow")
    dataset = load(directory)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.experimental_distribute_dataset(dataset)
    expected = batches(load(directory))
    assert [clips.numpy().tobytes() for clips, _ in distributed] == expected


def test_only_a_clip_dataset_has_epochs(directory: Path) -> None:
    with pytest.raises(TypeError, match="`dataset` must be a clip dataset"):
        ClipEpochs(load(directory).map(lambda clips, labels: (clips, labels)))
