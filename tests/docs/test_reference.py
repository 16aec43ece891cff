"""Every public name has a docstring, which the API reference shows."""

import ast
from pathlib import Path

import pytest

import keras_nonlocal
from keras_nonlocal._surface import PACKAGE, public_names, rooms

ROOT = Path(keras_nonlocal.__file__).parent.parent


def statements(module):
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text("utf-8")).body


def docstring(name, module):
    """Returns the docstring of a function, a class or a constant."""
    body = statements(module)
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if getattr(statement, "name", None) == name:
            text = ast.get_docstring(statement)
            if text:
                return text
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if any(getattr(target, "id", None) == name for target in targets):
            value = getattr(following, "value", None)
            return getattr(value, "value", None) if value else None
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == name and statement.module:
                    return docstring(alias.name, statement.module)
    return None


@pytest.mark.parametrize("room", rooms())
def test_public_names_have_docstrings(room):
    names = public_names(f"{PACKAGE}.{room}")
    missing = [name for name, module in names.items() if not docstring(name, module)]
    assert missing == []


def test_a_missing_docstring_is_noticed():
    assert docstring("_RELATIVE", "keras_nonlocal.weights.presets") is None
    assert docstring("PAPER", "keras_nonlocal.detection.recipes") is None
    assert docstring("RECIPES", "keras_nonlocal.detection.recipes").startswith("The")
