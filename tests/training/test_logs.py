"""Speed, waiting and sample clips in the logs."""

import keras
import numpy as np
import pytest

from keras_nonlocal.data import ClipEpochs, video_dataset_from_directory
from keras_nonlocal.training import SampleClips, Throughput, transform_clips
from keras_nonlocal.training.logs import clip_strips
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the steps run eagerly in it"
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for i in range(6):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        write_video(folder / f"{i}.mp4", moving_pictures(6, 24, 32, i))
    return root


def dataset(videos):
    return video_dataset_from_directory(
        videos,
        batch_size=2,
        num_frames=3,
        frame_stride=1,
        crop_size=16,
        seed=3,
        verbose=False,
    )


class Clock:
    """Stands still but for what takes time in a test."""

    def __init__(self):
        self.seconds = 100.0

    def perf_counter(self):
        return self.seconds


class SlowModel(keras.Model):
    """Takes a while in each step."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.clock = clock
        self.seconds = seconds

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        self.clock.seconds += self.seconds
        return super().train_step(data)


def slow_data(clock, seconds, num_batches=6):
    def wait(x):
        clock.seconds += seconds
        return x

    def delayed(x, y):
        return tf.ensure_shape(tf.numpy_function(wait, [x], tf.float32), x.shape), y

    arrays = np.ones((3 * num_batches, 2), "float32"), np.ones((3 * num_batches, 1))
    return tf.data.Dataset.from_tensor_slices(arrays).batch(3).map(delayed)


@pytest.mark.parametrize("data_seconds", [0.0, 0.3])
def test_waiting_and_speed_are_measured(monkeypatch, data_seconds):
    clock = Clock()
    monkeypatch.setattr("keras_nonlocal.training.logs.time", clock)
    model = SlowModel(clock, 0.1)
    model.compile("sgd", "mse", run_eagerly=True)
    throughput = Throughput()
    history = model.fit(
        throughput.watch(slow_data(clock, data_seconds)),
        epochs=2,
        verbose=0,
        shuffle=False,
        callbacks=[throughput],
    ).history
    expected = data_seconds / (data_seconds + 0.1)
    assert history["data_wait"] == pytest.approx([expected] * 2)
    speed = 3 / (data_seconds + 0.1)
    assert history["clips_per_second"] == pytest.approx([speed] * 2)


def test_figures_come_from_the_clock_and_the_batches(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("keras_nonlocal.training.logs.time", clock)
    throughput = Throughput()
    throughput.on_train_begin()
    throughput.on_epoch_begin(0)
    logs = {}
    for batch, (size, wait) in enumerate([(4, 50.0), (4, 1.0), (2, 0.5)]):
        throughput._elements.append((size, wait))
        clock.seconds += 2.0
        throughput.on_train_batch_end(batch, logs)
        if not batch:
            assert logs == {}
    assert logs == {"clips_per_second": 6 / 4, "data_wait": 1.5 / 4}
    throughput.on_epoch_begin(1)
    throughput._elements.append((4, 0.5))
    clock.seconds += 2.0
    throughput.on_train_batch_end(0, logs)
    epoch_logs = {"loss": 1.0}
    throughput.on_epoch_end(1, epoch_logs)
    assert epoch_logs == {"loss": 1.0, "clips_per_second": 2.0, "data_wait": 0.25}


def test_a_watched_dataset_is_the_same_dataset(videos):
    watched, plain = Throughput().watch(dataset(videos)), dataset(videos)
    assert int(watched.cardinality()) == len(plain) == 3
    assert watched.element_spec == plain.element_spec
    for (x, y), (clips, labels) in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(x, clips)
        np.testing.assert_array_equal(y, labels)
    rest = [y.numpy().tolist() for _, y in watched.resume(4, 1)]
    assert rest == [y.numpy().tolist() for _, y in plain.resume(4, 1)]
    assert len(rest) == 2
    assert watched.class_names == ["a", "b"]
    assert watched.batch_paths(1, 0) == plain.batch_paths(1, 0)
    ClipEpochs(watched)


def test_the_progress_bar_shows_both(videos, capsys):
    throughput = Throughput()
    model = keras.Sequential(
        [keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(2, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    clips = throughput.watch(dataset(videos))
    model.fit(clips, verbose=1, shuffle=False, callbacks=[throughput])
    printed = capsys.readouterr().out
    assert "clips_per_second: " in printed
    assert "data_wait: " in printed


def test_transformed_clips_can_be_resumed(videos):
    def negated(clips):
        return clips.map(lambda x, y: (255 - x, y))

    transformed = transform_clips(dataset(videos), negated)
    plain = dataset(videos)
    for (x, _), (clips, _) in zip(
        transformed.resume(2, 1), plain.resume(2, 1), strict=True
    ):
        np.testing.assert_array_equal(x, 255 - clips.numpy())
    assert transformed.file_paths == plain.file_paths


def test_strips_show_the_frames_side_by_side():
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    strips = clip_strips(clips)
    assert strips.shape == (2, 4, 15, 3)
    for t in range(3):
        np.testing.assert_array_equal(strips[:, :, 5 * t : 5 * t + 5], clips[:, t])
    assert clip_strips(np.full((1, 1, 1, 1, 3), 260.4)).tolist() == [[[[255] * 3]]]


def test_sample_clips_are_those_of_the_epoch(videos, tmp_path):
    pytest.importorskip("tensorboard")
    clips = dataset(videos)
    callback = SampleClips(tmp_path, clips, num_clips=1)
    callback.on_epoch_begin(3)
    callback.on_train_end()
    (file,) = tmp_path.iterdir()
    pictures = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            _, _, png = tf.make_ndarray(value.tensor)
            pictures[value.tag, event.step] = tf.io.decode_png(png).numpy()
    expected, _ = next(iter(dataset(videos).resume(3)))
    assert list(pictures) == [("clip_0", 3)]
    np.testing.assert_array_equal(pictures["clip_0", 3], clip_strips(expected)[0])


def test_only_a_clip_dataset_has_sample_clips(tmp_path):
    with pytest.raises(TypeError, match="`clips` must be a clip dataset"):
        SampleClips(tmp_path, tf.data.Dataset.range(3))
