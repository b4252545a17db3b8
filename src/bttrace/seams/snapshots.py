"""What a tool was given and what it gave, as it was at that moment.

Owns how much of it is copied on the application's thread: data as JSON has them, so that a
list which is changed later is told as it was, and not more of them than takes a few
microseconds. Anything else is kept by reference, and described by the writer.
"""

from __future__ import annotations

from collections.abc import Mapping

_MOST = 100  # values that are copied
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def snapshot(value: object) -> object:
    """Gives a copy of the dicts and lists in a value, as far as they are few."""
    return value if type(value) in _PLAIN else _copied(value, [_MOST])


def snapshots(values: Mapping[str, object]) -> dict[str, object]:
    """Gives a copy of each of some values."""
    left = [_MOST]
    return {name: _copied(value, left) for name, value in values.items()}


def _copied(value: object, left: list[int]) -> object:
    kind = type(value)
    if kind in _PLAIN or left[0] <= 0:
        return value
    if kind is dict:
        left[0] -= len(value)  # type: ignore[arg-type]
        return {name: _copied(item, left) for name, item in value.items()}  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        left[0] -= len(value)  # type: ignore[arg-type]
        return [_copied(item, left) for item in value]  # type: ignore[attr-defined]
    return value
