"""Steps that run around the first import of another package.

Keras and TensorFlow are imported on first use, often by the user's own `import`
statement. A hook runs at that moment and costs nothing before it.
"""

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Surround = Callable[[], AbstractContextManager[Any]]


def around_import(name: str, surround: Surround) -> None:
    """Runs the import of a package inside a context.

    Args:
        name: Name of a package that has not been imported yet.
        surround: Makes the context manager. It is entered before the code of the
            package runs and exited after it, even if the import fails.
    """
    sys.meta_path.insert(0, _Finder(name, surround))


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the standard finders find the package, and wraps its loader.

    It stays installed until the package is imported, because some programs only check
    whether a package exists.
    """

    def __init__(self, name: str, surround: Surround) -> None:
        self._name = name
        self._surround = surround
        self._is_asking_others = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self._name or self._is_asking_others:
            return None
        self._is_asking_others = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_asking_others = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._surround, self)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(
        self, loader: importlib.abc.Loader, surround: Surround, finder: _Finder
    ) -> None:
        self._loader = loader
        self._surround = surround
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with self._surround():
            self._loader.exec_module(module)
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
