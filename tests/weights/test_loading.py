import pickle

import keras
import numpy as np
import pytest

from keras_nonlocal.weights import (
    CheckpointError,
    convert_checkpoint,
    load_checkpoint,
)
from tests.weights import released_names as names


def save_caffe2(path, arrays, protocol=2):
    with open(path, "wb") as file:
        pickle.dump({"blobs": arrays}, file, protocol)
    return path


def save_state_dict(path, arrays, key="state_dict", legacy=False):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value) for name, value in arrays.items()}
    tensors["bn.num_batches_tracked"] = torch.tensor(7)
    torch.save(
        {key: tensors, "epoch": 3} if key else tensors,
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    return path


def assert_same_weights(model, other):
    assert len(model.weights) == len(other.weights)
    for own, expected in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(own),
            keras.ops.convert_to_numpy(expected),
            rtol=1e-6,
            err_msg=own.path,
        )


@pytest.fixture
def pair(small_network):
    """A network with random weights and an equal one without them."""
    source, target = small_network(), small_network(copy=1)
    names.randomize(source, seed=1)
    names.randomize(target, seed=2)
    return source, target


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_caffe2_of_every_pickle_protocol(pair, tmp_path, protocol):
    source, target = pair
    blobs = names.with_momenta(names.named_arrays(source, names.caffe2_key))
    report = load_checkpoint(target, save_caffe2(tmp_path / "c2.bin", blobs, protocol))
    assert_same_weights(target, source)
    assert report.naming == "caffe2"
    assert len(report.loaded) == len(target.weights)
    assert report.left == report.skipped == ()
    assert {"lr", "model_iter", "conv1_w_momentum"} <= set(report.training_state)


@pytest.mark.parametrize("legacy", [False, True])
def test_pyslowfast(pair, tmp_path, legacy):
    source, target = pair
    arrays = names.named_arrays(source, names.pyslowfast_key)
    path = save_state_dict(tmp_path / "a.pyth", arrays, "model_state", legacy)
    report = load_checkpoint(target, path)
    assert_same_weights(target, source)
    assert report.naming == "pyslowfast"
    assert report.training_state == ("bn.num_batches_tracked",)


@pytest.mark.parametrize(
    ("key_of", "shifted"), [(names.mmaction2_key, False), (names.tsm_key, True)]
)
def test_mmaction2_has_no_bias_before_the_norm(pair, tmp_path, key_of, shifted):
    source, target = pair
    source.get_layer("conv3_block2_nl").out.bias.assign(np.zeros(16))
    arrays = names.named_arrays(source, key_of)
    prefix = "backbone.layer2.1.non_local_block.conv_out.conv"
    del arrays[f"{prefix}.bias"]
    with pytest.warns(UserWarning, match="pools|shifts") as warned:
        report = load_checkpoint(target, save_state_dict(tmp_path / "a.pth", arrays))
    assert_same_weights(target, source)
    assert report.implied == ("conv3_block2_nl/out/bias",)
    assert len(warned) == len(report.notes) == 1 + shifted
    assert "after their projections" in report.notes[0]


@pytest.mark.parametrize("mode", ["gaussian", "concatenation"])
def test_every_mode_of_mmaction2(small_network, tmp_path, mode):
    source = small_network(nonlocal_mode=mode)
    target = small_network(copy=1, nonlocal_mode=mode)
    names.randomize(source, seed=10)
    arrays = names.named_arrays(source, names.mmaction2_key)
    with pytest.warns(UserWarning, match="pools"):
        load_checkpoint(target, save_state_dict(tmp_path / "a.pth", arrays))
    assert_same_weights(target, source)


def test_frozen_norms_are_scales_and_biases(small_network, tmp_path):
    source, target = small_network(), small_network(copy=1)
    names.randomize(source, seed=3)
    for variable in source.weights:
        if variable.name == "moving_mean":
            variable.assign(np.zeros(variable.shape))
        if variable.name == "moving_variance":
            variable.assign(np.full(variable.shape, 1.0 - 1e-5))
    arrays = names.named_arrays(source, names.caffe2_key)
    arrays = {
        key: value
        for key, value in arrays.items()
        if not key.endswith(("_rm", "_riv")) and "nonlocal_conv3_1_bn" not in key
    }
    norm = source.get_layer("conv3_block2_nl").norm
    norm.gamma.assign(np.ones(16))
    norm.beta.assign(np.zeros(16))
    report = load_checkpoint(target, save_caffe2(tmp_path / "a.pkl", arrays))
    assert_same_weights(target, source)
    assert len(report.implied) == 2 * 53 + 4
    # The norm divides by exactly 1.
    norm = target.get_layer("conv1_bn")
    variance = keras.ops.convert_to_numpy(norm.moving_variance)
    assert (variance + np.float32(norm.epsilon) == np.float32(1.0)).all()


@pytest.mark.parametrize(
    "variant", ["i3d", pytest.param("i3d_3x3x3", marks=pytest.mark.slow)]
)
def test_torchvision_kernels_are_inflated(small_network, tmp_path, variant):
    source = small_network(variant, nonlocal_blocks=0)
    target = small_network(variant, copy=1, nonlocal_blocks=0)
    names.randomize(source, seed=4)
    for layer in source.layers:
        if isinstance(layer, keras.layers.Conv3D):
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            layer.kernel.assign(np.broadcast_to(kernel.mean(0), kernel.shape))
    arrays = names.named_arrays(
        source, names.torchvision_key, inflated_from_images=True
    )
    assert arrays["conv1.weight"].shape == (2, 3, 7, 7)
    report = load_checkpoint(target, save_state_dict(tmp_path / "r50.pth", arrays, ""))
    assert_same_weights(target, source)
    assert report.naming == "torchvision"


def test_torchvision_into_a_non_local_network_leaves_its_blocks(
    small_network, tmp_path
):
    source, target = small_network(nonlocal_blocks=0), small_network(classes=9)
    arrays = names.named_arrays(
        source, names.torchvision_key, inflated_from_images=True
    )
    path = save_state_dict(tmp_path / "r50.pth", arrays)
    with pytest.raises(CheckpointError, match=r"Missing \(12\): conv3_block2_nl/theta"):
        load_checkpoint(target, path)
    report = load_checkpoint(target, path, strict=False)
    left = {name for name in report.left if not name.startswith("conv3_block2_nl/")}
    assert left == {"predictions/kernel", "predictions/bias"}
    assert len(report.left) == 12 + 2


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_keras_files(pair, tmp_path, ending):
    source, target = pair
    source.compile("sgd", "mse")
    path = tmp_path / f"model{ending}"
    if ending == ".weights.h5":
        source.save_weights(path)
    else:
        source.save(path)
    path = path.rename(tmp_path / "recognized_by_content")
    report = load_checkpoint(target, path)
    assert_same_weights(target, source)
    assert report.naming == "keras"
    assert report.left == report.skipped == ()


@pytest.mark.parametrize("key_of", [names.caffe2_key, names.pyslowfast_key])
def test_npz_with_the_names_of_a_project(pair, tmp_path, key_of):
    source, target = pair
    np.savez_compressed(tmp_path / "a.npz", **names.named_arrays(source, key_of))
    load_checkpoint(target, tmp_path / "a.npz")
    assert_same_weights(target, source)


def test_convert_checkpoint_writes_a_keras_file(pair, small_network, tmp_path):
    source, target = pair
    path = save_caffe2(tmp_path / "a.pkl", names.named_arrays(source, names.caffe2_key))
    convert_checkpoint(target, path, tmp_path / "b.weights.h5")
    other = small_network(copy=2)
    other.load_weights(tmp_path / "b.weights.h5")
    assert_same_weights(other, source)
    with pytest.raises(ValueError, match=r"must end in `.weights.h5`. Received: dest"):
        convert_checkpoint(target, path, tmp_path / "b.h5")
    (tmp_path / "link.weights.h5").symlink_to("b.weights.h5")
    before = (tmp_path / "b.weights.h5").read_bytes()
    for name in ("b.weights.h5", "link.weights.h5"):
        with pytest.raises(ValueError, match="`destination` must differ from `source`"):
            convert_checkpoint(target, tmp_path / "b.weights.h5", tmp_path / name)
    assert (tmp_path / "b.weights.h5").read_bytes() == before


def test_strict_lists_every_misfit_and_changes_nothing(pair, small_network, tmp_path):
    source, target = pair
    before = [keras.ops.convert_to_numpy(w).copy() for w in target.weights]
    arrays = names.named_arrays(source, names.caffe2_key)
    del arrays["res5_1_branch2b_w"], arrays["nonlocal_conv3_1_g_b"]
    arrays["surprise"] = np.zeros(1)
    arrays["res2_0_branch1_bn_s"] = np.zeros(5, np.float32)
    arrays["conv1_w"] = arrays["conv1_w"].copy()
    arrays["conv1_w"].flat[3] = np.nan
    arrays["pred_b"] = np.array([0.0, 1e300, 0.0])  # no float32
    path = save_caffe2(tmp_path / "a.pkl", arrays)
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(target, path)
    message = str(raised.value)
    for part in (
        "Missing (2): conv3_block2_nl/g/bias, conv5_block2_2_conv/kernel.",
        "Unexpected (1): surprise.",
        "Misshaped (1): res2_0_branch1_bn_s is (5,) and conv2_block1_0_bn/gamma of "
        "the model is (8,).",
        "Not finite (2): conv1_w, pred_b.",
        f"Received: path={str(path)!r}",
    ):
        assert part in message
    for variable, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    report = load_checkpoint(target, path, strict=False)
    assert set(report.left) == {
        "conv3_block2_nl/g/bias",
        "conv5_block2_2_conv/kernel",
        "conv2_block1_0_bn/gamma",
        "conv1_conv/kernel",
        "predictions/bias",
    }
    assert len(report.skipped) == 4
    assert len(report.loaded) == len(target.weights) - 5
    assert "5 left" in str(report)


def test_another_number_of_classes_keeps_the_new_classifier(
    small_network, pair, tmp_path
):
    source, _ = pair
    target = small_network(classes=9)
    head = keras.ops.convert_to_numpy(target.get_layer("predictions").kernel)
    path = save_caffe2(tmp_path / "a.pkl", names.named_arrays(source, names.caffe2_key))
    report = load_checkpoint(target, path, strict=False)
    assert report.left == ("predictions/kernel", "predictions/bias")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(target.get_layer("predictions").kernel), head
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(target.get_layer("conv5_block3_3_bn").gamma),
        keras.ops.convert_to_numpy(source.get_layer("conv5_block3_3_bn").gamma),
    )


def test_a_wrapper_prefix_is_seen_through(pair, tmp_path):
    source, target = pair
    arrays = names.named_arrays(source, names.pyslowfast_key)
    np.savez(tmp_path / "a.npz", **{f"module.{key}": v for key, v in arrays.items()})
    load_checkpoint(target, tmp_path / "a.npz")
    assert_same_weights(target, source)


def test_unknown_names(small_network, tmp_path):
    np.savez(tmp_path / "a.npz", something=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"none of the known .*'something'"):
        load_checkpoint(small_network(), tmp_path / "a.npz")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_layers_with_lora_take_the_file_alone(pair, tmp_path, rng, ending):
    source, target = pair
    target = keras.models.clone_model(target)  # other tests use the network, too
    path = tmp_path / f"file{ending}"
    (source.save_weights if ending == ".weights.h5" else source.save)(path)
    (block,) = (layer for layer in target.layers if layer.name.endswith("_nl"))
    for layer in (block.theta, block.out):
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(rng.normal(size=layer.lora_kernel_b.shape))
    report = load_checkpoint(target, path)
    assert len(report.loaded) == len(source.weights)
    assert report.left == ()
    clip = np.float32(rng.normal(size=(1, *target.input_shape[1:])))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(target(clip)),
        keras.ops.convert_to_numpy(source(clip)),
        rtol=1e-5,
    )


def test_quantized_layers_are_neither_filled_nor_read(pair, tmp_path):
    source, target = pair
    source = keras.models.clone_model(source)  # other tests use the network, too
    source.save_weights(tmp_path / "plain.weights.h5")
    source.quantize("int8", filters="^(theta|phi|g|out)$")
    before = [keras.ops.convert_to_numpy(weight) for weight in source.weights]
    with pytest.raises(ValueError, match=r"must not be quantized.*theta/"):
        load_checkpoint(source, tmp_path / "plain.weights.h5", strict=False)
    for weight, value in zip(source.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    source.save_weights(tmp_path / "int8.weights.h5")
    kernel = next(w for w in target.weights if w.path.endswith("theta/kernel"))
    value = keras.ops.convert_to_numpy(kernel)
    report = load_checkpoint(target, tmp_path / "int8.weights.h5", strict=False)
    assert any("the int8 values of a quantized layer" in x for x in report.skipped)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), value)
