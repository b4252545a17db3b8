"""Dataclasses that cost next to nothing until they are used. PURE.

Owns how our small classes are made. The standard module writes up to seven methods for each class and
compiles each by itself (CPython 3.11, `dataclasses.py`): 0.6 ms a class, for which the application's
first import of an SDK would wait. Here all classes have the same methods, but for `__init__`, which is
written when the first object is made. What comes out is what it says: `dataclasses.replace`, `copy`,
`pickle` and mypy take it for a dataclass with slots. It inherits no fields, and each is compared.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - handed on to who imports it from here
    from typing import Any
else:

    def dataclass(
        *,
        slots: bool,  # noqa: ARG001 - it says what comes out
        frozen: bool = False,
        eq: bool = True,
        repr: bool = True,  # noqa: A002 - as it is called there
    ) -> Callable[[type], type]:
        """Gives what makes a class a dataclass; the options are the standard module's."""
        methods = {"__repr__": _repr} if repr else {}
        if eq:
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _setattr, "__delattr__": _delattr, "__reduce__": _reduce}
        return lambda cls: _made(cls, methods)


class _Fields:
    """In the place of what the standard module knows of a class, until somebody asks for that."""

    def __init__(self, written: type) -> None:
        self._written = written

    def __get__(self, _one: object, cls: Any) -> dict[str, Field[Any]]:
        known: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(self._written)
        cls.__dataclass_fields__ = found = known.__dataclass_fields__
        return found  # type: ignore[no-any-return]


def _made(written: Any, methods: Mapping[str, Any]) -> Any:
    """Gives a class with slots, and with those of the methods that it is not written with."""
    names = tuple(written.__annotations__)
    own = dict(written.__dict__)
    defaults = {name: own.pop(name) for name in names if name in own}
    for name in ("__dict__", "__weakref__"):
        del own[name]
    first = _first(names, defaults)
    own |= {"__slots__": names, "__match_args__": names, "__dataclass_fields__": _Fields(written)}
    made = type(written)(written.__name__, (), {"__init__": first, **methods, **own})
    made.__qualname__ = written.__qualname__
    return made


def _first(names: Sequence[str], defaults: Mapping[str, object]) -> Callable[..., None]:
    """Gives what makes the first object of a class, and then is gone."""

    def first(self: Any, *values: object, **named: object) -> None:
        cls = type(self)
        cls.__init__ = init = _init(cls, names, defaults)
        init(self, *values, **named)

    return first


def _init(cls: Any, names: Sequence[str], defaults: Mapping[str, object]) -> Callable[..., None]:
    """Gives the method that takes a class's fields."""
    is_open = cls.__setattr__ is object.__setattr__
    scope: dict[str, Any] = {}
    head, body = ["self"], []
    for name in names:
        default, value = defaults.get(name, MISSING), name
        if isinstance(default, Field):
            made, default = default.default_factory, default.default
            if made is not MISSING:
                scope[f"made_{name}"], default = made, scope
                value = f"made_{name}() if {name} is default_{name} else {name}"
        scope[f"default_{name}"] = default
        head.append(name if default is MISSING else f"{name}=default_{name}")
        scope[f"set_{name}"] = vars(cls)[name].__set__  # which takes half as long as `object.__setattr__`
        body.append(f" self.{name} = {value}" if is_open else f" set_{name}(self, {value})")
    written = f"def __init__({', '.join(head)}):\n" + "\n".join(body)
    # Compiled first, because to evaluate a string has CPython forget that nobody caught a KeyboardInterrupt
    # (3.10 to 3.13, `run_eval_code_obj` in `Python/pythonrun.c`), and this may be the exit of one.
    exec(compile(written, f"<{cls.__qualname__}>", "exec"), scope)  # noqa: S102 - of names of ours
    init: Callable[..., None] = scope["__init__"]
    return init


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
