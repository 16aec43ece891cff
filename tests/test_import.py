"""What importing the package does, and what it leaves alone."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import keras_nonlocal
from keras_nonlocal._keras_free import needs_keras
from keras_nonlocal._registration import _REGISTERING_MODULES
from keras_nonlocal._surface import public_names, rooms

PACKAGE = Path(keras_nonlocal.__file__).parent
REGISTERED = [f"keras_nonlocal>{name}" for name in ("NonLocalBlock", "RegionModel")]


def thoroughly(*cases):
    """Cases like others, which the main job leaves out."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.thorough
        )
        for case in cases
    ]


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """Runs `code` in a fresh interpreter and returns what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
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
        pytest.param(
            "import importlib.util, keras_nonlocal;"
            "importlib.util.find_spec('keras'); import keras",
            marks=[pytest.mark.slow, pytest.mark.thorough],
        ),
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
@pytest.mark.parametrize(
    "name",
    [
        "detection.RegionModel",
        *thoroughly(
            "layers.FrozenBatchNormalization",
            "layers.FusedBatchNormalization",
            "layers.NonLocalBlock",
            "layers.PixelPreprocessing",
        ),
        "training.gradient_l2",
    ],
)
def test_a_public_name_may_be_the_first_import_of_all(name):
    room, _, name = name.rpartition(".")
    code = f"""
import os
os.environ["KERAS_BACKEND"] = "numpy"  # the quickest
from keras_nonlocal.{room} import {name}
import keras
print(all(map(keras.saving.get_registered_object, {REGISTERED})))
"""
    assert run_python(code) == "True\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [*thoroughly("detection.boxes", "layers.non_local_block"), "replicas.model"],
)
def test_a_module_may_be_the_first_import_of_all(module):
    code = f"""
import keras_nonlocal.{module}
import keras
print(all(map(keras.saving.get_registered_object, {REGISTERED})))
"""
    assert run_python(code, KERAS_BACKEND="numpy") == "True\n"


# A thread imports Keras. When it comes to a certain module, another one runs some code
# and gets far enough to wait for Keras, if it ever does.
TWO_THREADS = """
import importlib.abc, json, sys, threading, keras_nonlocal
moment, code = sys.argv[1:]
errors = []
def run():
    try:
        exec(code)
    except BaseException as error:
        errors.append(repr(error))
other = threading.Thread(target=run)
class Moment(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname == moment and other.ident is None:
            other.start()
            other.join(0.2)
sys.meta_path.insert(0, Moment())
def registered():
    objects = keras.saving.get_custom_objects()
    return sorted(name for name in objects if name.startswith("keras_nonlocal>"))
import keras
at_once = registered()
other.join()
for thread in threading.enumerate():
    if thread.name == "keras_nonlocal registration":
        thread.join()
print(json.dumps([errors, at_once, registered()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "moment", "code"),
    [
        *thoroughly(
            ("jax", "keras.activations", "keras_nonlocal.layers.NonLocalBlock"),
            ("jax", "keras.saving", "import keras_nonlocal.layers.non_local_block"),
        ),
        ("jax", "keras_nonlocal.layers.operation", "keras_nonlocal.models.NLResNet"),
        ("tensorflow", "keras.activations", "keras_nonlocal.models.NLResNet"),
        ("tensorflow", "keras.saving", "import keras_nonlocal.detection.region_model"),
    ],
)
def test_threads_may_import_keras_and_this_package_together(backend, moment, code):
    pytest.importorskip(backend)
    import keras

    expected = sorted(
        name
        for name in keras.saving.get_custom_objects()
        if name.startswith("keras_nonlocal>")
    )
    printed = run_python(TWO_THREADS, moment, code, KERAS_BACKEND=backend)
    errors, at_once, later = json.loads(printed.splitlines()[-1])
    assert errors == []
    assert later == expected
    # Python has the module of an `import` statement wait for Keras in its middle.
    if not code.startswith("import"):
        assert at_once == expected


@pytest.mark.slow
def test_import_of_keras_succeeds_and_a_failed_registration_is_reported():
    code = """
import sys, threading, keras_nonlocal
sys.modules["keras_nonlocal.metrics.mean_average_precision"] = None
threading.excepthook = lambda failed: print(failed.thread.name, failed.exc_value)
import keras
"""
    printed = run_python(code, KERAS_BACKEND="numpy")
    assert printed.startswith("keras_nonlocal registration import of")
    assert "keras_nonlocal.metrics.mean_average_precision halted" in printed


def test_the_modules_that_need_keras_are_known():
    code = """
import importlib, sys, keras_nonlocal
sys.modules["keras"] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name == "keras", error
        print(name)
"""
    modules = {module for room in ROOMS for module in public_names(room).values()}
    modules |= set(ROOMS) - {"keras_nonlocal"}
    printed = run_python(code, *sorted(modules))
    assert set(printed.split()) == set(filter(needs_keras, modules))


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


ROOMS = ("keras_nonlocal", *(f"keras_nonlocal.{room}" for room in rooms()))


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_resolves_and_nothing_else_is_shown(room):
    module = importlib.import_module(room)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert dir(module) == sorted(module.__all__)
    submodules = {path.stem for path in Path(module.__file__).parent.iterdir()}
    if room != "keras_nonlocal":
        # A function would hide the module of its name, or the module the function.
        assert submodules.isdisjoint(module.__all__)


def test_rooms_are_there_without_having_been_imported():
    code = (
        "import keras_nonlocal\n"
        "from keras_nonlocal import visualize\n"
        "print(dir(keras_nonlocal.data) == sorted(keras_nonlocal.data.__all__))\n"
        "print(keras_nonlocal.inference.VideoEvaluation.__name__)\n"
        "print(visualize.Attention.__name__, keras_nonlocal.metrics.__name__)"
    )
    assert run_python(code).split() == [
        "True",
        "VideoEvaluation",
        "Attention",
        "keras_nonlocal.metrics",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [*thoroughly("detection.Anchors", "detection.RECIPES"), "training.ReplicatedModel"],
)
def test_names_can_be_the_first_that_imports_keras(name):
    code = f"import sys, keras_nonlocal; keras_nonlocal.{name}"
    run_python(f"{code}; assert 'keras' in sys.modules")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'ResNet51C2D'"):
        keras_nonlocal.ResNet51C2D  # noqa: B018
    with pytest.raises(AttributeError, match=r"keras_nonlocal\.data' has no"):
        keras_nonlocal.data.importlib  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_type_checkers_see_the_public_names(room):
    path = PACKAGE.parent.joinpath(*room.split("."), "__init__.py")
    (guarded,) = (
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If)
    )
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in guarded.body
        for alias in node.names
    }
    expected = {name: f"{module}.{name}" for name, module in public_names(room).items()}
    if room == "keras_nonlocal":
        expected |= {name: f"keras_nonlocal.{name}" for name in rooms()}
    assert seen == expected


def test_types_that_users_get_back_are_public():
    public = {
        id(getattr(importlib.import_module(room), name))
        for room in ROOMS
        for name in public_names(room)
    }
    for room in ROOMS:
        for name in public_names(room):
            value = getattr(importlib.import_module(room), name)
            if not inspect.isfunction(value):
                continue
            for found in classes_in(typing.get_type_hints(value).get("return")):
                assert id(found) in public, f"{name} returns {found}"


def classes_in(hint):
    """The classes of this package in a type hint."""
    if isinstance(hint, type) and hint.__module__.startswith("keras_nonlocal"):
        yield hint
    for part in typing.get_args(hint):
        yield from classes_in(part)


def test_registered_classes_are_registered_with_the_package():
    registering = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if "keras.saving.register_keras_serializable(" in path.read_text()
    }
    assert registering == set(_REGISTERING_MODULES)


def documented_arrows() -> dict[str, set[str]]:
    """Room → what CONTRIBUTING's table lets it import."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("| room |")[2].partition("\n\n")[0]
    arrows = {}
    for row in table.splitlines()[2:]:
        room, _, imports = (cell.strip() for cell in row.strip("|").split("|"))
        name = room.strip("`").removesuffix("/").removesuffix(".py")
        arrows[name] = set(re.findall(r"`(\w+)`", imports))
    return arrows


# These hold the package together.
UNDOCUMENTED = {
    "__init__": {"_registration", "_version"},
    "__main__": {"cli"},
    "_keras_free": {"_surface"},
    "_lazy": {"_keras_free", "_surface"},
    "_registration": {"import_hooks"},
    "_surface": set(),
    "_version": set(),
}
ARROWS = documented_arrows() | UNDOCUMENTED
TENSORFLOW_ROOMS = {
    "data",
    "export",
    "layers/kernels",
    "metrics",
    "optional_packages",
    "python_calls",
    "replicas",
    "runs",
    "training",
    "visualize",
}


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports when it is used, not for its annotations alone."""
    modules = set()
    waiting = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        # What a room shows to type checkers is what it imports lazily. Elsewhere, an
        # annotation is an arrow like any other.
        if path.name == "__init__.py" and is_for_type_checkers(node):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "keras_nonlocal":
            offered = public_names("keras_nonlocal")
            modules |= {
                offered.get(alias.name, f"keras_nonlocal.{alias.name}")
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            modules.add(node.module)
        waiting += ast.iter_child_nodes(node)
    return modules


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = sorted(PACKAGE.rglob("*.py"))


def arrows_of(path: Path) -> set[str]:
    """Rooms that a file imports, apart from its own."""
    inside = {
        module.split(".")[1]
        for module in imports_of(path)
        if module.startswith("keras_nonlocal.")
    }
    return inside - {room_of(path)} - ({"_lazy"} if is_face(path) else set())


def is_face(path: Path) -> bool:
    """Whether a file offers the public names of a room."""
    return path.name == "__init__.py" and path.parent.name in (*rooms(), PACKAGE.name)


def test_the_table_has_every_room_and_no_other():
    found = {room_of(path) for path in SOURCES}
    assert found == set(ARROWS)


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_imports_follow_the_arrows_and_use_all_of_them(room):
    files = [path for path in SOURCES if room_of(path) == room]
    for path in files:
        assert arrows_of(path) <= ARROWS[room], path.relative_to(PACKAGE)
    used = set().union(*map(arrows_of, files))
    assert used == ARROWS[room], "an arrow that no code uses"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_in_their_rooms_alone(path):
    imported = imports_of(path)
    folder = str(path.parent.relative_to(PACKAGE))
    if not {room_of(path), folder} & TENSORFLOW_ROOMS:
        assert {m.split(".")[0] for m in imported}.isdisjoint({"tensorflow", "av"})
    assert not any(m.startswith("keras.src") for m in imported)


def test_modules_import_alone():
    for path in SOURCES:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
