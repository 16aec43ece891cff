"""Signals and images with two things, and currents of appliances."""

import numpy as np
import pytest

from keras_nonlocal.experiments.appliances import ApplianceTask, read_currents
from keras_nonlocal.experiments.digit_pairs import DIGIT, DigitPairTask
from keras_nonlocal.experiments.digits import read_labeled_digits
from keras_nonlocal.experiments.pairs import draw_pairs
from keras_nonlocal.experiments.speakers import SpeakerTask, read_recordings

PARTS = ("training", "validation", "test")


def test_pairs_are_balanced_whatever_the_number_of_things(rng):
    kinds = np.repeat([3, 5, 8], [2, 20, 200])
    pairs = draw_pairs(rng, kinds, 3000)
    first, second = kinds[pairs.first], kinds[pairs.second]
    np.testing.assert_array_equal(first == second, pairs.is_same == 1)
    assert pairs.is_same.sum() == 1500
    assert np.all(pairs.first != pairs.second)
    # Neither thing alone tells whether they are of one kind.
    for shown in (first, second):
        for is_same in (0, 1):
            shares = np.bincount(shown[pairs.is_same == is_same])[[3, 5, 8]] / 1500
            np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


@pytest.mark.parametrize(
    ("task", "package"),
    [
        (DigitPairTask(), "sklearn"),
        (SpeakerTask(), "sktime"),
        (ApplianceTask(), "sktime"),
    ],
    ids=["images", "sequences", "appliances"],
)
def test_batches_depend_on_seed_part_and_number_only(task, package):
    pytest.importorskip(package)
    inputs, labels = task.draw("training", 8, 1, 2)
    again, same_labels = task.draw("training", 8, 1, 2)
    np.testing.assert_array_equal(inputs, again)
    np.testing.assert_array_equal(labels, same_labels)
    assert inputs.shape == (8, *task.input_shape)
    assert inputs.dtype == np.float32
    for other in (("training", 8, 2, 2), ("training", 8, 1, 3), ("test", 8, 1, 2)):
        assert np.any(task.draw(*other)[0] != inputs)
    labels = [task.draw("training", 64, 1, number)[1] for number in range(20)]
    assert {*np.concatenate(labels)} == {*range(task.classes)}


def test_digits_are_far_apart_and_of_their_part():
    task = DigitPairTask()
    for part in PARTS:
        shapes, names = read_labeled_digits(part)
        known = {
            shape.tobytes(): name for shape, name in zip(shapes, names, strict=True)
        }
        images, labels = task.draw(part, 60, 1, 0)
        assert labels.sum() == 30
        for image, is_same in zip(images[..., 0], labels, strict=True):
            found = list(things_in(image, known))
            assert len(found) == 2
            (first, one), (second, two) = found
            assert (one == two) == bool(is_same)
            assert {one, two} <= {*range(task.digits)}
            assert np.abs(np.subtract(first, second)).max() >= DIGIT + task.gap


def things_in(image, known):
    """The places and names of the known digits in an image."""
    for row in range(len(image) - DIGIT + 1):
        for column in range(len(image) - DIGIT + 1):
            shape = np.ascontiguousarray(
                image[row : row + DIGIT, column : column + DIGIT]
            )
            if shape.tobytes() in known:
                yield (row, column), known[shape.tobytes()]


def test_digits_of_the_parts_are_those_of_different_ranges():
    sizes = [len(read_labeled_digits(part)[0]) for part in PARTS]
    assert sizes == [1000, 200, 597]
    shapes = [
        {shape.tobytes() for shape in read_labeled_digits(part)[0]} for part in PARTS
    ]
    assert sum(map(len, shapes)) == len(set.union(*shapes))


def test_single_digits_are_those_of_the_label():
    task = DigitPairTask()
    shapes, names = read_labeled_digits("training")
    known = {shape.tobytes(): name for shape, name in zip(shapes, names, strict=True)}
    images, shown = task.draw_singles("training", 12, 1, 0)
    for image, name in zip(images[..., 0], shown, strict=True):
        assert [found for _, found in things_in(image, known)] == [name]


def test_recordings_are_in_one_part_and_far_apart():
    pytest.importorskip("sktime")
    parts = {part: read_recordings(part) for part in PARTS}
    assert [len(each.signals) for each in parts.values()] == [198, 72, 370]
    raw = [{x.tobytes() for x in each.signals} for each in parts.values()]
    assert sum(map(len, raw)) == len(set.union(*raw)) == 640
    for part in ("training", "validation"):
        assert {*np.bincount(parts[part].speakers)[1:]} in ({22}, {8})
    steps = np.concatenate(parts["training"].signals)
    np.testing.assert_allclose(steps.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(steps.std(axis=0), 1, atol=1e-4)

    task = SpeakerTask()
    for part in PARTS:
        signals, speakers = parts[part]
        known = {
            x.tobytes(): speaker for x, speaker in zip(signals, speakers, strict=True)
        }
        together, labels = task.draw(part, 50, 3, 0)
        assert labels.sum() == 25
        for signal, is_same in zip(together, labels, strict=True):
            filled = np.flatnonzero(np.any(signal != 0, axis=1))
            (split,) = np.flatnonzero(np.diff(filled) > 1)
            assert filled[split + 1] - filled[split] > task.gap
            pieces = filled[: split + 1], filled[split + 1 :]
            one, two = (known[signal[piece].tobytes()] for piece in pieces)
            assert (one == two) == bool(is_same)


def test_currents_are_in_one_part():
    pytest.importorskip("sktime")
    task = ApplianceTask()
    parts = {part: read_currents(part, task.steps) for part in PARTS}
    assert [len(labels) for _, labels in parts.values()] == [425, 107, 537]
    for currents, labels in parts.values():
        assert np.all(np.isfinite(currents))
        assert {*labels} == {*range(11)}
    raw = [{x.tobytes() for x in currents} for currents, _ in parts.values()]
    assert sum(map(len, raw)) == len(set.union(*raw))
    # The test has every signal once.
    inputs, labels = task.draw("test", 1020, 1, 0)
    assert len({x.tobytes() for x in inputs}) == len(inputs) == 537
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(parts["test"][1]))
