"""ONNX and LiteRT files, run by their own runtimes."""

import sys

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import export_model
from keras_nonlocal.export.portable import _custom_onnx_operations
from keras_nonlocal.export.portable_layers import SeparatePooling, with_portable_layers
from tests.export.clip_models import (
    published_network,
    random_clips,
    scores_of,
    small_network,
)

CLIP = (4, 32, 32, 3)
OPEN = (None, None, None, 3)


def run_onnx(folder, clips):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert [node.name for node in session.get_inputs()] == ["clips"]
    assert session.get_inputs()[0].type == "tensor(uint8)"
    return session.run(["scores"], {"clips": clips})[0]


def run_litert(folder, clips):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(
        str(folder / "model.tflite")
    ).get_signature_runner()
    return runner(clips=clips)["scores"]


RUNTIMES = {"onnx": ("tf2onnx", run_onnx), "litert": ("ai_edge_litert", run_litert)}


@pytest.mark.parity
@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (published_network, (2, *CLIP)),
        (small_network, (3, *CLIP)),
        (lambda: small_network(mode="concatenation", pool_size=2), (2, *CLIP)),
        (lambda: small_network(route="chunked"), (3, *CLIP)),
        (lambda: small_network(input_shape=OPEN), (2, 5, 40, 44, 3)),
        (
            lambda: small_network(input_shape=OPEN, mode="dot_product"),
            (1, 3, 36, 32, 3),
        ),
    ],
    ids=["published", "small", "concatenation", "chunks", "open", "open dot product"],
)
def test_other_runtimes_give_the_same_scores(format, build, shape, tmp_path):
    converter, run = RUNTIMES[format]
    pytest.importorskip(converter)
    model = build()
    names = [f"class {i}" for i in range(model.output_shape[1])]
    folder = export_model(model, tmp_path, format=format, class_names=names)
    assert folder == tmp_path / "1"
    clips = random_clips(*shape)
    expected = scores_of(model, clips)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(run(folder, clips), expected, atol=1e-5)
    assert (folder / "labels.txt").read_text().splitlines() == names


def in_half_precision(policy, build, **arguments):
    keras.config.set_dtype_policy(policy)
    try:
        return build(**arguments)
    finally:
        keras.config.set_dtype_policy("float32")


def test_all_kinds_of_policies_become_float32():
    from keras_nonlocal.export.portable_layers import _in_float32

    for policy in (
        keras.DTypePolicy("mixed_bfloat16"),
        keras.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16"),
        keras.dtype_policies.DTypePolicyMap(
            "mixed_float16", {"a/b": keras.DTypePolicy("bfloat16")}
        ),
    ):
        config = {"dtype": keras.dtype_policies.serialize(policy), "name": "bfloat16"}
        found = _in_float32(config)
        assert found["name"] == "bfloat16"
        restored = keras.dtype_policies.deserialize(found["dtype"])
        kinds = [restored, *getattr(restored, "values", list)()]
        assert type(restored) is type(policy)
        assert all(kind.compute_dtype == "float32" for kind in kinds)
    assert _in_float32({"dtype": "float16"}) == {"dtype": "float32"}


def nested_network():
    """A network within another one."""
    inner = small_network(activation=None)
    inputs = keras.Input(CLIP)
    outputs = keras.layers.Dense(3, activation="softmax")(inner(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.parity
@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize(
    ("policy", "build"),
    [
        ("mixed_bfloat16", published_network),
        ("mixed_float16", small_network),
        ("mixed_bfloat16", nested_network),
    ],
)
def test_what_was_trained_in_half_precision_is_written_in_float32(
    format, policy, build, tmp_path
):
    converter, run = RUNTIMES[format]
    pytest.importorskip(converter)
    model = in_half_precision(policy, build)
    same = build()
    same.set_weights(model.get_weights())
    folder = export_model(model, tmp_path, format=format)
    clips = random_clips(2, *CLIP)
    expected = scores_of(same, clips)
    np.testing.assert_allclose(run(folder, clips), expected, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shape", [(2, 4, 6, 7, 3), (1, 5, 9, 8, 2)])
@pytest.mark.parametrize(
    ("pool_size", "strides"),
    [((1, 3, 3), (1, 2, 2)), ((2, 1, 1), (2, 1, 1)), ((3, 3, 2), (2, 2, 1))],
)
def test_separate_pooling_is_pooling(padding, shape, pool_size, strides):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = keras.layers.MaxPooling3D(pool_size, strides, padding)(x)
    found = SeparatePooling(pool_size, strides, padding)(x)
    np.testing.assert_array_equal(found, expected)


def test_what_the_runtimes_lack_is_replaced_and_nothing_else():
    inputs = keras.Input((4, None, 8, 3))
    x = keras.layers.MaxPooling3D(2, name="pool")(inputs)
    x = keras.layers.Conv3D(4, 1, name="convolution")(x)
    outputs = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, outputs)
    copies = {name: with_portable_layers(model, name) for name in ("onnx", "litert")}
    assert isinstance(copies["litert"].get_layer("pool"), SeparatePooling)
    assert isinstance(copies["onnx"].get_layer("pool"), keras.layers.MaxPooling3D)
    x = random_clips(2, 4, 6, 8, 3).astype("float32")
    for copy in copies.values():
        assert copy.get_layer("convolution") is not model.get_layer("convolution")
        np.testing.assert_allclose(copy(x), model(x), rtol=1e-5)


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top", 5),
        ("crop_size", 32),
        ("short_side", 40),
        ("num_crops", 1),
        ("warm_up", False),
    ],
)
def test_what_has_no_effect_is_refused(format, name, value, tmp_path):
    message = f"^`{name}` .* Received: {name}={value} with format='{format}'$"
    with pytest.raises(ValueError, match=message):
        export_model(small_network(), tmp_path, format=format, **{name: value})
    assert not [*tmp_path.iterdir()]


def test_a_missing_converter_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match="`pip install tf2onnx`"):
        export_model(small_network(), tmp_path, format="onnx")
    assert not [*tmp_path.iterdir()]


def test_blocks_of_open_size_get_a_route_that_converts():
    networks = (
        small_network(),
        small_network(memory_limit=1),
        small_network(input_shape=OPEN),
        small_network(mode="dot_product"),
    )
    routes = [
        next(
            layer.route
            for layer in with_portable_layers(model, "onnx").layers
            if hasattr(layer, "route")
        )
        for model in networks
    ]
    assert routes == ["naive", "chunked", "naive", "auto"]


@pytest.mark.parity
def test_operations_that_need_flex_are_said(tmp_path, caplog):
    pytest.importorskip("ai_edge_litert")
    inputs = keras.Input((4, 8, 8, 3))
    x = keras.layers.Conv3D(4, (1, 3, 3), padding="same")(inputs)
    pooled = keras.layers.AveragePooling3D(2)(x)
    for features, needed in ((x, []), (pooled, ["AvgPool3D"])):
        scores = keras.layers.Dense(2)(keras.layers.Flatten()(features))
        model = keras.Model(inputs, scores)
        caplog.clear()
        with caplog.at_level("WARNING", "keras_nonlocal"):
            export_model(model, tmp_path, "litert")
        messages = [
            r.getMessage() for r in caplog.records if r.name == "keras_nonlocal"
        ]
        assert messages == [
            "model.tflite needs the Flex delegate (LiteRT with select TensorFlow "
            f"operations) for {name}"
            for name in needed
        ]


def test_custom_operations_of_onnx_are_said(tmp_path, caplog):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Widget", ["x"], ["y"], domain="acme")
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in "xy"
    ]
    branch = onnx.helper.make_graph([node], "branch", [], values[1:])
    outer = onnx.helper.make_node(
        "If", ["c"], ["y"], then_branch=branch, else_branch=branch
    )
    graph = onnx.helper.make_graph([outer], "graph", values[:1], values[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    assert _custom_onnx_operations(tmp_path / "model.onnx") == ["acme.Widget"]


def test_one_name_for_every_format(tmp_path):
    message = (
        r"writes SavedModels; .*`keras_nonlocal.export_model\(model, path, 'onnx'\)"
    )
    with pytest.raises(ValueError, match=message):
        keras_nonlocal.export_saved_model(small_network(), tmp_path, format="onnx")
    with pytest.raises(ValueError, match="Received: format='h5'"):
        export_model(small_network(), tmp_path, "h5")
    with pytest.raises(ValueError, match="`path` must be a local path"):
        export_model(small_network(), "gs://bucket/model", "litert")
    assert not [*tmp_path.iterdir()]
    folder = export_model(small_network(), tmp_path, top=2, version=7)
    assert (folder / "saved_model.pb").exists()
    assert folder == tmp_path / "7"
