"""The tables, expanded."""

import pytest

from keras_nonlocal import architectures
from keras_nonlocal.architectures import DEPTHS, STAGES, VARIANTS, network_spec


def nonlocal_names(spec):
    return [
        block.nonlocal_name
        for stage in spec.stages
        for block in stage.blocks
        if block.nonlocal_name
    ]


def inflated_blocks(spec):
    return {
        stage.name: tuple(
            index
            for index, block in enumerate(stage.blocks)
            if max(size[0] for size in block.kernel_sizes) == 3
        )
        for stage in spec.stages
    }


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("nonlocal_blocks", [0, 1, 5, 10])
def test_every_row_expands(depth, variant, nonlocal_blocks):
    spec = network_spec(depth, variant, nonlocal_blocks=nonlocal_blocks)
    assert len(nonlocal_names(spec)) == nonlocal_blocks
    assert [len(stage.blocks) for stage in spec.stages] == list(DEPTHS[depth].blocks)
    assert [stage.blocks[0].filters for stage in spec.stages] == [64, 128, 256, 512]
    convolutions = 1 + 3 * sum(DEPTHS[depth].blocks) + 1  # with the classifier
    assert convolutions == depth
    for stage in spec.stages:
        for block in stage.blocks:
            assert {len(size) for size in block.kernel_sizes} == {spec.rank}


def test_released_placements():
    assert nonlocal_names(network_spec(50, "i3d")) == [
        "conv3_block2_nl",
        "conv3_block4_nl",
        "conv4_block2_nl",
        "conv4_block4_nl",
        "conv4_block6_nl",
    ]
    assert nonlocal_names(network_spec(101, "c2d")) == [
        "conv3_block2_nl",
        "conv3_block4_nl",
        "conv4_block7_nl",
        "conv4_block14_nl",
        "conv4_block21_nl",
    ]
    # One block stands before the last residual block of res4.
    assert nonlocal_names(network_spec(50, "c2d", nonlocal_blocks=1)) == [
        "conv4_block5_nl"
    ]


def test_inflated_blocks_of_i3d():
    expected = {"res2": (0, 1, 2), "res3": (0, 2), "res4": (0, 2, 4), "res5": (1,)}
    assert inflated_blocks(network_spec(50, "i3d")) == expected
    assert inflated_blocks(network_spec(50, "i3d_3x3x3")) == expected
    assert inflated_blocks(network_spec(50, "c2d")) == dict.fromkeys(STAGES, ())
    deep = inflated_blocks(network_spec(101, "i3d"))
    assert deep["res4"] == tuple(range(0, 23, 2))
    i3d = network_spec(50, "i3d").stages[0].blocks[0].kernel_sizes
    full = network_spec(50, "i3d_3x3x3").stages[0].blocks[0].kernel_sizes
    assert i3d == ((3, 1, 1), (1, 3, 3), (1, 1, 1))
    assert full == ((1, 1, 1), (3, 3, 3), (1, 1, 1))


def test_where_the_stride_stands():
    released = network_spec(50, "c2d").stages[1].blocks[0]
    applications = network_spec(50, "c2d", stride_in_1x1=True).stages[1].blocks[0]
    assert released.strides == ((1, 1, 1), (1, 2, 2), (1, 1, 1))
    assert applications.strides == ((1, 2, 2), (1, 1, 1), (1, 1, 1))
    assert released.shortcut_strides == applications.shortcut_strides == (1, 2, 2)
    assert network_spec(50, "c2d").stages[0].blocks[0].shortcut_strides == (1, 1, 1)
    assert network_spec(50, "c2d").stages[1].blocks[1].shortcut_strides is None


def test_layouts_of_the_stem():
    short = network_spec(50, "i3d").stem
    assert (short.kernel_size, short.strides) == ((5, 7, 7), (1, 2, 2))
    assert (short.pool_size, short.pool_strides) == ((1, 3, 3), (1, 2, 2))
    assert short.pool_padding == (0, 1, 1)
    long = network_spec(
        50, "i3d", stem_temporal_strides=(2, 2), stem_pool_padding="valid"
    ).stem
    assert long.strides == (2, 2, 2)
    assert (long.pool_size, long.pool_strides) == ((2, 3, 3), (2, 2, 2))
    assert long.pool_padding == (0, 0, 0)
    assert network_spec(50, "image").stem.kernel_size == (7, 7)


def test_own_placement():
    spec = network_spec(50, "c2d", nonlocal_blocks={"res2": (2,), "res5": [0]})
    assert nonlocal_names(spec) == ["conv2_block3_nl", "conv5_block1_nl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 18}, "`depth` must be one of .*Received: depth=18"),
        ({"variant": "r2plus1d"}, "Received: variant='r2plus1d'"),
        ({"nonlocal_blocks": 3}, "Received: nonlocal_blocks=3"),
        ({"nonlocal_blocks": {"res6": (0,)}}, "keys of `nonlocal_blocks`"),
        ({"nonlocal_blocks": {"res4": (6,)}}, "from 0 to 5"),
        ({"nonlocal_blocks": {"res4": (1, 1)}}, "distinct"),
        ({"nonlocal_blocks": {"res4": 1}}, r"`nonlocal_blocks\['res4'\]`"),
        ({"width": 0}, "Received: width=0"),
        ({"stem_pool_padding": 1}, "Received: stem_pool_padding=1"),
        ({"stem_temporal_strides": 2}, "Received: stem_temporal_strides=2"),
        ({"stem_temporal_strides": (1, 3)}, r"stem_temporal_strides=\(1, 3\)"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        network_spec(**{"depth": 50, "variant": "c2d"} | arguments)


def test_tables_agree_with_themselves():
    for row in DEPTHS.values():
        blocks = dict(zip(STAGES, row.blocks, strict=True))
        for placement in (row.inflated, *row.placements.values()):
            for stage, indices in placement.items():
                assert max(indices) < blocks[stage]
        for count, placement in row.placements.items():
            assert sum(map(len, placement.values())) == count
    assert architectures.EXPANSION == 4


def test_the_temporal_pooling_can_be_left_out():
    assert network_spec(50, "c2d").temporal_pool_after == "res2"
    assert network_spec(50, "c2d", temporal_pool=False).temporal_pool_after is None
    assert network_spec(50, "image").temporal_pool_after is None
