"""Mixed precision keeps the training on its way."""

import importlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_nonlocal import processors
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.training import nesterov_sgd, precision_policy


@pytest.fixture
def restored_policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def losses(precision, num_steps=6):
    keras.config.set_dtype_policy(precision_policy(precision))
    keras.utils.set_random_seed(3)
    # Without the max poolings, which TensorFlow has not in float16 on CPUs.
    model = keras.Sequential(
        [
            keras.Input((4, 8, 8, 3)),
            keras.layers.Conv3D(8, 3, strides=2, activation="relu", name="conv"),
            NonLocalBlock(pool_size=None),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )
    model.compile(
        nesterov_sgd(0.05), "sparse_categorical_crossentropy", jit_compile=False
    )
    rng = np.random.default_rng(4)
    clips = rng.normal(size=(4, 4, 8, 8, 3)).astype("float32")
    labels = np.array([0, 1, 0, 1])
    return model, [float(model.train_on_batch(clips, labels)) for _ in range(num_steps)]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_like_float32(restored_policy, precision):
    _, expected = losses("float32")
    model, own = losses(precision)
    assert expected[-1] < 0.8 * expected[0]
    np.testing.assert_allclose(own, expected, atol=0.05)
    assert {str(v.dtype) for v in model.trainable_weights} == {"float32"}
    assert model.get_layer("conv").compute_dtype == precision
    scales = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scales == (precision == "float16")


def test_a_step_that_overflows_is_left_out_and_halves_the_scale(restored_policy):
    model, _ = losses("float16", num_steps=1)
    before = model.get_weights()
    scale = float(model.optimizer.dynamic_scale)
    trainable = [v.path for v in model.trainable_weights]
    clips = np.full((4, 4, 8, 8, 3), np.inf, "float32")
    model.train_on_batch(clips, np.array([0, 1, 0, 1]))
    for variable, value in zip(model.weights, before, strict=True):
        if variable.path in trainable:
            own = keras.ops.convert_to_numpy(variable)
            np.testing.assert_array_equal(own, value, variable.path)
    assert float(model.optimizer.dynamic_scale) == scale / 2


@pytest.mark.parametrize(
    ("flags", "one_dnn", "expected"),
    [
        ("fpu sse avx512_bf16 avx2", "1", "bfloat16"),
        ("fpu amx_bf16", None, "bfloat16"),
        ("fpu amx_bf16", "0", "float32"),
        ("fpu amx_bf16", "False", "float32"),
        ("fpu avx512f avx2", "1", "float32"),
        (None, "1", "float32"),
    ],
)
def test_precision_is_that_of_the_processor(
    flags, one_dnn, expected, tmp_path, monkeypatch
):
    if has_accelerator():
        pytest.skip("the processor does not train")
    file = tmp_path / "cpuinfo"
    if flags is not None:
        file.write_text(f"processor\t: 0\nbugs\t\t: amx_bf16\nflags\t\t: {flags}\n")
    monkeypatch.setattr(processors, "_PROCESSORS", str(file))
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if one_dnn is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", one_dnn)
    if keras.backend.backend() != "tensorflow":
        expected = "float32"
    assert precision_policy("auto").compute_dtype == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (["8.0"], "bfloat16"),
        (["12.0", "9.0"], "bfloat16"),
        (["8.9", "7.5"], "float32"),
        ([""], "float32"),
        (["gfx90a"], "float32"),
    ],
)
def test_precision_is_that_of_the_gpus(capabilities, expected, monkeypatch):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        config = importlib.import_module("tensorflow").config
        pairs = [
            tuple(map(int, each.split("."))) for each in capabilities if "." in each
        ]
        details = [{"compute_capability": pair} for pair in pairs] or [{}]
        monkeypatch.setattr(
            config,
            "get_visible_devices",
            lambda kind: [*range(len(details))] if kind == "GPU" else [],
        )
        monkeypatch.setattr(
            config.experimental, "get_device_details", details.__getitem__
        )
    elif backend == "jax":
        devices = [
            SimpleNamespace(platform="gpu", compute_capability=each or "0")
            for each in capabilities
        ]
        jax = importlib.import_module("jax")
        monkeypatch.setattr(jax, "local_devices", lambda: devices)
    else:
        pytest.skip("torch trains on one GPU")
    assert precision_policy("auto").compute_dtype == expected


def has_accelerator():
    return keras.distribution.list_devices("gpu") or keras.distribution.list_devices(
        "tpu"
    )


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="Received: precision='float8'"):
        precision_policy("float8")
