"""What the module says about its clips."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from keras_nonlocal.experiments.digits import read_digits
from keras_nonlocal.experiments.relation_clips import (
    KINDS,
    RING,
    ClipTask,
    draw_clips,
    draw_scenes,
    draw_stills,
    render,
)

TASK = ClipTask()
SPACE, TIME, BOTH = range(3)


def test_digits_are_those_of_the_file_in_parts_without_overlap():
    images, targets = load_digits(return_X_y=True)
    counts = {"training": (99, 102), "validation": (20, 19), "test": (59, 61)}
    for part, count in counts.items():
        digits = read_digits(part)
        assert (len(digits.zeros), len(digits.ones)) == count
    assert np.bincount(targets[-597:])[:2].tolist() == [59, 61]
    ones = images[-597:][targets[-597:] == 1].reshape(-1, 8, 8)
    np.testing.assert_array_equal(read_digits("test").ones * 16, ones)


@pytest.mark.parametrize("other_digit", ["opposite", "independent"])
def test_kinds_classes_and_colors_are_balanced_together(rng, other_digit):
    scenes = draw_scenes(ClipTask(other_digit=other_digit), 1200, rng)
    together = scenes.kind * 4 + scenes.label * 2 + scenes.color[:, RING]
    assert np.bincount(together).tolist() == [100] * 12
    np.testing.assert_array_equal(scenes.digit[:, 0], scenes.label)
    np.testing.assert_array_equal(scenes.color[:, 0], scenes.color[:, RING])
    np.testing.assert_array_equal(scenes.color[:, 1], 1 - scenes.color[:, RING])


def test_kinds_are_relations_of_both_digits_to_the_ring(rng):
    scenes = draw_scenes(TASK, 600, rng)
    for digit in (0, 1):
        same_time = scenes.quarter[:, digit] == scenes.quarter[:, RING]
        same_place = scenes.place[:, digit] == scenes.place[:, RING]
        np.testing.assert_array_equal(same_time, scenes.kind == SPACE)
        np.testing.assert_array_equal(same_place, scenes.kind == TIME)
    in_time = scenes.kind == TIME
    assert (scenes.shift[in_time] == scenes.shift[in_time, :1]).all()


def test_the_other_digit_reveals_nothing_where_it_is_independent(rng):
    opposite = draw_scenes(TASK, 600, rng)
    np.testing.assert_array_equal(opposite.digit[:, 1], 1 - opposite.label)
    independent = draw_scenes(ClipTask(other_digit="independent"), 6000, rng)
    share = (independent.digit[:, 1] == independent.label).mean()
    assert abs(share - 0.5) < 5 * np.sqrt(0.25 / 6000)


def test_frames_show_the_things_of_their_quarter_alone(rng):
    scenes = draw_scenes(TASK, 60, rng)
    clips = render(TASK, "training", scenes)
    assert clips.shape == (60, 8, 32, 32, 3)
    assert clips.dtype == np.uint8
    lit = clips.max(axis=(2, 3, 4)) > 0
    for clip, quarters in zip(lit, scenes.quarter, strict=True):
        expected = np.isin(np.arange(4), quarters).repeat(2)
        np.testing.assert_array_equal(clip, expected)
    halves = clips.reshape(60, 8, 2, 16, 2, 16, 3).max(axis=(1, 3, 5, 6)) > 0
    for clip, places in zip(halves, scenes.place, strict=True):
        np.testing.assert_array_equal(clip.ravel(), np.isin(np.arange(4), places))


def test_ring_of_the_other_color_changes_the_class_and_no_digit(rng):
    scenes = draw_scenes(TASK, 60, rng)
    swapped = scenes._replace(
        color=np.stack([*(scenes.color.T[:2]), 1 - scenes.color[:, RING]], 1)
    )
    clips, others = (render(TASK, "test", each) for each in (scenes, swapped))
    number = np.arange(60)
    changed = (clips != others).any(axis=(2, 3, 4)).reshape(60, 4, 2).any(2)
    assert changed[number, scenes.quarter[:, RING]].all()
    assert changed.sum() == 60


@pytest.mark.parametrize("kind", range(3), ids=KINDS)
def test_pooled_features_answer_nothing_linearly(kind):
    clips, scenes = draw_clips(TASK, "training", 4800, seed=3)
    of_kind = scenes.kind == kind
    features = pooled(clips[of_kind])
    label = scenes.label[of_kind]
    half = len(label) // 2
    model = LogisticRegression(max_iter=2000).fit(features[:half], label[:half])
    accuracy = model.score(features[half:], label[half:])
    assert abs(accuracy - 0.5) < 4 * np.sqrt(0.25 / half)
    # The same features show everything else: the color of the ring and the digits.
    ring = scenes.color[of_kind, RING]
    red = features[:, 0] > features[:, 2]
    assert np.isfinite(features).all()
    assert 0 < red.mean() < 1
    assert 0 < ring.mean() < 1


def pooled(clips):
    """Means, and means of squares, of the channels and of their gradients."""
    x = clips.astype("float32") / 255
    maps = [x, np.abs(np.diff(x, axis=2)), np.abs(np.diff(x, axis=3))]
    means = [m.mean(axis=(1, 2, 3)) for m in maps]
    features = np.concatenate(means + [(m**2).mean(axis=(1, 2, 3)) for m in maps], 1)
    return (features - features.mean(0)) / features.std(0)


def test_single_frames_answer_nothing_but_space(rng):
    scenes = draw_scenes(TASK, 1200, rng)
    apart = scenes.kind != SPACE
    for digit in (0, 1):
        assert (scenes.quarter[apart, digit] != scenes.quarter[apart, RING]).all()
    # A frame with one thing shows its color and shape, which are independent of the
    # class.
    for color in (0, 1):
        of_ring = scenes.label[apart & (scenes.color[:, RING] == color)]
        assert of_ring.mean() == 0.5
        for value in (0, 1):
            shown = (scenes.digit == value) & (scenes.color[:, :2] == color)
            assert scenes.label[apart & shown.any(1)].mean() == 0.5


def test_reversed_clips_have_the_same_relation(rng):
    scenes = draw_scenes(TASK, 24, rng)
    clips = render(TASK, "training", scenes)
    reversed_scenes = scenes._replace(quarter=3 - scenes.quarter)
    np.testing.assert_array_equal(
        render(TASK, "training", reversed_scenes), clips[:, ::-1]
    )


def test_seeds_batches_and_parts_differ_and_are_reproducible():
    draws = {
        (seed, batch, part): draw_clips(TASK, part, 12, seed, batch)[0]
        for seed in (0, 1)
        for batch in (0, 1)
        for part in ("training", "validation", "test")
    }
    for arguments, clips in draws.items():
        seed, batch, part = arguments
        np.testing.assert_array_equal(draw_clips(TASK, part, 12, seed, batch)[0], clips)
        assert sum(np.array_equal(clips, other) for other in draws.values()) == 1


def test_longer_and_larger_clips_show_the_same():
    task = ClipTask(16, 48)
    clips, scenes = draw_clips(task, "test", 24, seed=5)
    assert clips.shape == (24, 16, 48, 48, 3)
    lit = clips.max(axis=(2, 3, 4)) > 0
    for clip, quarters in zip(lit, scenes.quarter, strict=True):
        np.testing.assert_array_equal(clip, np.isin(np.arange(4), quarters).repeat(4))


def test_stills_show_one_thing_of_their_class():
    images, label = draw_stills(TASK, "training", 60, seed=1)
    assert np.bincount(label).tolist() == [10] * 6
    red = images[..., 0].sum((1, 2)) > images[..., 2].sum((1, 2), dtype=int)
    np.testing.assert_array_equal(red, label % 2 == 0)
    center = []
    for image in images.max(-1):
        rows, columns = np.nonzero(image)
        box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        center.append(box[tuple(side // 2 for side in box.shape)])
    # Zeros and rings are empty inside, and ones are not.
    assert (np.array(center)[label // 2 == 2] == 0).all()
    assert (np.array(center)[label // 2 == 1] > 60).mean() > 0.9


def test_targets():
    several = ClipTask(labels="several")
    _, scenes = draw_clips(several, "test", 60, seed=2)
    targets = several.targets(scenes)
    assert targets.shape == (60, several.num_outputs)
    np.testing.assert_array_equal(targets[:, :2].argmax(1), scenes.label)
    np.testing.assert_array_equal(targets[:, 2:].argmax(1), scenes.kind)
    assert targets.sum() == 120
    np.testing.assert_array_equal(TASK.targets(scenes), scenes.label)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 6}, "`num_frames` must be a multiple of 4.*num_frames=6"),
        ({"size": 36}, "`size` must be a multiple of 8.*size=36"),
        ({"other_digit": "same"}, "other_digit='same'"),
        ({"labels": "all"}, "labels='all'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ClipTask(**arguments)
