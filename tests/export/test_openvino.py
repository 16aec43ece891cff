"""OpenVINO files, run by OpenVINO."""

import sys

import keras
import numpy as np
import pytest

from keras_nonlocal import export_model
from keras_nonlocal.export.portable_layers import ConvolvedBlock, with_portable_layers
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models import ClipInfo
from tests.export.clip_models import published_network, scores_of, small_network

CLIP = (4, 32, 32, 3)
OPEN = (None, None, None, 3)
MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
# float32 sums of a few hundred terms, whose results are scores up to 1.
ROUNDING = 1e-5


def clips_of(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def run_openvino(folder, clips):
    """Scores clips as a program without this package does."""
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(folder / "model.xml")
    assert [port.get_names() for port in model.inputs] == [{"clips"}]
    assert [port.get_names() for port in model.outputs] == [{"scores"}]
    assert model.input().get_element_type() == openvino.Type.u8
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(model, "CPU", settings)(clips)["scores"]


@pytest.mark.parity
@pytest.mark.parametrize(
    "arguments",
    [
        *({"mode": mode} for mode in MODES),
        *({"mode": mode, "input_shape": OPEN, "pool_size": 2} for mode in MODES),
        {"mode": "concatenation", "route": "sorted", "pool_size": 2},
        {"scope": "space", "pool_size": 2},
        {"scope": "time"},
        {"temporal_group_size": 2, "pool_size": (2, 1, 2)},
        {"normalization": "frozen_batch", "use_bias": False},
    ],
    ids=lambda arguments: " ".join(map(str, arguments.values())),
)
def test_scores_are_those_of_the_model(arguments, tmp_path, rng):
    pytest.importorskip("openvino")
    model = small_network(**arguments)
    folder = export_model(model, tmp_path, "openvino")
    sizes = (6, 40, 44) if "input_shape" in arguments else CLIP[:3]
    for batch in (1, 3):
        clips = clips_of(rng, batch, *sizes, 3)
        expected = scores_of(model, clips)
        found = run_openvino(folder, clips)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parity
@pytest.mark.parametrize("fold_batch_norm", [True, False])
def test_the_published_network_gives_the_same_scores(fold_batch_norm, tmp_path, rng):
    pytest.importorskip("openvino")
    model = published_network()
    names = [f"class {i}" for i in range(6)]
    folder = export_model(
        model,
        tmp_path,
        "openvino",
        class_names=names,
        fold_batch_norm=fold_batch_norm,
    )
    assert folder == tmp_path / "1"
    assert {file.name for file in folder.iterdir()} == {
        "model.xml",
        "model.bin",
        "labels.txt",
    }
    assert (folder / "labels.txt").read_text().splitlines() == names
    clips = clips_of(rng, 3, *CLIP)
    expected = scores_of(model, clips)
    assert np.ptp(expected) > 0.01
    found = run_openvino(folder, clips)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2},
        {"scope": "time", "use_bias": False},
        {"scope": "space", "pool_size": (1, 2, 3), "intermediate_channels": 3},
        {"temporal_group_size": 2, "normalization": None},
    ],
)
def test_projections_as_convolutions_change_nothing(mode, arguments, rng):
    x = rng.normal(size=(2, 4, 6, 7, 8)).astype("float32")
    block = NonLocalBlock(
        mode=mode, out_kernel_initializer="glorot_uniform", **arguments
    )
    expected = block(x)
    convolved = ConvolvedBlock.from_config(block.get_config())
    convolved.build(x.shape)
    convolved.set_weights(block.get_weights())
    np.testing.assert_allclose(convolved(x), expected, rtol=1e-5, atol=1e-5)
    mask = rng.integers(0, 2, (2, 4)) > 0
    np.testing.assert_allclose(
        convolved(x, mask=mask), block(x, mask=mask), rtol=1e-5, atol=1e-5
    )


def test_blocks_with_quantized_projections_stay(rng):
    model = small_network()
    model.quantize("int8", filters="^(theta|phi|g|out)$")
    copy = with_portable_layers(model, "openvino")
    blocks = [each for each in copy.layers if isinstance(each, NonLocalBlock)]
    assert [type(block) for block in blocks] == [NonLocalBlock]
    clips = rng.normal(size=(2, *CLIP)).astype("float32")
    np.testing.assert_allclose(copy(clips), model(clips), rtol=0, atol=ROUNDING)


@pytest.mark.parity
@pytest.mark.parametrize("as_dataset", [False, True])
def test_int8_is_near_the_model(as_dataset, tmp_path, rng):
    pytest.importorskip("nncf")
    model = small_network()
    clips = clips_of(rng, 12, *CLIP)
    calibration = clips
    if as_dataset:
        calibration = ((clips[i : i + 4], np.zeros(4)) for i in (0, 4, 8))
    folders = [
        export_model(model, tmp_path, "openvino"),
        export_model(model, tmp_path, "openvino", calibration_clips=calibration),
    ]
    whole, small = ((f / "model.bin").stat().st_size for f in folders)
    assert small < whole
    expected = scores_of(model, clips)
    difference = np.abs(run_openvino(folders[1], clips) - expected)
    # More than rounding to float32. A step of 1/255 of each range stays far below half
    # the range of the scores, which a wrong range of an activation does not.
    assert difference.max() > ROUNDING
    assert difference.mean() < 0.1 * np.ptp(expected)


@pytest.mark.parametrize(
    ("clips", "received"),
    [
        (np.zeros((2, *CLIP), "float32"), "and type float32"),
        (np.zeros((2, 4, 16, 32, 3), "uint8"), r"of shape \(2, 4, 16, 32, 3\)"),
        (np.zeros(CLIP, "uint8"), r"of shape \(4, 32, 32, 3\)"),
        (np.zeros((0, *CLIP), "uint8"), "Received: none"),
        ([], "Received: none"),
    ],
)
def test_other_calibration_clips_are_refused(clips, received, tmp_path):
    pytest.importorskip("nncf")
    with pytest.raises(ValueError, match=f"^`calibration_clips` .*{received}"):
        export_model(small_network(), tmp_path, "openvino", calibration_clips=clips)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
def test_other_formats_are_not_quantized(format, tmp_path):
    clips = np.zeros((1, *CLIP), "uint8")
    with pytest.raises(ValueError, match=r"^`calibration_clips` has an effect"):
        export_model(small_network(), tmp_path, format, calibration_clips=clips)


@pytest.mark.parametrize("package", ["openvino", "nncf"])
def test_missing_packages_are_named(package, tmp_path, monkeypatch):
    if package == "nncf":
        pytest.importorskip("openvino")
    monkeypatch.setitem(sys.modules, package, None)
    clips = np.zeros((1, *CLIP), "uint8")
    with pytest.raises(ImportError, match=r"`pip install keras_nonlocal\[openvino\]`"):
        export_model(small_network(), tmp_path, "openvino", calibration_clips=clips)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parity
def test_mixed_precision_is_exported(tmp_path, rng):
    pytest.importorskip("openvino")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_network()
    finally:
        keras.config.set_dtype_policy("float32")
    model.clip_info = ClipInfo(frame_stride=2)
    folder = export_model(model, tmp_path, "openvino")
    clips = clips_of(rng, 2, *CLIP)
    found = run_openvino(folder, clips)
    same = small_network()
    same.set_weights(model.get_weights())
    np.testing.assert_allclose(found, scores_of(same, clips), rtol=0, atol=1e-5)
