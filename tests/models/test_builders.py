"""The named builders as tools see them."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import models
from keras_nonlocal._surface import BUILDERS
from keras_nonlocal.layers import NonLocalBlock, NonLocalOptions

ROOT = Path(keras_nonlocal.__file__).parents[1]
SMALL = {"input_shape": (4, 32, 32, 3), "classes": 2, "width": 4}
KERAS_ORDER = [*inspect.signature(keras.applications.ResNet50).parameters]


def test_the_written_builders_are_current():
    path = ROOT / "scripts" / "write_builders.py"
    spec = importlib.util.spec_from_file_location("write_builders", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert module.outdated() == []
    assert len(module.files()) == 6


@pytest.mark.parametrize("name", BUILDERS)
def test_signature_and_docstring_are_complete(name):
    builder = getattr(models, name)
    parameters = inspect.signature(builder).parameters
    first = [*parameters][2 if name == "NLResNet" else 0 :]
    assert first[: len(KERAS_ORDER)] == KERAS_ORDER
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert ("nonlocal_mode" in parameters) == name.startswith("NL")
    described = re.findall(r"^    (\w+): ", section(builder, "Args"), re.MULTILINE)
    assert described == [*parameters]
    for parameter in parameters.values():
        assert parameter.annotation is not parameter.empty
        if isinstance(parameter.default, (bool, int, float, str)):
            assert f"`{parameter.default!r}`".replace("'", '"') in entry(
                builder, parameter.name
            )
    for heading in ("Returns", "Raises", "Example", "References"):
        assert section(builder, heading)
    assert (builder.__name__, builder.__module__.split(".")[1]) == (name, "models")


def section(builder, heading):
    text = inspect.getdoc(builder)
    return re.search(rf"^{heading}:\n(.*?)(?=^\w|\Z)", text, re.S | re.M)[1]


def entry(builder, name):
    args = section(builder, "Args")
    return re.search(rf"^    {name}: (.*?)(?=^    \w|\Z)", args, re.S | re.M)[1]


def test_named_builders_are_what_their_names_say():
    for name in BUILDERS:
        match = re.fullmatch(r"(NL)?ResNet(\d+)(C2D|I3D)", name)
        if match is None or match[2] != "50":
            continue
        made = getattr(keras_nonlocal, name)(**SMALL)
        variant = match[3].lower()
        number = 5 if match[1] else 0
        same = keras_nonlocal.NLResNet(50, variant, nonlocal_blocks=number, **SMALL)
        assert made.name == same.name
        assert [x.name for x in made.layers[1:]] == [x.name for x in same.layers[1:]]
        assert [w.shape for w in made.weights] == [w.shape for w in same.weights]


def test_options_are_those_of_the_block():
    own = {"mode", "scope", "pool_size", "temporal_group_size", "data_format", "kwargs"}
    # Of the class itself, early versions of Python 3.11 tell those of `__new__`.
    _, *parameters = inspect.signature(NonLocalBlock.__init__).parameters
    assert {*NonLocalOptions.__annotations__} == {*parameters} - own


def test_options_reach_every_block(rng):
    options = {
        "intermediate_channels": int(rng.integers(1, 9)),
        "scale": False,
        "use_bias": False,
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.5, seed=3),
        "out_kernel_initializer": "ones",
        "normalization": None,
        "epsilon": 0.25,
        "route": "naive",
        "memory_limit": 2**20,
    }
    model = keras_nonlocal.NLResNet50C2D(
        nonlocal_options=options, nonlocal_blocks={"res4": (1, 3, 5)}, **SMALL
    )
    blocks = [x for x in model.layers if isinstance(x, NonLocalBlock)]
    assert len(blocks) == 3
    for block in blocks:
        assert block.norm is None
        assert not block.scale
        assert not block.use_bias
        assert (block.epsilon, block.route) == (0.25, "naive")
        assert block.memory_limit == 2**20
        assert block.g.kernel.shape[-1] == options["intermediate_channels"]
        assert np.all(keras.ops.convert_to_numpy(block.out.kernel) == 1)
    kernels = [keras.ops.convert_to_numpy(block.g.kernel) for block in blocks]
    assert not np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[1], kernels[2])
    image = keras_nonlocal.NLResNet50(
        input_shape=(32, 32, 3), classes=2, width=4, nonlocal_options={"scale": False}
    )
    assert not image.get_layer("conv4_block5_nl").scale


def test_the_network_decides_where_options_do_not():
    regularizer = keras.regularizers.L2(0.1)
    model = keras_nonlocal.NLResNet50C2D(
        normalization="frozen_batch", kernel_regularizer=regularizer, **SMALL
    )
    block = model.get_layer("conv4_block6_nl")
    assert (block.normalization, block.kernel_regularizer) == (
        "frozen_batch",
        regularizer,
    )


def test_unknown_options_and_arguments():
    message = r"nonlocal_options` must have keys.*with \('mode', 'sclae'\)"
    with pytest.raises(ValueError, match=message):
        keras_nonlocal.NLResNet50C2D(nonlocal_options={"sclae": 1, "mode": "gaussian"})
    message = r"must be a dictionary.*Received: nonlocal_options=5"
    with pytest.raises(TypeError, match=message):
        keras_nonlocal.NLResNet50C2D(nonlocal_options=5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonlocal_mode'"):
        keras_nonlocal.ResNet50C2D(nonlocal_mode="gaussian")


WRONG = {
    'keras_nonlocal.layers.NonLocalBlock(mode="embeded")': "arg-type",
    'keras_nonlocal.NLResNet50C2D(nonlocal_mode="embeded")': "arg-type",
    'keras_nonlocal.NLResNet101I3D(nonlocal_scope="spacetme")': "arg-type",
    'keras_nonlocal.ResNet50C2D(normalization="bacth")': "arg-type",
    'keras_nonlocal.NLResNet(50, "i4d")': "arg-type",
    'keras_nonlocal.NLResNet152(pooling="average")': "arg-type",
    'keras_nonlocal.NLResNet50I3D(stem_pool_padding="full")': "arg-type",
    'keras_nonlocal.NLResNet50C2D(nonlocal_options={"sclae": True})': "arg-type",
    "keras_nonlocal.NLResNet50C2D(widht=8)": "call-arg",
    "keras_nonlocal.ResNet50I3D(nonlocal_blocks=5)": "call-arg",
    "keras_nonlocal.NLResNet51C2D()": "attr-defined",
}
RIGHT = (
    'keras_nonlocal.layers.NonLocalBlock(mode="dot_product", scope="time")',
    'keras_nonlocal.NLResNet50C2D(True, None, nonlocal_blocks={"res4": (1,)})',
    'keras_nonlocal.NLResNet50(nonlocal_options={"scale": False, "route": "naive"})',
    'keras_nonlocal.NLResNet(101, "i3d_3x3x3", normalization="frozen_batch")',
    'keras_nonlocal.inference.predict_video(keras_nonlocal.ResNet50I3D(), "a.mp4")',
)


@pytest.mark.slow
def test_mypy_finds_misspelt_values_and_arguments(tmp_path):
    pytest.importorskip("mypy")
    snippet = tmp_path / "snippet.py"
    snippet.write_text("\n".join(["import keras_nonlocal", *RIGHT, *WRONG]))
    options = ("--no-error-summary", "--follow-imports=silent", "--config-file=")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--ignore-missing-imports", snippet],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    found = dict(re.findall(r"snippet\.py:(\d+): error: .*\[([\w-]+)\]", result.stdout))
    first = 2 + len(RIGHT)
    assert found == {str(first + i): code for i, code in enumerate(WRONG.values())}
