"""Reading the application's objects and frames without running any of its code.

Owns what is safe to look at: the dicts of instances and classes as they are kept, and the
values of a frame's variables. No property, no `__getattr__`, no `__eq__` is ever called.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from types import FrameType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from typing import Any, cast

_MRO = type.__dict__["__mro__"].__get__
_VARS = type.__dict__["__dict__"].__get__
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that was made by a `class` statement, or as by one
_FLAGS = type.__dict__["__flags__"].__get__
_NEWS = sys.version_info >= (3, 13)  # `f_locals` is a view there, of which nothing is kept (PEP 667)
_TAKEN = frozenset({"locals", "vars", "eval", "exec", "dir"})

MISSING = object()


def bases(kind: type) -> tuple[type, ...]:
    """Gives the classes that a class inherits from, itself first."""
    found: tuple[type, ...] = _MRO(kind)
    return found


def members(kind: type) -> Mapping[str, object]:
    """Gives what a class itself defines."""
    found: Mapping[str, object] = _VARS(kind)
    return found


def namespace(value: object) -> dict[str, object] | None:
    """Gives the dict that an instance keeps its attributes in, if it has an ordinary one."""
    kind = type(value)
    for base in _MRO(kind):
        found = _VARS(base).get("__dict__")
        if found is not None:
            if type(found) is not GetSetDescriptorType or not _FLAGS(base) & _HEAP:
                return None
            own = found.__get__(value, kind)
            return own if type(own) is dict else None
    return None


def definition(kind: type, name: str) -> tuple[type, object]:
    """Gives what a class defines or inherits under a name, and which class defines it; `MISSING` if none."""
    for base in _MRO(kind):
        defined = _VARS(base)
        if name in defined:
            return base, defined[name]
    return kind, MISSING


def bound(found: object, value: object, kind: type) -> object:
    """Gives what a class's definition is for an instance; for the class itself, if `value` is `MISSING`.

    Of what classes define, methods, slots and plain data alone: anything else may run code.
    """
    sort = type(found)
    if sort is FunctionType:
        return found if value is MISSING else MethodType(cast("FunctionType", found), value)
    if sort is staticmethod:
        return cast("staticmethod[..., object]", found).__func__
    if sort is classmethod:
        return MethodType(cast("Any", found).__func__, kind)
    if sort is MemberDescriptorType and value is not MISSING:
        try:
            return cast("MemberDescriptorType", found).__get__(value, kind)
        except AttributeError:  # a slot that was never filled
            return MISSING
    return found if sort in (str, dict, list, tuple) else MISSING


def variables(frame: FrameType) -> dict[str, object]:
    """Gives a frame's local variables; none where looking at them could be seen.

    Before 3.13 a function's `f_locals` is a dict that the frame keeps, and with it every value
    that was there: it is emptied again. One who asks for `locals()` has that very dict.
    """
    code = frame.f_code
    if not code.co_flags & inspect.CO_OPTIMIZED:
        return {}  # a module's are its globals
    if _NEWS:
        return dict(frame.f_locals)
    if not _TAKEN.isdisjoint(code.co_names):
        return {}
    kept = frame.f_locals
    found = dict(kept)
    kept.clear()
    return found
