from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal.data import AugmentClips


@pytest.fixture
def clips() -> np.ndarray:
    return np.random.default_rng().random((4, 6, 10, 12, 3)).astype("float32")


# Keras's MixUp asks JAX for 64-bit integers.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning")
def test_mix_up_uses_one_weight_for_all_frames() -> None:
    clips = np.random.default_rng().random((16, 3, 4, 4, 3)).astype("float32")
    mix = AugmentClips(keras.layers.MixUp(alpha=1.0, seed=1), "channels")
    outputs = mix({"images": clips, "labels": np.eye(16, dtype="float32")})
    labels = keras.ops.convert_to_numpy(outputs["labels"])
    # A label says with which weights the clips were mixed.
    assert ((labels > 0).sum(axis=1) == 2).any()
    expected = np.tensordot(labels, clips, axes=1)
    got = keras.ops.convert_to_numpy(outputs["images"])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_cut_mix_cuts_the_same_box_out_of_all_frames(clips: np.ndarray) -> None:
    mix = AugmentClips(keras.layers.CutMix(factor=1.0, seed=3), "channels")
    outputs = mix({"images": clips, "labels": np.eye(4, dtype="float32")})
    changed = (keras.ops.convert_to_numpy(outputs["images"]) != clips).any(axis=-1)
    assert changed.any()
    assert (changed == changed[:, :1]).all()


@pytest.mark.parametrize(
    ("layer", "frames"),
    [
        (keras.layers.RandomRotation(0.2, seed=1), "channels"),
        (keras.layers.RandomBrightness(0.5, value_range=(0, 1), seed=1), "height"),
        (keras.layers.RandomHue(0.4, value_range=(0, 1), seed=1), "height"),
    ],
)
def test_equal_frames_stay_equal_and_clips_differ(
    layer: Any, frames: Any, clips: np.ndarray
) -> None:
    still = np.repeat(clips[:1, :1], 6, axis=1).repeat(4, axis=0)
    layer = AugmentClips(layer, frames)
    outputs = keras.ops.convert_to_numpy(layer(still, training=True))
    np.testing.assert_allclose(outputs, outputs[:, :1].repeat(6, axis=1), atol=1e-6)
    assert len({clip.tobytes() for clip in outputs}) == 4
    unchanged = keras.ops.convert_to_numpy(layer(still, training=False))
    np.testing.assert_array_equal(unchanged, still)


@pytest.mark.parametrize("seed", range(8))
def test_rand_augment_does_the_same_to_all_frames(seed: int, clips: np.ndarray) -> None:
    still = np.repeat(255 * clips[:, :1], 6, axis=1)
    layer = AugmentClips(keras.layers.RandAugment(factor=0.7, seed=seed), "each")
    outputs = keras.ops.convert_to_numpy(layer(still, training=True))
    np.testing.assert_array_equal(outputs, outputs[:, :1].repeat(6, axis=1))
    assert not np.allclose(outputs, still, atol=1)
    unchanged = keras.ops.convert_to_numpy(layer(still, training=False))
    np.testing.assert_allclose(unchanged, still)


def test_each_frame_is_augmented_as_the_layer_would_an_image(
    clips: np.ndarray,
) -> None:
    whole = AugmentClips(keras.layers.RandomRotation(0.2, seed=4), "channels")
    each = AugmentClips(keras.layers.RandomRotation(0.2, seed=4), "each")
    expected, got = (
        keras.ops.convert_to_numpy(layer(clips, training=True))
        for layer in (whole, each)
    )
    assert not np.allclose(got, clips)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning")
def test_each_frame_is_mixed_with_the_labels() -> None:
    clips = np.random.default_rng().random((16, 3, 4, 4, 3)).astype("float32")
    mix = AugmentClips(keras.layers.MixUp(alpha=1.0, seed=1), "each")
    outputs = mix({"images": clips, "labels": np.eye(16, dtype="float32")})
    labels = keras.ops.convert_to_numpy(outputs["labels"])
    assert ((labels > 0).sum(axis=1) == 2).any()
    got = keras.ops.convert_to_numpy(outputs["images"])
    np.testing.assert_allclose(got, np.tensordot(labels, clips, axes=1), atol=1e-5)


def test_it_is_restored_from_its_configuration() -> None:
    layer = AugmentClips(keras.layers.RandomRotation(0.25), "channels", name="turn")
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == layer.get_config()
    assert restored.frames == "channels"


def test_in_a_dataset(clips: np.ndarray) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs Keras's TensorFlow backend")
    import tensorflow as tf

    flip = AugmentClips(keras.layers.RandomFlip("horizontal", seed=1), "channels")
    dataset = tf.data.Dataset.from_tensors(clips).map(lambda x: flip(x, training=True))
    (outputs,) = (clip.numpy() for clip in dataset)
    for clip, output in zip(clips, outputs, strict=True):
        is_same, is_flipped = (
            np.array_equal(output, expected) for expected in (clip, clip[:, :, ::-1])
        )
        assert is_same != is_flipped


def test_rand_augment_in_a_dataset(clips: np.ndarray) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs Keras's TensorFlow backend")
    import tensorflow as tf

    augment = AugmentClips(keras.layers.RandAugment(seed=1), "each")
    pixels = (255 * clips[:, :2].repeat(2, axis=2)).astype(np.uint8)
    dataset = tf.data.Dataset.from_tensors(pixels).repeat(3)
    dataset = dataset.map(lambda x: augment(x, training=True))
    first, *others = (clip.numpy() for clip in dataset)
    assert first.shape == pixels.shape
    assert any((other != first).any() for other in others)


def test_bad_value() -> None:
    with pytest.raises(ValueError, match="Received: frames='width'"):
        AugmentClips(keras.layers.RandomFlip(), "width")
    with pytest.raises(ValueError, match=r"image preprocessing layer .*: layer=<Dense"):
        AugmentClips(keras.layers.Dense(3), "each")
