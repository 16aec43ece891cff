import re

import pytest

from keras_nonlocal.architectures import network_spec
from keras_nonlocal.weights import PRESETS, find_preset


@pytest.mark.parametrize("name", PRESETS)
def test_rows_are_complete(name):
    preset = PRESETS[name]
    architecture = dict(preset.architecture)
    assert preset.name == name == name.lower()
    assert re.fullmatch(r"https://[\w.]+/\S+\.(pkl|pth)", preset.url)
    assert 60 < preset.top1 < preset.top5 < 100
    assert preset.license
    assert preset.sha256 is None or re.fullmatch(r"[0-9a-f]{8,64}", preset.sha256)
    assert architecture.pop("classes") == 400
    groups = architecture.pop("nonlocal_temporal_group_size", {})
    spec = network_spec(**architecture)
    # Frames of res2.
    strides = spec.stem.strides[0] * spec.stem.pool_strides[0]
    frames = preset.num_frames // strides
    assert frames in (8, 16, 32)
    assert (spec.temporal_pool_after is None) == ("NOPOOL" in preset.url)
    assert bool(groups) == (frames == 32 and architecture["nonlocal_blocks"] == 5)


def test_addresses_are_distinct():
    assert len({preset.url for preset in PRESETS.values()}) == len(PRESETS) == 20


def test_non_commercial_weights_say_so():
    assert all(
        "NC" in preset.license
        for preset in PRESETS.values()
        if "/video-nonlocal/" in preset.url
    )


@pytest.mark.parametrize(
    ("variant", "nonlocal_blocks", "strides", "expected"),
    [
        ("c2d", 0, (1, 1), "caffe2_c2d_baseline_8x8_in_pretrain_400k"),
        ("c2d", 5, (2, 2), "caffe2_c2d_nonlocal_32x2_in_pretrain_400k"),
        ("i3d", 5, (1, 1), "caffe2_i3d_nonlocal_8x8_in_pretrain_400k"),
    ],
)
def test_kinetics400_finds_the_file_of_the_network(
    variant, nonlocal_blocks, strides, expected
):
    network = {"depth": 50, "variant": variant, "nonlocal_blocks": nonlocal_blocks}
    preset = find_preset("kinetics400", **network, stem_temporal_strides=strides)
    assert preset.name == expected
    assert find_preset(expected, **network, stem_temporal_strides=strides) is preset


def test_the_pooling_after_res2_tells_checkpoints_apart():
    network = {"depth": 50, "variant": "c2d", "nonlocal_blocks": 0}
    preset = find_preset("kinetics400", **network, temporal_pool=False)
    assert preset.name == "pyslowfast_c2d_nopool_8x8_r50"
    assert find_preset("kinetics400", **network) is not preset
    with pytest.raises(ValueError, match=r"not released for .*temporal_pool=True"):
        find_preset(preset.name, **network)


def test_what_was_not_released():
    network = {"depth": 101, "variant": "c2d", "nonlocal_blocks": 5}
    with pytest.raises(ValueError, match=r"not released for this .*depth=101"):
        find_preset("kinetics400", **network)
    with pytest.raises(ValueError, match="`weights` must be 'kinetics400' or one of"):
        find_preset("kinetics", **network)
    with pytest.raises(ValueError, match="not released for this network"):
        find_preset("pyslowfast_i3d_8x8_r50", **network)
