"""The names by which a function takes its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature

from ..guard import guarded

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
Naming = Callable[[tuple[object, ...], Mapping[str, object]], dict[str, object]]


def naming(function: Callable[..., object], *, bound: bool) -> Naming:
    """Gives what names the arguments of a call by the function's parameters.

    One that is `bound` is given its first argument by what it is bound to. What the function does
    not name is under `args`.
    """
    found = guarded(signature, theirs=_untold)(function)
    parameters = [] if found is None else list(found.parameters.values())[1 if bound else 0 :]
    names = tuple(one.name for one in parameters if one.kind in _BY_PLACE)
    rest = next((one.name for one in parameters if one.kind is Parameter.VAR_POSITIONAL), "args")

    def named(args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            given[rest] = args[len(names) :]
        given.update(kwargs)
        return given

    return named


def _untold(_fault: Exception) -> None:
    """A function that cannot tell its parameters, as some of C cannot, is called all the same."""
