"""The namings of further projects, and what wrappers put before and beside them."""

import numpy as np
import pytest

from keras_nonlocal.weights import CheckpointError, load_checkpoint, read_checkpoint
from tests.weights import released_names as names
from tests.weights.test_loading import assert_same_weights


@pytest.fixture
def pair(small_network):
    source, target = small_network(), small_network(copy=1)
    names.randomize(source, seed=21)
    names.randomize(target, seed=22)
    return source, target


def save(path, arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("key_of", [names.resnet3d_key, names.gluoncv_key])
def test_projects_with_non_local_blocks(pair, tmp_path, key_of):
    source, target = pair
    arrays = names.named_arrays(source, key_of)
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)
    assert report.naming == key_of.__name__.removesuffix("_key")
    assert report.left == report.skipped == ()


@pytest.mark.parametrize(
    "key_of", [names.pytorchvideo_key, names.unpooled_pytorchvideo_key]
)
@pytest.mark.parametrize("variant", ["i3d", "c2d"])
def test_pytorchvideo(small_network, tmp_path, key_of, variant):
    source = small_network(variant, nonlocal_blocks=0)
    target = small_network(variant, copy=1, nonlocal_blocks=0)
    names.randomize(source, seed=23)
    arrays = names.named_arrays(source, key_of)
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)
    assert report.naming == "pytorchvideo"


def test_pytorchvideos_slow_network_is_refused(small_network, tmp_path):
    # Its temporal kernels are in res4 and res5 only.
    source = small_network("c2d", nonlocal_blocks=0)
    arrays = names.named_arrays(source, names.unpooled_pytorchvideo_key)
    for key, value in arrays.items():
        is_late = key.startswith(("blocks.3.", "blocks.4."))
        if is_late and key.endswith("conv_a.weight"):
            arrays[key] = np.repeat(value, 3, axis=2)
    path = save(tmp_path / "a.npz", arrays)
    for variant in ("c2d", "i3d"):
        target = small_network(variant, copy=1, nonlocal_blocks=0)
        message = r"Misshaped \(\d+\): blocks\.\d\."
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(target, path)


def test_gluoncv_holds_some_modules_twice(pair, tmp_path):
    source, target = pair
    arrays = names.named_arrays(source, names.gluoncv_key)
    block = "res_layers.1.1.nonlocal_block"
    twice = {
        f"{block}.W_bn.0.weight": arrays[f"{block}.W.weight"],
        f"{block}.W_bn.1.running_var": arrays[f"{block}.bn.running_var"],
        "head.1.weight": arrays["fc.weight"],
        "head.1.bias": arrays["fc.bias"],
        "first_stage.1.num_batches_tracked": np.array(5),
    }
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays | twice))
    assert_same_weights(target, source)
    assert set(report.training_state) == set(twice)


PREFIXES = [
    "module.",
    "model.",
    "_orig_mod.",
    "net.",
    "backbone.",
    "module._orig_mod.model.encoder.0.",
    "gpu_0/",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "key_of",
    [
        names.caffe2_key,
        names.pyslowfast_key,
        names.mmaction2_key,
        names.resnet3d_key,
        names.gluoncv_key,
    ],
)
@pytest.mark.filterwarnings("ignore:mmaction2 pools")
def test_prefixes_of_any_depth(pair, tmp_path, prefix, key_of):
    source, target = pair
    arrays = {
        f"{prefix}{key}": value
        for key, value in names.named_arrays(source, key_of).items()
    }
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)
    assert report.left == report.skipped == ()


@pytest.mark.parametrize(
    "wrapper", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
)
@pytest.mark.parametrize(
    "key_of", [names.pyslowfast_key, names.resnet3d_key, names.mmaction2_key]
)
@pytest.mark.filterwarnings("ignore:mmaction2 pools")
def test_wrappers_at_any_depth(pair, tmp_path, wrapper, key_of):
    source, target = pair
    arrays = {}
    for number, (key, value) in enumerate(names.named_arrays(source, key_of).items()):
        parts = key.split(".")
        parts.insert(number % len(parts), wrapper)
        arrays[".".join(["module", wrapper, *parts])] = value
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)
    assert report.left == report.skipped == ()


def test_names_that_differ_in_a_wrapper_stay_apart(tmp_path):
    arrays = {"a._orig_mod.b": np.zeros(1), "a.b": np.ones(1)}
    assert {*read_checkpoint(save(tmp_path / "a.npz", arrays)).arrays} == {*arrays}


def test_images_behind_a_prefix(small_network, tmp_path):
    source = small_network("c2d", nonlocal_blocks=0)
    target = small_network("c2d", copy=1, nonlocal_blocks=0)
    names.randomize(source, seed=24)
    arrays = names.named_arrays(
        source, names.torchvision_key, inflated_from_images=True
    )
    arrays = {f"encoder_q.backbone.{key}": value for key, value in arrays.items()}
    report = load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)
    assert report.naming == "torchvision"


@pytest.mark.parametrize("own", ["", "module.", "student.model."])
@pytest.mark.parametrize(
    "average",
    ["ema.", "ema_model.module.", "model_ema.", "a.teacher.", "averaged.", "swa."],
)
def test_averages_beside_the_weights(pair, tmp_path, own, average):
    source, target = pair
    arrays = names.named_arrays(source, names.pyslowfast_key)
    both = {f"{average}{key}": 2 * value for key, value in arrays.items()}
    both |= {f"{own}{key}": value for key, value in arrays.items()}
    both |= {"ema.decay": np.array(0.99), "n_averaged": np.array(7)}
    report = load_checkpoint(target, save(tmp_path / "a.npz", both))
    assert_same_weights(target, source)
    assert len(report.training_state) == len(arrays) + 2


def test_flattened_averages_of_mmcv(pair, tmp_path):
    source, target = pair
    arrays = names.named_arrays(source, names.mmaction2_key)
    buffers = {
        f"ema_{key.replace('.', '_')}": 3 * value for key, value in arrays.items()
    }
    with pytest.warns(UserWarning, match="pools"):
        report = load_checkpoint(target, save(tmp_path / "a.npz", arrays | buffers))
    assert_same_weights(target, source)
    assert set(report.training_state) == set(buffers)


def test_averages_alone_are_the_weights(pair, tmp_path):
    source, target = pair
    arrays = {
        f"ema.module.{key}": value
        for key, value in names.named_arrays(source, names.resnet3d_key).items()
    }
    load_checkpoint(target, save(tmp_path / "a.npz", arrays))
    assert_same_weights(target, source)


def test_a_second_network_is_an_error(pair, tmp_path):
    source, target = pair
    arrays = names.named_arrays(source, names.pyslowfast_key)
    both = {f"{part}.{key}": arrays[key] for part in ("rgb", "flow") for key in arrays}
    with pytest.raises(CheckpointError, match=rf"Unexpected \({len(arrays)}\): flow"):
        load_checkpoint(target, save(tmp_path / "a.npz", both))


def test_weights_inside_several_dicts(pair, tmp_path):
    torch = pytest.importorskip("torch")
    source, target = pair
    tensors = {
        key: torch.from_numpy(np.ascontiguousarray(value))
        for key, value in names.named_arrays(source, names.resnet3d_key).items()
    }
    path = tmp_path / "a.pth"
    torch.save({"model": {"state_dict": tensors}, "epoch": 3}, path)
    load_checkpoint(target, path)
    assert_same_weights(target, source)
    torch.save({"state_dict_ema": tensors}, path)
    load_checkpoint(target, path)
