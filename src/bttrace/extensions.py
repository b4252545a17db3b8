"""Providers that users describe themselves.

Owns how they are found: named in `BTTRACE_PROVIDERS`, or by an installed package as an
entry point of the group `bttrace.providers` that bears the name of the SDK's package.
What can't be used is said once, with what to do about it. Knows nothing of patching.

Nothing is looked for when a Python starts: not every folder is on its path by then, and
reading the entry points of all that is installed takes some 60 ms.
"""

from __future__ import annotations

from importlib import import_module

from .guard import guarded, say_once
from .model import Provider
from .providers import SDKS

GROUP = "bttrace.providers"
VARIABLE = "BTTRACE_PROVIDERS"


class Extensions:
    """The providers of one session that bttrace does not bring along. `named` is the variable's value."""

    def __init__(self, named: str) -> None:
        self._named = [name.strip() for name in named.split(",") if name.strip()]
        self._found: dict[str, Provider] | None = None
        self._points: dict[str, str] | None = None

    def named(self) -> dict[str, Provider]:
        """Gives the providers that the variable names, by their SDK; imports their modules the first time."""
        if self._found is None:
            providers = [_provider(f"{VARIABLE}={name!r}", name) for name in self._named]
            self._found = {provider.sdk: provider for provider in reversed(providers) if provider}
        return self._found

    def provider(self, package: str) -> Provider | None:
        """Gives the provider that describes a package, by the variable or else by an entry point."""
        named = self.named().get(package)
        if named is not None:
            return named
        if self._points is None:
            self._points = _entry_points()
        value = self._points.get(package)
        if value is None:
            return None
        label = f"entry point {package!r} of {GROUP}"
        provider = _provider(f"{label}, {value!r},", value)
        if provider is not None and provider.sdk != package:
            say_once(f"{label} describes {provider.sdk!r}; it must be named so. It is ignored.")
            return None
        return provider


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points  # 20 ms, and needed by few

    return {point.name: point.value for point in entry_points(group=GROUP)}


def _provider(label: str, named: str) -> Provider | None:
    """Gives what `module:ATTRIBUTE` names; says what is wrong with it otherwise."""
    module_name, _, attribute = named.partition(":")
    faults: list[Exception] = []
    module = guarded(import_module, retires=False, theirs=faults.append)(module_name.strip())
    found = getattr(module, attribute.strip(), None)
    if faults:
        why = f"module {module_name!r} can't be imported ({type(faults[0]).__name__}: {faults[0]})"
        remedy = "it must be on the application's Python path, and must not need the SDK that it describes"
    elif found is None:
        why, remedy = f"module {module_name!r} has no {attribute!r}", "name one of its bttrace.model.Provider"
    elif not isinstance(found, Provider):
        why = f"{attribute!r} is of type {type(found).__name__}"
        remedy = "it must be a bttrace.model.Provider"
    elif found.sdk in SDKS:
        why, remedy = f"bttrace describes {found.sdk!r} itself", "leave it out"
    else:
        return found
    say_once(f"{label} is not valid: {why}; {remedy}. It is ignored.")
    return None
