"""How much the objects of bttrace in this process hold: every table that could grow, by its name."""

from __future__ import annotations

import gc
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from types import ModuleType

_PACKAGE = "bttrace"
_CONTAINERS = (dict, list, set, deque, OrderedDict)


def tables() -> dict[str, int]:
    """Gives the entries in the tables of all objects together, and the objects of each class."""
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)  # `isinstance` would wake an SDK's lazy objects
        if issubclass(kind, ModuleType) or not _is_ours(getattr(kind, "__module__", None)):
            continue
        found[f"{kind.__name__} objects"] += 1
        for name, value in _attributes(thing):
            if isinstance(value, _CONTAINERS):
                found[f"{kind.__name__}.{name}"] += len(value)
    for module in list(sys.modules.values()):
        if _is_ours(getattr(module, "__name__", None)):
            for name, value in vars(module).items():
                if isinstance(value, _CONTAINERS) and not name.startswith("__"):
                    found[f"{module.__name__}:{name}"] += len(value)
    return dict(found)


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Gives the tables that have grown, with both sizes, the most first."""
    pairs = {name: (before.get(name, 0), size) for name, size in after.items()}
    more = [name for name, (was, now) in pairs.items() if now > was]
    return {name: pairs[name] for name in sorted(more, key=lambda name: pairs[name][0] - pairs[name][1])}


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == _PACKAGE


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    yield from list(getattr(thing, "__dict__", {}).items())
    for base in type(thing).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield name, getattr(thing, name, None)
