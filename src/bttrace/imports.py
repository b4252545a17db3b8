"""Calling a hook when a module has been imported.

Owns one finder on `sys.meta_path`, and nothing else: not what is imported, not what
hooks do. It is ours rather than wrapt's because wrapt's post-import hooks can't be
removed, and an exception in one breaks the application's import.

Every module keeps the loader it would have had: ours steps aside before the module's
own code runs. Hooks are called in the importing thread, after the module's code, with
no lock of ours held. A hook that raises does not disturb the import.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from .guard import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], object]


class ImportHook:
    """A finder that watches for some modules by name, and finds none itself."""

    def __init__(self) -> None:
        self._hooks: dict[str, tuple[Hook, ...]] = {}
        self._part = ""
        self._part_hook: Hook | None = None
        self._below: list[tuple[str, Hook]] = []
        self._searching: set[tuple[int, str]] = set()
        self._specs: list[ModuleSpec] = []  # those whose loader ours stands in for, or did

    def watch(self, name: str, hook: Hook) -> None:
        """Calls `hook(module)` each time the module `name` has been loaded, and now if it was already.

        Several hooks can watch for one module. Waits for an import that another thread has begun,
        as an import of its own would.
        """
        safe = guarded(hook)
        self._hooks[name] = (*self._hooks.get(name, ()), safe)
        self._call_if_loaded(name, safe)

    def _call_if_loaded(self, name: str, safe: Callable[[ModuleType], object]) -> None:
        module = sys.modules.get(name)
        if module is None:
            return
        is_lazy = _is_lazy(module)
        spec: ModuleSpec | None = (
            _namespace(module).get("__spec__") if is_lazy else getattr(module, "__spec__", None)
        )
        loader: object = getattr(spec, "loader", None)
        if isinstance(loader, _Loader):
            return  # its code will be run by ours
        if is_lazy:
            self._stand_in(spec)
            return
        if _is_loading(module):
            __import__(name)
        if sys.modules.get(name) is module and not _is_loading(module):
            safe(module)

    def watch_part(self, name: str, hook: Hook) -> None:
        """Does the same as `watch` for the submodule `name` of every package that is not watched itself."""
        self._part = f".{name}"
        self._part_hook = guarded(hook)
        for loaded in [module for module in sys.modules if module.endswith(self._part)]:
            self.loaded(sys.modules[loaded], loaded)

    def watch_below(self, package: str, hook: Hook) -> None:
        """Does the same as `watch` for every module below a package."""
        below = f"{package}."
        safe = guarded(hook)
        self._below.append((below, safe))
        for name in [loaded for loaded in sys.modules if loaded.startswith(below)]:
            self._call_if_loaded(name, safe)

    def install(self) -> None:
        """Stands before every other finder, so that it sees modules that any of them finds."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Leaves `sys.meta_path` as it would be without us, and calls no hook any more."""
        self._hooks.clear()
        self._part_hook = None
        self._below.clear()
        for spec in self._specs:
            stand_in: Any = spec.loader
            if isinstance(stand_in, _Loader):
                spec.loader = stand_in.own
            module = sys.modules.get(spec.name)
            if module is not None and isinstance(loader := _namespace(module).get("__loader__"), _Loader):
                _namespace(module)["__loader__"] = loader.own
        self._specs.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def loaded(self, module: ModuleType, name: str) -> None:
        """Calls the hooks of a module whose code has run."""
        for hook in self._waiting(name):
            hook(module)

    def _waiting(self, name: str) -> tuple[Hook, ...]:
        hooks = self._hooks.get(name, ())
        if not hooks and self._part_hook is not None and name.endswith(self._part):
            hooks = () if name.removesuffix(self._part) in self._hooks else (self._part_hook,)
        if self._below:
            hooks = (*hooks, *(hook for below, hook in self._below if name.startswith(below)))
        return hooks

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds a watched module through the finders behind us; `None` for any other."""
        if not self._waiting(name):
            return None
        search = (get_ident(), name)
        if search in self._searching:  # another tool's finder asks all finders again
            return None
        self._searching.add(search)
        try:
            spec = _found_by_others(self, name, path, target)
        finally:
            self._searching.discard(search)
        self._stand_in(spec)
        return spec

    def _stand_in(self, spec: ModuleSpec | None) -> None:
        """Puts our loader in the place of a module's own, unless that is of the old kind."""
        if spec is not None and hasattr(spec.loader, "exec_module"):
            stand_in: Any = _Loader(spec.loader, self, spec.name)
            spec.loader = stand_in
            self._specs.append(spec)


def _namespace(module: ModuleType) -> dict[str, Any]:
    """Gives a module's attributes, without asking it for one, which would load a lazy module."""
    namespace: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return namespace


def _is_loading(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _is_lazy(module: ModuleType) -> bool:
    """Tells whether a module is loaded at its first use (Python 3.10 to 3.13, `importlib/util.py`)."""
    lazy = getattr(sys.modules.get("importlib.util"), "_LazyModule", None)
    return lazy is not None and issubclass(type(module), lazy)


def _found_by_others(
    ours: ImportHook, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        find_spec = None if finder is ours else getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
        if spec is not None:
            return spec
    return None


class _Loader:
    """Stands in for a module's loader until the module's code runs, then is gone."""

    def __init__(self, own: Any, hook: ImportHook, name: str) -> None:
        self.own = own
        self._hook = hook
        self._name = name

    def __getattr__(self, name: str) -> object:
        return getattr(self.own, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Creates the module as its own loader does."""
        create = getattr(self.own, "create_module", None)
        module: ModuleType | None = create(spec) if create else None
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's code as its own loader does, then the hook."""
        for holder, name in ((module.__spec__, "loader"), (module, "__loader__")):
            if getattr(holder, name, None) is self:
                setattr(holder, name, self.own)
        self.own.exec_module(module)
        self._hook.loaded(module, self._name)
