"""Patching classes so that it can be undone exactly.

Owns the ledger of what was patched, and is the only importer of wrapt. Knows no SDK.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import wrapt

WRAPT = os.path.dirname(str(wrapt.__file__)) + os.sep
Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], Mapping[str, Any]], Any]


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
        if any(entry.owner is owner and entry.ours is original for entry in self._entries):
            return True
        inherited = name not in vars(owner)
        ours = wrapt.FunctionWrapper(original, wrapper)
        setattr(owner, name, ours)
        self._entries.append(_Entry(owner, name, original, ours, inherited))
        return True

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
