"""No two positions share their random numbers."""

import itertools

import numpy as np

from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.random_streams import Purpose, random_stream


def test_streams_differ_in_every_part_of_their_position(rng):
    seeds = [0, 1, 2**32, 2**32 + 1, int(rng.integers(2**62))]
    positions = [
        (),
        *itertools.product(range(3)),
        *itertools.product(range(3), range(3)),
    ]
    drawn = {
        (seed, purpose, position): tuple(
            random_stream(seed, purpose, *position).integers(2**63, size=2)
        )
        for seed in seeds
        for purpose in Purpose
        for position in positions
    }
    assert len({*drawn.values()}) == len(seeds) * len(Purpose) * 13


def test_a_stream_repeats(rng):
    seed, epoch = (int(value) for value in rng.integers(1000, size=2))
    first, second = (random_stream(seed, Purpose.CLIP, epoch, 3) for _ in range(2))
    np.testing.assert_array_equal(first.random(5), second.random(5))


def test_lists_epochs_and_their_numbers_have_orders_of_their_own(rng):
    seed = int(rng.integers(1000))
    names = tuple(f"{i}.mp4" for i in range(30))
    orders = [VideoList(names).shuffle(seed).paths]
    for epoch in range(3):
        turns = EpochOrder(30, seed).turns(epoch)
        orders.append(tuple(names[index] for index in turns))
    assert len({*orders}) == 4
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(names))}
