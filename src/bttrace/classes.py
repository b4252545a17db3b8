"""Dataclasses that cost a sixth of what the standard module's cost to make. PURE.

Owns how our small classes are made. The standard module writes up to seven methods for each class and
compiles each by itself (CPython 3.11, `dataclasses.py`): 0.6 ms a class, for which the application's
first import of an SDK would wait. Here only `__init__` is written; the other methods are the same
functions for all classes. What comes out is what it says: `dataclasses.replace`, `copy`, `pickle` and
mypy take it for a dataclass with slots. It inherits no fields, and each of them is compared.
"""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - handed on to who imports it from here
    from typing import Any
else:

    def dataclass(
        *,
        slots: bool,
        frozen: bool = False,
        eq: bool = True,
        repr: bool = True,  # noqa: A002 - as it is called there
    ) -> Callable[[type], type]:
        """Gives what makes a class a dataclass; the options are the standard module's."""

        def made(cls: type) -> type:
            bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
            given = {"__init__": _init(bare)}
            if repr:
                given["__repr__"] = _repr
            if eq:
                given["__eq__"] = _eq
                given["__hash__"] = _hash if frozen else None
            if frozen:
                given |= _FROZEN
            for name, method in given.items():
                if name not in cls.__dict__:
                    setattr(bare, name, method)
            return bare

        return made


def _init(cls: Any) -> Any:
    """Gives the method that takes a class's fields."""
    given: dict[str, object] = {"_set": object.__setattr__}
    head, body = ["self"], []
    for one in dataclasses.fields(cls):
        name, value = one.name, one.name
        if one.default_factory is not dataclasses.MISSING:
            given[f"_{name}"], given[f"_made_{name}"] = dataclasses.MISSING, one.default_factory
            head.append(f"{name}=_{name}")
            value = f"_made_{name}() if {name} is _{name} else {name}"
        elif one.default is not dataclasses.MISSING:
            given[f"_{name}"] = one.default
            head.append(f"{name}=_{name}")
        else:
            head.append(name)
        body.append(f" _set(self, {name!r}, {value})")
    exec(f"def __init__({', '.join(head)}):\n" + "\n".join(body), given)  # noqa: S102 - of names of ours
    return given["__init__"]


def _values(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self) if one.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _setattr(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    """Gives how a copy is made, because nothing can be set of one that is there."""
    return type(self), _values(self)


_FROZEN = {"__setattr__": _setattr, "__delattr__": _delattr, "__reduce__": _reduce}
