"""Patching classes, modules and registries so that it can be undone exactly.

Owns the ledger of what was patched, and is the only importer of wrapt. Knows no SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from operator import attrgetter, itemgetter
from types import ModuleType
from typing import Any

import wrapt

from .classes import dataclass

WRAPT = os.path.dirname(str(wrapt.__file__)) + os.sep
_WRAPPERS = 50  # around one another, that are looked through
Holder = type | ModuleType | dict[Any, Any] | list[Any]
"""What holds a function: a dict and a list by key and place."""
Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], Mapping[str, Any]], Any]


class _Method(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # wrapt 1's takes none
    """A patched method, of an instance or of its class, which copies and pickles as one that is not patched.

    wrapt's own (1.14 to 2.5, `wrappers.py`) raises NotImplementedError for either.
    """

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> object:
        instance = self._self_instance
        return self if instance is None else getattr(deepcopy(instance, memo), self.__name__)

    def __reduce_ex__(self, _protocol: object) -> tuple[object, ...]:
        owner = self._self_instance
        if owner is None:
            owner = attrgetter(self.__qualname__.rpartition(".")[0])(sys.modules[self.__module__])
        return getattr, (owner, self.__name__)


class _Function(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A patched function as a class or a module holds it; the module's is copied and pickled by its name."""

    __bound_function_wrapper__ = _Method

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> object:
        return self

    def __reduce_ex__(self, _protocol: object) -> str | tuple[object, ...]:
        path = str(self.__qualname__)
        try:
            found = attrgetter(path)(sys.modules[self.__module__])
        except (AttributeError, KeyError):
            found = None
        if found is self:
            return path
        # It stands elsewhere than where it was defined, and something of ours may stand there too.
        is_ours = isinstance(found, _Function) and found.__wrapped__ is self.__wrapped__
        return copy, (found if is_ours else self.__wrapped__,)


class _StandIn(_Function):
    """What stands in for something callable; copied and pickled, it is what it stands for."""

    def __copy__(self) -> object:
        return self.__wrapped__

    def __deepcopy__(self, memo: dict[int, object]) -> object:
        return deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, _protocol: object) -> str | tuple[object, ...]:
        own = self.__wrapped__
        module, name = getattr(own, "__module__", None), getattr(own, "__qualname__", "")
        if vars(sys.modules.get(str(module), sys)).get(name) is self:
            return str(name)  # pickle finds us where it looks the name up
        return itemgetter(0), ((own,),)


def original(held: object) -> object:
    """Gives what a stand-in stands for; anything else as it is."""
    return held.__wrapped__ if type(held) is _StandIn and isinstance(held, _StandIn) else held


def standin(held: Callable[..., object], wrapper: Wrapper) -> object:
    """Gives what stands in for something callable; `wrapper` is called in its place, as in `Ledger.wrap`."""
    return _StandIn(held, wrapper)


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: Holder
    name: Any
    original: object
    ours: object
    inherited: bool


class Ledger:
    """Every attribute that we replaced, with what stood there."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def wrap(self, owner: Holder, name: Any, wrapper: Wrapper) -> bool:
        """Wraps the function that a class defines or inherits under `name`, or that another holder has.

        `wrapper(wrapped, instance, args, kwargs)` takes its place in that holder alone.
        Returns `False`, and changes nothing, when there is none. Wrapping twice does nothing.
        """
        original = function_of(owner, name)
        if original is None:
            return False
        if self._is_within(original, owner):
            return True
        self._entries = [entry for entry in self._entries if entry.owner is not owner or entry.name != name]
        inherited = isinstance(owner, type) and name not in vars(owner)
        ours = _Function(original, wrapper)
        _put(owner, name, ours)
        self._entries.append(_Entry(owner, name, original, ours, inherited))
        return True

    def _is_within(self, function: object, owner: Holder) -> bool:
        """Tells whether a wrapper of ours is in a function, under whoever has wrapped it since."""
        ours = [entry.ours for entry in self._entries if entry.owner is owner]
        for _ in range(_WRAPPERS):
            if any(function is one for one in ours):
                return True
            function = getattr(function, "__wrapped__", None)
        return False

    def restore(self) -> list[str]:
        """Puts everything back, last first.

        Returns what could not be: attributes that somebody wrapped after us, whose chain
        still runs through our wrapper.
        """
        kept = []
        while self._entries:
            entry = self._entries.pop()
            held = _held(entry.owner)
            if isinstance(entry.owner, list):
                places = [place for place, item in enumerate(entry.owner) if item is entry.ours]
            else:
                places = [entry.name] if held.get(entry.name) is entry.ours else []
            for place in places:
                if entry.inherited:
                    delattr(entry.owner, str(place))
                else:
                    _put(entry.owner, place, entry.original)
            if not places and isinstance(entry.owner, (type, ModuleType)):
                kept.append(f"{_path(entry.owner)}.{entry.name}")
        return kept


def _path(owner: type | ModuleType) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else owner.__name__


def function_of(owner: Holder, name: Any) -> Any:
    """Gives the function that a class defines or inherits under a name, or that another holder has there.

    As it is held: of a class, it may be a `staticmethod` or a `classmethod`. `None` if there is none.
    """
    holders = [vars(cls) for cls in owner.__mro__[:-1]] if isinstance(owner, type) else [_held(owner)]
    found = next((held[name] for held in holders if name in held), None)
    return found if callable(found) or isinstance(found, classmethod) else None


def _held(owner: Holder) -> Mapping[Any, Any]:
    if isinstance(owner, dict):
        return owner
    return dict(enumerate(owner)) if isinstance(owner, list) else vars(owner)


def _put(owner: Holder, name: Any, value: object) -> None:
    """Puts a value in its place, past what a dict or list of the application's own does when that is done."""
    if isinstance(owner, dict):
        dict.__setitem__(owner, name, value)
    elif isinstance(owner, list):
        list.__setitem__(owner, name, value)
    else:
        setattr(owner, name, value)
