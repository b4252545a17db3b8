"""The tools that the application's user names in `BTTRACE_TOOLS`.

Owns what a name can stand for, and how each is wrapped: a function is replaced where it was
found, in a module, a class, a dict or a list, which stay what they are; the methods of an
object and of a class are replaced in the class, where those of an object count for it alone.
What can't be used is said once, with what to do about it.

What is added to a dict or a list later is not wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from inspect import isroutine
from types import ModuleType
from typing import Any

from ..guard import guarded, say_once
from ..patch import Holder, Ledger, Wrapper, function_of
from ..registries.row import attribute
from .observed import Observed

VARIABLE = "BTTRACE_TOOLS"
# Flags of classes that can be changed, and that cannot (CPython 3.10 to 3.13, `Include/object.h`).
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8
# What a tool that is an object is run by, in applications and in frameworks.
_RUN = ("run", "arun", "call", "acall", "execute", "aexecute", "invoke", "ainvoke", "__call__")


class Declared:
    """The tools of one session that are named. `named` is the variable's value."""

    def __init__(self, named: str, observed: Observed, ledger: Ledger) -> None:
        self._named = [name.strip() for name in named.split(",") if name.strip()]
        self._observed = observed
        self._ledger = ledger
        self._objects: dict[tuple[type, str], dict[int, tuple[object, Wrapper]]] = {}
        self.found: set[str] = set()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Gives the names whose modules have not been imported yet."""
        return tuple(name for name in self._named if name.partition(":")[0] not in self.found)

    def patch(self, module: ModuleType) -> None:
        """Wraps what is named in a module that has been imported."""
        self.found.add(module.__name__)
        for name in self._named:
            module_name, _, path = name.partition(":")
            if module_name == module.__name__:
                faults: list[Exception] = []
                why = guarded(self._declare, retires=False, theirs=faults.append)(module, path)
                if faults:
                    why = f"it can't be read ({type(faults[0]).__name__}: {faults[0]})"
                if why:
                    self._refuse(name, why)

    def look(self) -> None:
        """Says which of the modules that are not imported can never be."""
        for name in self.waiting:
            module = name.partition(":")[0]
            if not _may_come(module):
                self._refuse(name, f"there is no module {module!r} on the application's Python path")

    @staticmethod
    def _refuse(name: str, why: str) -> None:
        remedy = (
            "name a dict, list, object, class or function as module:attribute, as the application imports it"
        )
        say_once(f"{VARIABLE}={name!r} is not valid: {why}; {remedy}. It is ignored.")

    def _declare(self, module: ModuleType, path: str) -> str | None:
        """Wraps what a path leads to; gives what is wrong with it, if anything is."""
        *names, last = path.split(".")
        holder: object = module
        for name in names:
            holder = getattr(holder, name, None)
        value = getattr(holder, last, None)
        if value is None:
            return f"module {module.__name__!r} has no {path!r}"
        if isinstance(holder, dict) or not self._wrap(holder, last, value):
            return f"{path!r} is of type {type(value).__name__}, in which no tool is found"
        return None

    def _wrap(self, holder: object, name: str, value: object) -> bool:
        if isinstance(value, dict):
            return self._items(value, [(key, item, key) for key, item in value.items()])
        if isinstance(value, list):
            return self._items(value, [(place, item, None) for place, item in enumerate(value)])
        if isinstance(value, type):
            return self._class(value, None)
        if not _is_function(value):
            return self._object(value, attribute(value, "name"), name)
        if isinstance(holder, (type, ModuleType)):
            return self._function(holder, name, value, name)
        return self._methods(type(holder), {name: name}, holder)

    def _items(self, holder: dict[Any, Any] | list[Any], items: list[tuple[Any, object, object]]) -> bool:
        return True in [self._item(holder, key, item, name) for key, item, name in items]

    def _item(self, holder: dict[Any, Any] | list[Any], key: object, item: object, name: object) -> bool:
        """Wraps one entry of a registry: a function, an object or a class, or what holds one function."""
        named = name if isinstance(name, str) else attribute(item, "name")
        if isinstance(item, type):
            return self._class(item, named)
        if _is_function(item):
            return self._function(holder, key, item, named or attribute(item, "__name__") or "function")
        if isinstance(item, dict):
            functions = [(inner, one) for inner, one in item.items() if _is_function(one)]
            if len(functions) != 1:
                return False
            (inner, one) = functions[0]
            return self._function(item, inner, one, named or attribute(one, "__name__") or "function")
        return self._object(item, named, None)

    def _function(self, holder: Holder, key: Any, function: Any, name: str) -> bool:
        is_method = isinstance(holder, type) and not isinstance(function_of(holder, key), staticmethod)
        return self._ledger.wrap(holder, key, self._wrapper(name, function, is_method=is_method))

    def _object(self, value: object, name: str | None, variable: str | None) -> bool:
        """Wraps a tool that is an object, by its name, or else an object whose public methods are tools."""
        cls = type(value)
        runs = tuple(method for method in _RUN if function_of(cls, method) is not None)
        own = name or (variable if runs == ("__call__",) else None)
        if own is not None and runs:
            return self._methods(cls, dict.fromkeys(runs, own), value)
        return self._methods(cls, {method: method for method in _public(cls)}, value)

    def _class(self, cls: type, name: str | None) -> bool:
        """Wraps a class of tools by the name that its instances have, or else one whose methods are tools."""
        public = _public(cls)
        runs = tuple(method for method in _RUN if method in public or method in vars(cls))
        own = name or attribute(cls, "name")
        if own is not None and runs:
            return self._methods(cls, dict.fromkeys(runs, own), None)
        return self._methods(cls, {method: method for method in public}, None)

    def _methods(self, cls: type, names: Mapping[str, str], only: object) -> bool:
        """Wraps methods of a class under these names, for one of its instances alone, if it is given."""
        wrapped = False
        if not cls.__flags__ & _HEAP or cls.__flags__ & _IMMUTABLE:
            return False
        for method, name in names.items():
            function = function_of(cls, method)
            if function is None:
                continue
            is_method = not isinstance(function, staticmethod)
            wrapper = self._wrapper(name, getattr(function, "__func__", function), is_method=is_method)
            if only is not None:
                objects = self._objects.setdefault((cls, method), {})
                objects[id(only)] = (only, wrapper)
                wrapper = _each_its_own(objects)
            wrapped |= self._ledger.wrap(cls, method, wrapper)
        return wrapped

    def _wrapper(self, name: str, function: Callable[..., object], *, is_method: bool) -> Wrapper:
        return self._observed.wrapper("tool", name, function, is_method=is_method)


def _each_its_own(objects: Mapping[int, tuple[object, Wrapper]]) -> Wrapper:
    """Gives what stands in for a method of several objects, where others have it as it was."""

    def called(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        known = objects.get(id(instance))
        return wrapped(*args, **kwargs) if known is None else known[1](wrapped, instance, args, kwargs)

    return called


def _may_come(module: str) -> bool:
    """Tells whether a module can be imported, as far as that can be told without importing its package."""
    if module in sys.modules:
        return True
    parent = module.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return _may_come(parent)
    return find_spec(module) is not None


def _is_function(value: object) -> bool:
    if isinstance(value, type) or not callable(value):
        return False
    return isroutine(value) or isinstance(value, partial) or hasattr(value, "__wrapped__")


def _public(cls: type) -> tuple[str, ...]:
    """Gives the names of the methods that the application gave a class, whose bases may be a library's."""
    own = cls.__module__.partition(".")[0]
    classes = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == own]
    names = {
        name: None
        for base in classes
        for name in vars(base)
        if not name.startswith("_") and function_of(base, name)
    }
    return tuple(names)
