"""Patching classes so that it can be undone exactly.

Owns the ledger of what was patched, and is the only importer of wrapt. Knows no SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import wrapt

WRAPT = os.path.dirname(str(wrapt.__file__)) + os.sep
_WRAPPERS = 50  # around one another, that are looked through
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
    """A patched function as a class holds it."""

    __bound_function_wrapper__ = _Method


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
    owner: type
    name: str
    original: object
    ours: object
    inherited: bool


class Ledger:
    """Every attribute that we replaced, with what stood there."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def wrap(self, owner: type, name: str, wrapper: Wrapper) -> bool:
        """Wraps the function that a class defines or inherits under `name`.

        `wrapper(wrapped, instance, args, kwargs)` takes its place in that class alone.
        Returns `False`, and changes nothing, when there is none. Wrapping twice does nothing.
        """
        holders = (vars(cls) for cls in owner.__mro__[:-1])
        original = next((held[name] for held in holders if name in held), None)
        if not callable(original):
            return False
        if self._is_within(original, owner):
            return True
        inherited = name not in vars(owner)
        ours = _Function(original, wrapper)
        setattr(owner, name, ours)
        self._entries.append(_Entry(owner, name, original, ours, inherited))
        return True

    def _is_within(self, function: object, owner: type) -> bool:
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
            if vars(entry.owner).get(entry.name) is not entry.ours:
                kept.append(f"{entry.owner.__module__}.{entry.owner.__qualname__}.{entry.name}")
            elif entry.inherited:
                delattr(entry.owner, entry.name)
            else:
                setattr(entry.owner, entry.name, entry.original)
        return kept
