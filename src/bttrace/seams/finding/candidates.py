"""What may be a tool: values of the application, and the one Python function in each.

Owns what is taken for a callable, for the name of a thing, and for code of a library. Nothing
of the application is called.
"""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

from ...classes import dataclass
from ...patch import original
from ..callers import OURS, STANDARD
from .statics import MISSING, bound, definition, namespace
from .targets import CACHED, CALLABLES, Target, target

LISTED = 100  # items of a list
_KEYS = 500  # of a dict
_STRING = frozenset({str})
_PACKAGES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
DICTS = frozenset({dict, OrderedDict, defaultdict})
LISTS = frozenset({list, tuple})
_SCALARS = frozenset({str, int, float, bool, bytes, type(None), type, *DICTS, *LISTS, *CALLABLES, ModuleType})
_RUNNERS = ("func", "fn", "function", "coroutine", "callable", "handler", "run", "call", "execute", "invoke")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the application fetches a callable from: a dict's key, a list's index, a class's attribute."""

    holder: Any
    key: Any
    held: Any


def attribute(value: Any, name: str) -> tuple[object, Slot | None]:
    """Gives an instance's attribute, and where it is held."""
    own = namespace(value)
    if own is not None and name in own:
        return own[name], Slot(own, name, own[name])
    owner, held = definition(type(value), name)
    defined = original(held)
    return bound(defined, value, type(value)), Slot(owner, name, defined)


Candidate = tuple[Target, Slot | None]
"""A function, and where it is held, if it can be put elsewhere."""


def under(held: Any, name: str) -> object:
    """Gives what a dict holds under a name; `MISSING` if nothing, or if to look would run a key's code."""
    if len(held) > _KEYS or not _STRING.issuperset(map(type, list(held))):
        return MISSING
    found: object = dict.get(held, name, MISSING)
    return found


def functions(value: Any, slot: Slot | None) -> Iterator[Candidate]:
    """Yields the one function in a value: itself, the only one that it holds, or what runs it."""
    value = original(value)
    kind = type(value)
    if kind in CALLABLES or kind is CACHED:
        found = target(value)
        if found is not None and not found.function.__code__.co_filename.startswith(OURS):
            yield found, slot
        return
    if kind in DICTS or kind in LISTS:
        entries = list(value.items() if kind in DICTS else enumerate(value))
        held = [(key, item) for key, item in entries[:LISTED] if type(item) in CALLABLES]
        if len(held) == 1:
            key, item = held[0]
            yield from functions(item, Slot(value, key, item) if kind is not tuple else None)
    elif is_instance(value):
        for name in _RUNNERS:
            runner, place = attribute(value, name)
            if type(runner) in CALLABLES:
                yield from functions(runner, place)
                return
        yield from functions(*attribute(value, "__call__"))


def is_named(item: Any, name: str) -> bool:
    """Tells whether a thing in a list bears a name: a function, an object, a dict, or a tuple after it."""
    item = original(item)
    kind = type(item)
    if kind is FunctionType and isinstance(item, FunctionType):
        told: object = item.__name__
    elif kind is MethodType and isinstance(item, MethodType):
        return is_named(item.__func__, name)
    elif kind in DICTS:
        told = under(item, "name")
    elif kind is tuple:
        told = item[0] if item else None
    elif is_instance(item):
        told, _ = attribute(item, "name")
        if type(told) is not str:
            told, _ = attribute(item, "__name__")
    else:
        return False
    return type(told) is str and told == name


def is_instance(value: Any) -> bool:
    """Tells whether a value is an object of a class with attributes of its own."""
    return value is not MISSING and type(value) not in _SCALARS and not issubclass(type(value), type)


def is_library(file: str) -> bool:
    """Tells whether a file is of Python itself or of an installed package."""
    return file.startswith((STANDARD, "<frozen")) or is_package(file)


def is_package(file: str) -> bool:
    """Tells whether a file is of an installed package."""
    return _PACKAGES[0] in file or _PACKAGES[1] in file
