"""What importing the package does, and what it leaves alone."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import keras_nonlocal

PACKAGE = Path(keras_nonlocal.__file__).parent


def run_python(code: str, *arguments: str) -> str:
    """Runs `code` in a fresh interpreter and returns what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_import_loads_no_backend_and_no_decoder():
    loaded = json.loads(
        run_python(
            "import json, sys, keras_nonlocal; print(json.dumps(list(sys.modules)))"
        )
    )
    heavy = {"tensorflow", "keras", "jax", "torch", "av", "numpy"}
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize(
    "imports",
    [
        "import keras, keras_nonlocal",
        pytest.param("import keras_nonlocal, keras", marks=pytest.mark.slow),
    ],
)
def test_saved_models_load_whatever_is_imported_first(imports, tmp_path):
    import keras

    path = tmp_path / "model.keras"
    inputs = keras.Input((4, 6, 6, 4))
    outputs = keras_nonlocal.layers.NonLocalBlock()(inputs)
    keras.Model(inputs, outputs).save(path)
    code = (
        f"import sys; {imports}\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "print(type(model.layers[-1]).__name__)"
    )
    assert run_python(code, str(path)).split()[-1] == "NonLocalBlock"
    flip = keras.layers.RandomFlip("horizontal")
    augment = keras_nonlocal.data.AugmentClips(flip, "channels")
    keras.Model(inputs, augment(inputs)).save(path)
    assert run_python(code, str(path)).split()[-1] == "AugmentClips"


@pytest.mark.slow
def test_onednn_is_asked_for_before_tensorflow_is_imported():
    code = """
import os
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
import keras_nonlocal
print("TF_ENABLE_ONEDNN_OPTS" in os.environ)
keras_nonlocal.enable_onednn()
import tensorflow
keras_nonlocal.enable_onednn()
print(os.environ["TF_ENABLE_ONEDNN_OPTS"])
"""
    assert run_python(code).split() == ["False", "1"]


def test_onednn_cannot_be_asked_for_later(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    with pytest.raises(RuntimeError, match="Received: TF_ENABLE_ONEDNN_OPTS='0'"):
        keras_nonlocal.enable_onednn()


def test_every_public_name_resolves():
    for name in keras_nonlocal.__all__:
        assert getattr(keras_nonlocal, name) is not None
    assert set(keras_nonlocal.__all__) <= set(dir(keras_nonlocal))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'ResNet51C2D'"):
        keras_nonlocal.ResNet51C2D  # noqa: B018


def test_type_checkers_see_the_public_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(keras_nonlocal.__all__) - {"__version__"}


# Room -> what it may import from the package.
ARROWS = {
    "_version": set(),
    "_registration": set(),
    "onednn": set(),
    "architectures": set(),
    "kernels": set(),
    "layers": {"kernels"},
    "weights": {"architectures", "layers"},
    "replicas": set(),
    "models": {"architectures", "layers", "replicas", "weights"},
    "data": set(),
    "training": {"architectures", "layers", "data", "models", "replicas"},
    "inference": {"data", "models", "training"},
    "export": {"data", "layers", "models"},
    "visualize": {"data", "layers", "models"},
    "cli": {
        "architectures",
        "data",
        "export",
        "inference",
        "models",
        "training",
        "visualize",
        "weights",
    },
    "__main__": {"cli"},
}
TENSORFLOW_ROOMS = {"data", "export", "kernels", "replicas", "training", "visualize"}


def imports_of(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            modules.add(node.module)
    return modules


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = [path for path in PACKAGE.rglob("*.py") if room_of(path) != "__init__"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path):
    room = room_of(path)
    imported = imports_of(path)
    inside = {m.split(".")[1] for m in imported if m.startswith("keras_nonlocal.")}
    assert inside <= ARROWS[room] | {room}
    if room not in TENSORFLOW_ROOMS:
        assert {m.split(".")[0] for m in imported}.isdisjoint({"tensorflow", "av"})
    assert not any(m.startswith("keras.src") for m in imported)


def test_modules_import_alone():
    for path in SOURCES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        importlib.import_module(".".join(("keras_nonlocal", *parts)))
