"""Labels are encoded one element at a time, not in the graph."""

import numpy as np
import pytest

from keras_nonlocal.data import VideoList, video_dataset_from_list
from keras_nonlocal.data.datasets.labels import LabelEncoder, Labeling

tf = pytest.importorskip("tensorflow")


def reference(mode, label, num_classes):
    """The encoding, written again without tricks."""
    indices = label if isinstance(label, tuple) else (label,)
    if mode == "int":
        return np.array(indices[0])
    if mode == "binary":
        return np.array([float(indices[0])])
    return np.array([float(i in indices) for i in range(num_classes)])


@pytest.mark.parametrize("mode", ["int", "binary", "categorical", "multi_hot"])
def test_encodings(mode, rng):
    count = 2 if mode == "binary" else 9
    order = rng.permutation(count)
    partners = {int(a): int(b) for a, b in zip(order[::2], order[1::2], strict=False)}
    partners |= {b: a for a, b in partners.items()}
    encoder = LabelEncoder(mode, count, partners)
    for _ in range(20):
        label = int(rng.integers(count))
        if mode == "multi_hot" and rng.random() < 0.7:
            size = int(rng.integers(count))
            label = tuple(map(int, rng.choice(count, size, replace=False)))
        for is_mirrored in (False, True):
            indices = label if isinstance(label, tuple) else (label,)
            if is_mirrored:
                indices = tuple(partners.get(index, index) for index in indices)
            encoded = encoder.encode(label, is_mirrored)
            np.testing.assert_array_equal(encoded, reference(mode, indices, count))
            assert (encoded.shape, encoded.dtype) == (encoder.shape, encoder.dtype)


def graph_size(num_videos, label_mode):
    """Bytes of the graph of a dataset of videos of 700 classes."""
    indices = np.random.default_rng(1).integers(700, size=(num_videos, 3)).tolist()
    labels = [tuple({*row}) for row in indices]
    if label_mode != "multi_hot":
        labels = [row[0] for row in labels]
    names = tuple(map(str, range(700)))
    videos = VideoList(("a.mp4",) * num_videos, tuple(labels), names)
    dataset = video_dataset_from_list(
        videos,
        label_mode,
        flip_labels={i: i + 1 for i in range(0, 700, 2)},
        verbose=False,
    )
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=dataset._variant_tensor, external_state_policy=1
    )
    return len(graph.numpy())


@pytest.mark.parametrize("label_mode", ["int", "categorical", "multi_hot"])
def test_the_graph_does_not_grow_with_the_list(label_mode):
    short, long = (graph_size(count, label_mode) for count in (10, 5000))
    assert abs(long - short) < 200
    assert long < 100_000


@pytest.mark.parametrize("mode", ["categorical", "multi_hot"])
def test_classes_without_names_and_videos_are_refused(mode):
    videos = VideoList(("a", "b"), (1, 2))
    with pytest.raises(ValueError, match="without a video of the class 0"):
        Labeling(mode).encoder_of_list(videos)
    named = VideoList(("a", "b"), (1, 2), "xyz")
    encoder = Labeling(mode).encoder_of_list(named)
    assert encoder.shape == (3,)


def test_both_parts_of_a_list_have_all_classes():
    videos = VideoList(tuple("abcdef"), (0, 1, 2, 3, 4, 5))
    parts = video_dataset_from_list(
        videos,
        "categorical",
        validation_split=0.4,
        subset="both",
        seed=1,
        verbose=False,
    )
    assert [part.element_spec[1].shape[1] for part in parts] == [6, 6]


def test_a_class_that_a_mirror_image_would_add_is_refused():
    videos = VideoList(("a", "b"), (0, 1))
    with pytest.raises(ValueError, match=r"indices of the 2 classes.*\{1: 2\}"):
        Labeling("categorical", {1: 2}).encoder_of_list(videos)


def test_labels_of_a_stream_are_checked():
    from keras_nonlocal.data import video_dataset_from_tfds

    def elements():
        yield np.zeros((4, 24, 24, 3), np.uint8), -1

    signature = (
        tf.TensorSpec((None, 24, 24, 3), tf.uint8), tf.TensorSpec((), tf.int64)
    )  # fmt: skip
    source = tf.data.Dataset.from_generator(elements, output_signature=signature)
    dataset = video_dataset_from_tfds(
        source, num_frames=2, crop_size=16, class_names=["a", "b"]
    )
    with pytest.raises(tf.errors.OpError, match=r"count from 0.* the label -1 of"):
        next(iter(dataset))
