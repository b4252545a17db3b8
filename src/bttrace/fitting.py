"""Whether a function was called as the model asked for. PURE."""

from __future__ import annotations

import json
from collections.abc import Mapping

_DEPTH = 20


def fits(asked: object, given: Mapping[str, object]) -> bool:
    """Tells whether arguments, by the names of the parameters, are those that a model asked for.

    Every argument asked for is there as it was asked, or all of them are in one argument, as a
    mapping or as JSON. What else is given may be anything: defaults, and what the
    application adds.
    """
    values = tuple(given.values())
    if not isinstance(asked, dict):
        return any(_same(asked, value) for value in values)
    if all(name in given and _same(value, given[name]) for name, value in asked.items()):
        return True
    return any(_same(asked, value) or _same(asked, _parsed(value)) for value in values)


def _parsed(value: object) -> object:
    if not isinstance(value, str) or value[:1] != "{":
        return None
    try:
        found: object = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found


def _same(asked: object, given: object, depth: int = _DEPTH) -> bool:
    """Compares without calling code of the application: only what JSON can be is compared."""
    if isinstance(asked, dict):
        if type(given) is not dict or len(asked) != len(given) or not depth:
            return False
        return all(name in given and _same(value, given[name], depth - 1) for name, value in asked.items())
    if isinstance(asked, list):
        if type(given) not in (list, tuple) or not isinstance(given, (list, tuple)) or not depth:
            return False
        return len(asked) == len(given) and all(
            _same(one, other, depth - 1) for one, other in zip(asked, given, strict=True)
        )
    if isinstance(asked, bool) or isinstance(given, bool) or asked is None:
        return asked is given
    if isinstance(asked, (int, float)):
        return type(given) in (int, float) and asked == given
    return type(given) is str and asked == given
