"""Modules that are loaded when something of theirs is first asked for, and not when they are imported."""

import importlib.abc
import importlib.machinery
import importlib.util
import threading
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

_LOAD = "_load_lazy_module"


class LazyModules(importlib.abc.MetaPathFinder):
    """Finds modules, and puts off their loading.

    The standard library's `importlib.util.LazyLoader` loads a package as soon as one of its modules is imported. In Python 3.11
    it also shows a module that is half loaded to other threads.
    """

    def __init__(self, names: Collection[str], known: Mapping[str, Mapping[str, Any]] = MappingProxyType({})):
        """Makes a finder; it works as long as it is in `sys.meta_path`.

        Args:
          names: Full names of the modules.
          known: By the name of a module, what some of its names stand for as long as it is not loaded.
        """
        self._names = frozenset(names)
        self._known = known

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the specification of one of the modules; None for all others, which other finders find."""
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LazyLoader(spec.loader, self._known.get(fullname, {}))
        return spec


class _LazyLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, known: Mapping[str, Any]):
        self._loader, self._known = loader, known

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _LazyModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__dict__[_LOAD] = _Load(module, self._loader.exec_module, self._known)


class _Load:
    """Loads a module once, whichever threads ask for it."""

    def __init__(self, module: types.ModuleType, execute: Callable[[types.ModuleType], None], known: Mapping[str, Any]):
        self._module, self._execute, self._known = module, execute, known
        self._lock = threading.RLock()
        self._begun = False

    def look_up(self, name: str) -> Any:
        """Returns what a name stands for, loading the module if that takes it."""
        if name in self._known and not self._begun:
            return self._known[name]
        # For a module within, the package itself need not be loaded.
        if "__path__" in self._module.__dict__ and not name.startswith("__"):
            submodule = f"{self._module.__name__}.{name}"
            if importlib.util.find_spec(submodule) is not None:
                return importlib.import_module(submodule)
        self.run()
        return types.ModuleType.__getattribute__(self._module, name)

    def run(self) -> None:
        """Loads the module, or waits until another thread has done so."""
        with self._lock:
            if self._begun:  # by another thread, which has ended; or by this one, which is at it
                return
            self._begun = True
            try:
                self._execute(self._module)
            except BaseException:
                self._begun = False
                raise
            self._module.__class__ = types.ModuleType
            del self._module.__dict__[_LOAD]


class _LazyModule(types.ModuleType):
    """A module that is not loaded yet."""

    def __getattr__(self, name: str) -> Any:
        load = self.__dict__.get(_LOAD)
        if load is None:  # another thread has just loaded it
            return types.ModuleType.__getattribute__(self, name)
        return load.look_up(name)

    def __dir__(self) -> list[str]:
        if load := self.__dict__.get(_LOAD):
            load.run()
        return sorted(self.__dict__)
