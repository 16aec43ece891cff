"""Steps that run around the first import of another package, or of this one's modules.

Keras and TensorFlow are imported on first use, often by the user's own `import`
statement. A hook runs at that moment and costs nothing before it.
"""

import importlib.abc
import importlib.util
import sys
import threading
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
    sys.meta_path.insert(0, _Finder(lambda found: found == name, surround, True))


def around_submodules(package: str, surround: Surround) -> None:
    """Runs the import of each module below a package inside a context of its own.

    Args:
        package: Name of the package.
        surround: Makes the context managers, as for `around_import`.
    """
    below = f"{package}."
    sys.meta_path.insert(
        0, _Finder(lambda found: found.startswith(below), surround, False)
    )


class _State(threading.local):
    is_asking_others = False


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the standard finders find a module, and wraps its loader.

    It stays installed until a module is imported, because some programs only check
    whether a package exists.
    """

    def __init__(
        self, concerns: Callable[[str], bool], surround: Surround, is_for_one: bool
    ) -> None:
        self._concerns = concerns
        self._surround = surround
        self._is_for_one = is_for_one
        # Of one thread: others may import the module while one looks for it.
        self._state = _State()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not self._concerns(fullname) or self._state.is_asking_others:
            return None
        self._state.is_asking_others = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._state.is_asking_others = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._surround, self)
        return spec

    def end(self) -> None:
        """Leaves later imports alone, if this one is the only one to wait for."""
        if self._is_for_one and self in sys.meta_path:
            sys.meta_path.remove(self)


class _Loader(importlib.abc.Loader):
    def __init__(
        self, loader: importlib.abc.Loader, surround: Surround, finder: _Finder
    ) -> None:
        self._loader = loader
        self._surround = surround
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        # Some programs, `python -m` among them, ask for more than an import.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with self._surround():
            self._loader.exec_module(module)
            self._finder.end()
