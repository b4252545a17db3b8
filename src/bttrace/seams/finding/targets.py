"""The Python function that stands behind something callable, and how its execution is known again.

Owns what of a callable is its function and what is given to it beforehand: the `self` of a
method, the arguments of a partial. Different tools can share one code object; what is held
beforehand, and the closure, tell them apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType
from typing import Any
from weakref import ref

from ...classes import dataclass
from .statics import MISSING

CALLABLES = frozenset({FunctionType, MethodType, partial})
_AROUND = 10  # wrappers around one another
CACHED: type = type(lru_cache(lambda: None))


@dataclass(frozen=True, slots=True)
class Target:
    """A function with what it is given beforehand: `first`, by position, of which one may be `self`."""

    function: FunctionType
    first: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()
    is_method: bool = False

    def is_as(self, other: Target) -> bool:
        """Tells whether both are the same."""
        mine, others = (self.function, *self.first), (other.function, *other.first)
        return (
            len(mine) == len(others)
            and all(one is two for one, two in zip(mine, others, strict=True))
            and len(self.named) == len(other.named)
            and all(
                one[0] == two[0] and one[1] is two[1]
                for one, two in zip(self.named, other.named, strict=True)
            )
        )

    def known(self) -> Known:
        """Gives what it is known by, which keeps nothing alive that need not be."""
        code = self.function.__code__
        names = code.co_varnames[: code.co_argcount]
        held = (*zip(names, self.first, strict=False), *self.named)
        cells = zip(code.co_freevars, self.function.__closure__ or (), strict=False)
        last = code.co_argcount + code.co_kwonlyargcount
        parameters = code.co_varnames
        rest = parameters[last] if code.co_flags & inspect.CO_VARARGS else None
        return Known(
            code,
            tuple((name, _kept(value)) for name, value in held),
            tuple((name, cell) for name, cell in cells if name != "__class__"),
            is_method=self.is_method,
            given_first=len(self.first),
            names=parameters[1 if self.is_method else 0 : last],
            rest=rest,
            others=parameters[last + (rest is not None)] if code.co_flags & inspect.CO_VARKEYWORDS else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the executions of a target are known by: its code, and values that its variables have then.

    `names` are its parameters without `self`, `rest` and `others` those of `*args` and `**kwargs`.
    """

    code: CodeType
    held: tuple[tuple[str, Any], ...]
    cells: tuple[tuple[str, Any], ...]
    is_method: bool
    given_first: int
    names: tuple[str, ...]
    rest: str | None
    others: str | None

    def is_of(self, instance: object) -> bool:
        """Tells whether a method is this one, called on an instance."""
        return not self.is_method or self.held[0][1]() is instance

    def is_as(self, other: Known) -> bool:
        """Tells whether both are known by the same."""
        return (
            self.code is other.code
            and len(self.held) == len(other.held)
            and all(
                one[0] == two[0] and one[1]() is two[1]()
                for one, two in zip(self.held, other.held, strict=True)
            )
            and all(one[1] is two[1] for one, two in zip(self.cells, other.cells, strict=True))
        )

    def is_in(self, values: Mapping[str, object]) -> bool:
        """Tells whether a frame of the code, that has these local variables, is of this target."""
        for name, kept in self.held:
            if kept() is not values.get(name, MISSING):
                return False
        for name, cell in self.cells:  # noqa: SIM110 - this runs for each execution
            if values.get(name, MISSING) is not _content(cell):
                return False
        return True

    def arguments(self, values: Mapping[str, object]) -> dict[str, object]:
        """Gives the arguments by parameter, without `self`; those of `**kwargs` stand beside the others."""
        found = {name: values[name] for name in self.names if name in values}
        if self.rest is not None and (more := values.get(self.rest)):
            found[self.rest] = more
        if self.others is not None and type(extra := values.get(self.others)) is dict:
            found.update(extra)
        return found

    def given(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Gives, by parameter, the arguments of a call of the target itself."""
        code = self.code
        names = code.co_varnames[: code.co_argcount][self.given_first :]
        found = {**dict(zip(names, args, strict=False)), **kwargs}
        if len(args) > len(names):
            found[self.rest or ""] = args[len(names) :]
        return found


def target(value: object) -> Target | None:
    """Gives what stands behind a callable; `None` if it is no Python function, or an async generator's."""
    first: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()
    is_method = False
    for _ in range(_AROUND):
        kind = type(value)
        if kind is MethodType and isinstance(value, MethodType):
            first, is_method, value = (value.__self__, *first), True, value.__func__
        elif kind is partial and isinstance(value, partial):
            first, named = (*value.args, *first), (*named, *value.keywords.items())
            is_method, value = is_method and not value.args, value.func
        elif kind is CACHED:
            value = vars(value).get("__wrapped__")
        elif kind is FunctionType and isinstance(value, FunctionType):
            inner = value.__dict__.get("__wrapped__")
            if inner is None:
                asynchronous = value.__code__.co_flags & inspect.CO_ASYNC_GENERATOR
                return None if asynchronous else Target(value, first, named, is_method)
            value = inner
        else:
            return None
    return None


def _kept(value: Any) -> Any:
    try:
        return ref(value)
    except TypeError:  # a plain value, or an object that cannot be referred to weakly
        return lambda: value


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING
