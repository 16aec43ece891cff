"""The strongest connections against a search through all weights."""

import keras
import numpy as np
import pytest

from keras_nonlocal.visualize import attend
from tests.visualize.clips import gray_video, random_network, red_attends_to_red

# Frames, height and width of the features of `random_network`.
SIZES = (4, 8, 8)


def random_clip(seed=0):
    return np.random.default_rng(seed).normal(size=(1, 4, 32, 32, 3)).astype("float32")


def all_weights(model, name, clip, position):
    """Weights of one query and the place of every key, by the definition.

    Returns:
        Mapping from `(first_frame, last_frame, y, x)` to weight.
    """
    block = model.get_layer(name)
    features = keras.Model(model.input, block.input)(clip)
    scores = keras.ops.convert_to_numpy(
        block(features, return_attention_scores=True)[1]
    )
    t, y, x = position
    pool_t, pool_y, pool_x = block.pool_size or (1, 1, 1)
    frames = block.temporal_group_size or 4
    found = {}
    if block.scope == "time":
        for key, weight in enumerate(scores[0, y * 8 + x, t]):
            found[
                key * pool_t, (key + 1) * pool_t - 1, (y + 0.5) / 8, (x + 0.5) / 8
            ] = weight
        return found
    height, width = 8 // pool_y, 8 // pool_x
    group = t if block.scope == "space" else t // frames
    query = (t % frames if block.scope != "space" else 0) * 64 + y * 8 + x
    for key, weight in enumerate(scores[0, group, query]):
        time, place = divmod(key, height * width)
        row, column = divmod(place, width)
        first = t if block.scope == "space" else group * frames + time * pool_t
        found[
            first,
            first + pool_t - 1,
            (row + 0.5) * pool_y / 8,
            (column + 0.5) * pool_x / 8,
        ] = weight
    return found


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"pool_size": (1, 2, 2)},
        {"pool_size": (2, 2, 2)},
        {"pool_size": (1, 3, 3)},
        {"scope": "space", "pool_size": (1, 2, 2)},
        {"scope": "time"},
        {"scope": "time", "pool_size": (2, 1, 1)},
        {"temporal_group_size": 2},
        {"temporal_group_size": 2, "pool_size": (2, 2, 2)},
    ],
    ids=str,
)
@pytest.mark.parametrize("query", [(0, 0, 0), (3, 21, 30)])
def test_the_strongest_connections(block, query):
    model, clip = random_network(**block), random_clip()
    found = attend(model, clip, query=query, num_connections=7)
    assert found.layer_name == "last"
    position = tuple(
        at * size // whole
        for at, size, whole in zip(query, SIZES, (4, 32, 32), strict=True)
    )
    weights = all_weights(model, "last", clip, position)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-5)
    strongest = sorted(weights.items(), key=lambda item: -item[1])[:7]
    assert len(found.connections) == len(strongest)
    for connection, (place, weight) in zip(found.connections, strongest, strict=True):
        assert connection.weight == pytest.approx(weight, rel=1e-4, abs=1e-7)
        assert weights[
            connection.place.first_frame,
            connection.place.last_frame,
            connection.place.y,
            connection.place.x,
        ] == pytest.approx(weight, rel=1e-4, abs=1e-7)
        assert place in weights
    for frame in range(4):
        expected = sum(
            weight
            for (first, last, _, _), weight in weights.items()
            if first <= frame <= last
        )
        assert found.frame_weights[frame] == pytest.approx(expected, abs=1e-5)
    assert found.query.frame == query[0]
    assert (found.query.y, found.query.x) == (
        (position[1] + 0.5) / 8,
        (position[2] + 0.5) / 8,
    )


def test_frames_that_were_pooled_away():
    inputs = keras.Input((6, 32, 32, 3))
    x = keras.layers.MaxPooling3D((2, 4, 4))(inputs)
    x = keras.layers.Dense(4)(x)
    from keras_nonlocal.layers import NonLocalBlock

    outputs = NonLocalBlock()(x)
    model = keras.Model(inputs, outputs)
    clip = np.random.default_rng(0).normal(size=(1, 6, 32, 32, 3)).astype("float32")
    found = attend(model, clip, query=(5, 0, 0), num_connections=1000)
    frames = {(c.place.first_frame, c.place.last_frame) for c in found.connections}
    assert frames == {(0, 1), (2, 3), (4, 5)}
    assert len(found.connections) == 3 * 64
    assert found.query.frame == 5
    assert found.frame_weights.sum() == pytest.approx(2, abs=1e-4)


def test_red_attends_to_red():
    clip = gray_video(8, [(1, 8, 16), (6, 16, 0)])[np.newaxis].astype("float32")
    found = attend(red_attends_to_red(), clip, query=(1, 9, 17), num_connections=8)
    assert {
        (c.place.frame, c.place.y * 32, c.place.x * 32) for c in found.connections
    } == {
        (frame, top + dy, left + dx)
        for frame, top, left in ((1, 8, 16), (6, 16, 0))
        for dy in (2, 6)
        for dx in (2, 6)
    }
    assert set(np.argsort(found.frame_weights)[-2:]) == {1, 6}


def test_defaults():
    model, clip = random_network(), random_clip()
    found = attend(model, clip)
    assert (found.layer_name, len(found.connections)) == ("last", 20)
    assert (found.query.frame, found.query.y, found.query.x) == (2, 4.5 / 8, 4.5 / 8)
    assert attend(model, clip, "first").layer_name == "first"


def test_connections_have_positive_weights():
    model = random_network()
    block = model.get_layer("first")
    # θ is positive, φ the difference of two channels, which has both signs.
    block.theta.kernel.assign(np.ones((6, 3)))
    block.theta.bias.assign(np.ones(3))
    block.phi.kernel.assign(np.repeat([[1.0], [-1], [0], [0], [0], [0]], 3, axis=1))
    found = attend(model, random_clip(), "first", num_connections=10_000)
    weights = [connection.weight for connection in found.connections]
    assert 0 < len(weights) < 4 * 64
    assert min(weights) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer_name": "conv"}, "'first', 'last'. Received: layer_name='conv'"),
        ({"query": (4, 0, 0)}, r"Received: query=\(4, 0, 0\) for a clip"),
        ({"query": (0, 0)}, r"Received: query=\(0, 0\)"),
        ({"query": (0, 0.5, 0)}, r"Received: query=\(0, 0.5, 0\)"),
        ({"num_connections": 0}, "Received: num_connections=0"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        attend(random_network(), random_clip(), **arguments)


def test_models_without_a_block():
    inputs = keras.Input((4, 8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv3D(2, 1)(inputs))
    with pytest.raises(ValueError, match=r"it has none\. Received: layer_name=None"):
        attend(model, np.zeros((1, 4, 8, 8, 3), "float32"))
