"""Patching classes and modules so that it can be undone exactly.

Owns the ledger of what was patched, and is the only importer of wrapt. Knows no SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from operator import attrgetter
from types import ModuleType
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
    """A patched function as a class or a module holds it; the module's is copied and pickled by its name."""

    __bound_function_wrapper__ = _Method

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> object:
        return self

    def __reduce_ex__(self, _protocol: object) -> str:
        return str(self.__qualname__)


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: type | ModuleType
    name: str
    original: object
    ours: object
    inherited: bool


class Ledger:
    """Every attribute that we replaced, with what stood there."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def wrap(self, owner: type | ModuleType, name: str, wrapper: Wrapper) -> bool:
        """Wraps the function that a class defines or inherits under `name`, or that a module has.

        `wrapper(wrapped, instance, args, kwargs)` takes its place in that class or module alone.
        Returns `False`, and changes nothing, when there is none. Wrapping twice does nothing.
        """
        holders = [vars(cls) for cls in (owner.__mro__[:-1] if isinstance(owner, type) else (owner,))]
        original = next((held[name] for held in holders if name in held), None)
        if not callable(original) and not isinstance(original, classmethod):
            return False
        if self._is_within(original, owner):
            return True
        # What we put there before is gone, as when a module was loaded again.
        self._entries = [one for one in self._entries if one.owner is not owner or one.name != name]
        inherited = name not in vars(owner)
        ours = _Function(original, wrapper)
        setattr(owner, name, ours)
        self._entries.append(_Entry(owner, name, original, ours, inherited))
        return True

    def _is_within(self, function: object, owner: type | ModuleType) -> bool:
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
                kept.append(f"{_path(entry.owner)}.{entry.name}")
            elif entry.inherited:
                delattr(entry.owner, entry.name)
            else:
                setattr(entry.owner, entry.name, entry.original)
        return kept


def _path(owner: type | ModuleType) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else owner.__name__
