"""Functions that the user names as workflows and tasks, found in their modules and wrapped.

Owns what a pattern such as `myapp.flows:handle_*` or `myapp.agents:Agent.run` means, and what
is said of one that fits nothing. A wildcard takes only what its module itself defines, and
a name with a leading underscore only if it says so. What was taken out of a module before
bttrace saw it, by a decorator's registry for instance, is not replaced there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, Literal

from ..classes import dataclass
from ..guard import say_once
from ..patch import Ledger
from .observed import Observed

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: Literal["workflow", "task"]
    text: str
    module: str
    path: tuple[str, ...]

    def is_for(self, module: str) -> bool:
        """Tells whether a module is meant."""
        return module == self.module or (
            self.module.endswith(".*") and module.startswith(self.module.removesuffix("*"))
        )

    @property
    def is_plain(self) -> bool:
        """Tells whether it names one thing."""
        return _WILD.isdisjoint(self.text)


@dataclass(frozen=True, slots=True)
class _Found:
    owner: type | ModuleType
    name: str
    path: str
    value: object


class Workflows:
    """The functions of one session that are workflows and tasks."""

    def __init__(
        self, patterns: Mapping[Literal["workflow", "task"], str | None], observed: Observed, ledger: Ledger
    ) -> None:
        self._observed = observed
        self._ledger = ledger
        self._ours: list[object] = []
        self._patterns = [
            _Pattern(kind, part.strip(), module, tuple(path.split(".")))
            for kind, text in patterns.items()
            for part in (text or "").split(",")
            for module, _, path in [part.strip().partition(":")]
            if path
        ]

    def wrap(self, module: ModuleType) -> None:
        """Wraps the functions of a module that has been loaded, and says which were not there."""
        for pattern in self._patterns:
            if not pattern.is_for(module.__name__):
                continue
            found = list(_found(module, module, pattern.path))
            wrapped = [self._wrap(pattern, one) for one in found]
            if not any(wrapped) and not pattern.module.endswith(".*"):
                say_once(_nothing(pattern, found))

    def _wrap(self, pattern: _Pattern, found: _Found) -> bool:
        function: Any = found.value
        is_method = isinstance(found.owner, type) and not isinstance(function, staticmethod)
        if isinstance(function, (staticmethod, classmethod)):
            function = function.__func__
        if any(found.value is one for one in self._ours):  # inherited, or imported from where it was wrapped
            return True
        if not inspect.isroutine(function):
            return False
        wrapper = self._observed.wrapper(pattern.kind, found.path, function, is_method=is_method)
        if not self._ledger.wrap(found.owner, found.name, wrapper):
            return False
        self._ours.append(vars(found.owner)[found.name])
        return True


def _found(
    module: ModuleType, owner: type | ModuleType, path: tuple[str, ...], above: str = ""
) -> Iterator[_Found]:
    """Yields what a path names in a module or in one of its classes."""
    first, *rest = path
    is_wild = not _WILD.isdisjoint(first)
    for name in list(vars(owner)) if is_wild else [first]:
        if is_wild and (not fnmatchcase(name, first) or (name[:1] == "_" and first[:1] != "_")):
            continue
        value = inspect.getattr_static(owner, name, None)
        if is_wild and not _is_own(value, module):
            continue
        if not rest:
            if value is not None and (not is_wild or not isinstance(value, type)):
                yield _Found(owner, name, above + name, value)
        elif isinstance(value, type):
            yield from _found(module, value, tuple(rest), f"{above}{name}.")


def _is_own(value: object, module: ModuleType) -> bool:
    """Tells whether a class or a function was defined in a module."""
    function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    is_one = isinstance(function, type) or inspect.isroutine(function)
    return is_one and getattr(function, "__module__", None) == module.__name__


def _nothing(pattern: _Pattern, found: list[_Found]) -> str:
    variable = f"BTTRACE_{pattern.kind.upper()}S"
    if found and pattern.is_plain:
        return (
            f"{variable} names {pattern.text}, which is of the class {type(found[0].value).__name__}; "
            "it must be a function or a method. It is not traced."
        )
    if pattern.module == "__main__":
        return (
            f"{variable} names {pattern.text}, which the program's own script has not defined by now, and "
            "nothing tells when it does. Put the function into a module, or take the whole run: "
            "bttrace run --workflow."
        )
    what = "there is no such function" if pattern.is_plain else "no function fits"
    return f"{variable} names {pattern.text}, but {what} in {pattern.module}. Check the spelling."
