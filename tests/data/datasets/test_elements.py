"""What an element holds beside the clips, and which worker gets it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    PyAVReader,
    VideoList,
    video_dataset_from_list,
)
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")

NAMES = ("left", "none", "right")
PLAIN: dict[str, Any] = {"with_info": True, "shuffle": False, "label_mode": None}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoList:
    root = tmp_path_factory.mktemp("videos")
    paths = tuple(
        write_video(root / f"{i}.mp4", moving_pictures(20, 36, 48, i), gop=8)
        for i in range(7)
    )
    return VideoList(paths, (0, 1, 2, 0, 1, 2, 2), NAMES)


@pytest.fixture
def load(videos: VideoList) -> Callable[..., Any]:
    def load(**arguments: Any) -> Any:
        defaults = {
            "videos": videos,
            "batch_size": 2,
            "num_frames": 4,
            "frame_stride": 2,
            "crop_size": 24,
            "verbose": False,
        }
        return video_dataset_from_list(**(defaults | arguments))

    return load


def joined(dataset: Any) -> list[Any]:
    """Returns the batches of each component as one array or dictionary of arrays."""
    components = zip(*dataset, strict=True)
    return [
        tf.nest.map_structure(lambda *parts: np.concatenate(parts), *component)
        for component in components
    ]


def test_info_says_where_each_clip_comes_from(
    load: Callable[..., Any], videos: VideoList
) -> None:
    dataset = load(seed=1, with_info=True)
    clips, labels, info = joined(dataset)
    paths = [path.decode() for path in info["path"]]
    assert sorted(paths) == sorted(videos.paths)
    assert info["view"].tolist() == [0] * 7
    assert dataset.element_spec[2] == {
        "path": tf.TensorSpec((None,), tf.string),
        "times": tf.TensorSpec((None, 4), tf.float64),
        "view": tf.TensorSpec((None,), tf.int32),
    }
    expected = dict(zip(videos.paths, videos.labels or (), strict=True))
    assert labels.tolist() == [expected[path] for path in paths]
    np.testing.assert_allclose(np.diff(info["times"]), 2 / 30, atol=1e-6)
    # The times tell which frames the clip has, wherever it was cropped.
    clips, info = joined(load(videos=videos.select([4]), **PLAIN))
    indices = np.round(info["times"][0] * 30).astype(int)
    with PyAVReader(videos.paths[4]) as video:
        frames = video.read(indices, Framing(27, (24, 24)))
    np.testing.assert_array_equal(clips[0], frames[:, 0])


def test_views_are_numbered_and_have_their_times(
    load: Callable[..., Any], videos: VideoList
) -> None:
    clips, info = joined(load(num_clips=2, num_crops=3, short_side=24, **PLAIN))
    assert info["view"].tolist() == [[0, 1, 2, 3, 4, 5]] * 7
    starts = np.array([0, 0, 0, 13, 13, 13])
    expected = (starts[:, np.newaxis] + np.arange(0, 8, 2)) / 30
    for times in info["times"]:
        np.testing.assert_allclose(times, expected, atol=1e-6)
    with PyAVReader(videos.paths[6]) as video:
        framing = Framing(24, (24, 24), ((0.5, 1.0),))
        frames = video.read(np.round(info["times"][6, 5] * 30).astype(int), framing)
    np.testing.assert_array_equal(clips[6, 5], frames[:, 0])


def test_info_of_videos_left_out_is_left_out(
    load: Callable[..., Any], videos: VideoList, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").touch()
    paths = (videos.paths[0], str(tmp_path / "broken.mp4"), videos.paths[1])
    dataset = load(videos=VideoList(paths), on_error=lambda error: None, **PLAIN)
    _, info = joined(dataset)
    assert [path.decode() for path in info["path"]] == [paths[0], paths[2]]


@pytest.mark.parametrize("flip_labels", [{"left": "right"}, {2: 0, "none": "none"}])
@pytest.mark.parametrize("label_mode", ["int", "categorical", "multi_hot"])
def test_mirrored_clips_have_mirrored_labels(
    load: Callable[..., Any], videos: VideoList, flip_labels: Any, label_mode: Any
) -> None:
    dataset = load(
        seed=2,
        horizontal_flip=True,
        flip_labels=flip_labels,
        label_mode=label_mode,
        short_side=36,
        crop_size=36,
        with_info=True,
    )
    num_mirrored = 0
    for _ in range(3):
        for clip, label, path, times in unbatched(dataset):
            if label_mode != "int":
                assert label.sum() == 1
                label = label.argmax()
            mirrored = is_mirrored(clip, path, times)
            before = (videos.labels or ())[videos.paths.index(path)]
            assert label == ((2 - before) if mirrored else before)
            num_mirrored += mirrored
    assert 0 < num_mirrored < 21


def unbatched(dataset: Any) -> Any:
    clips, labels, info = joined(dataset)
    paths = [path.decode() for path in info["path"]]
    return zip(clips, labels, paths, info["times"], strict=True)


def is_mirrored(clip: np.ndarray, path: str, times: np.ndarray) -> bool:
    """Whether some crop of the mirrored frames fits better than one of the frames."""
    with PyAVReader(path) as video:
        frames = video.read(np.round(times * 30).astype(int), Framing(36, None))[:, 0]

    def distance(frames: np.ndarray) -> float:
        crops = [frames[:, :, left : left + 36] for left in range(13)]
        return min(np.abs(clip.astype(int) - crop).mean() for crop in crops)

    plain, mirrored = distance(frames), distance(frames[:, :, ::-1])
    assert min(plain, mirrored) == 0 < max(plain, mirrored)
    return mirrored < plain


def test_without_a_map_mirrored_clips_keep_their_labels(
    load: Callable[..., Any], videos: VideoList
) -> None:
    _, labels, info = joined(load(seed=2, horizontal_flip=True, with_info=True))
    order = [videos.paths.index(path.decode()) for path in info["path"]]
    assert labels.tolist() == [(videos.labels or ())[index] for index in order]


@pytest.mark.parametrize(
    ("flip_labels", "message"),
    [
        ({"left": "up"}, "Received: 'up', which is not a class"),
        ({0: 3}, "Received: 3, which is not a class"),
        ({"left": "right", "none": "right"}, "pair each class with one other"),
    ],
)
def test_bad_maps(load: Callable[..., Any], flip_labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(flip_labels=flip_labels)


def test_a_map_is_a_mapping(load: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"Received: flip_labels=\['left', 'right'\]"):
        load(flip_labels=["left", "right"])


@pytest.mark.parametrize("count", [2, 3])
def test_workers_share_each_epoch(
    load: Callable[..., Any], videos: VideoList, count: int
) -> None:
    arguments = {"seed": 5, "with_info": True}
    whole = load(**arguments)
    shards = [load(shard=(i, count), **arguments) for i in range(count)]
    assert [len(shard) for shard in shards] == {2: [2, 2], 3: [2, 1, 1]}[count]
    for _ in range(2):
        clips, _, info = joined(whole)
        expected = dict(zip(info["path"], clips, strict=True))
        parts = [joined(shard) for shard in shards]
        paths = np.concatenate([info["path"] for *_, info in parts])
        assert sorted(paths) == sorted(path.encode() for path in videos.paths)
        for shard_clips, _, shard_info in parts:
            for path, clip in zip(shard_info["path"], shard_clips, strict=True):
                np.testing.assert_array_equal(clip, expected[path])


def test_workers_in_step_have_as_many_batches(load: Callable[..., Any]) -> None:
    shards = [
        load(shard=(i, 3), seed=5, drop_remainder=True, with_info=True)
        for i in range(3)
    ]
    assert [len(shard) for shard in shards] == [1, 1, 1]
    assert shards[0].element_spec[0].shape == (2, 4, 24, 24, 3)
    paths = [path for shard in shards for path in joined(shard)[2]["path"]]
    assert len({*paths}) == 6
    rest = shards[2].resume(epoch=4, batch=0)
    assert joined(rest)[0].shape[0] == 2


def test_a_shard_resumes(load: Callable[..., Any]) -> None:
    shard = load(shard=(1, 2), batch_size=1, seed=5)
    epochs = [joined(shard)[0] for _ in range(2)]
    rest = load(shard=(1, 2), batch_size=1, seed=5).resume(epoch=1, batch=1)
    np.testing.assert_array_equal(joined(rest)[0], epochs[1][1:])


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), 3, (0, 1, 2), (0.0, 2)])
def test_bad_shards(load: Callable[..., Any], shard: Any) -> None:
    with pytest.raises(ValueError, match=r"`shard` must be a pair .*Received: shard="):
        load(shard=shard, seed=1)


def test_shuffled_shards_need_a_seed(load: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"the same for all workers.*shard=\(0, 2\)"):
        load(shard=(0, 2))
    assert len(load(shard=(0, 2), shuffle=False)) == 2


def test_a_strategy_takes_the_shards(load: Callable[..., Any]) -> None:
    def share(context: Any) -> Any:
        return load(
            batch_size=context.get_per_replica_batch_size(2),
            shard=(context.input_pipeline_id, context.num_input_pipelines),
            shuffle=False,
        )

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.distribute_datasets_from_function(share)
    expected, _ = joined(load(shuffle=False))
    np.testing.assert_array_equal(joined(distributed)[0], expected)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="evaluates on TensorFlow"
)
def test_the_last_partial_batch_counts_by_its_videos(load: Callable[..., Any]) -> None:
    model = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    got = model.evaluate(load(batch_size=4, shuffle=False), verbose=0)
    clips, labels = joined(load(shuffle=False))
    scores = model.predict(clips, verbose=0)
    loss = -np.log(scores[np.arange(7), labels]).mean()
    accuracy = (scores.argmax(axis=1) == labels).mean()
    np.testing.assert_allclose(got, [loss, accuracy], rtol=1e-5)
