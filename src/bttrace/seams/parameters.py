"""A call's arguments by the names of the parameters, without asking `inspect` at the call.

Owns what of a function's signature is needed for that, read once. Defaults are not filled
in: what is told is what was given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

from ..classes import dataclass

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_SEVERAL = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a function can be called with; by default, anything.

    `required` are those without a default, `rest` takes further positions, and `is_open` tells that any
    keyword is taken.
    """

    positions: tuple[str, ...] = ()
    keywords: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    rest: str | None = "args"
    is_open: bool = True

    @classmethod
    def of(cls, function: Callable[..., object], *, is_method: bool = False) -> Parameters:
        """Gives a function's parameters; of a method, all but its receiver."""
        try:
            declared = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # as of many that are written in C
            return cls()
        if is_method and declared and declared[0].kind in _POSITIONAL:
            del declared[0]
        single = [one for one in declared if one.kind not in _SEVERAL]
        several = {one.kind: one.name for one in declared if one.kind in _SEVERAL}
        return cls(
            tuple(one.name for one in single if one.kind in _POSITIONAL),
            frozenset(one.name for one in single if one.kind is not Parameter.POSITIONAL_ONLY),
            frozenset(one.name for one in single if one.default is Parameter.empty),
            several.get(Parameter.VAR_POSITIONAL),
            Parameter.VAR_KEYWORD in several,
        )

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, object] | None:
        """Gives the arguments of a call by parameter; `None` if the function will not take them."""
        found: dict[str, object] = dict(zip(self.positions, args, strict=False))
        if len(args) > len(self.positions):
            if self.rest is None:
                return None
            found[self.rest] = args[len(self.positions) :]
        for name, value in kwargs.items():
            if (name in found or name not in self.keywords) and not self.is_open:
                return None
            found[name] = value
        return found if found.keys() >= self.required else None
