"""What a tool was given and what it gave, as it was at that moment.

Owns how much of it is copied on the application's thread: data as JSON has them, so that a
list which is changed later is told as it was, and not more of them than takes a few
microseconds. Anything else is kept by reference, and described by the writer. Light: a process that
is never traced may use it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 100  # values that are copied
_MOST_YIELDED = 1000  # items of a generator that are kept
_MOST_TEXT = 1_000_000  # characters of them
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_DATA = frozenset({dict, list, tuple})


def snapshot(value: object) -> object:
    """Gives a copy of the dicts and lists in a value, as far as they are few."""
    return value if type(value) in _PLAIN else _copied(value, [_MOST, 0])


def weighed(value: object) -> tuple[object, int]:
    """Gives the same, and how long the texts are that were seen in it."""
    left = [_MOST, 0]
    return _copied(value, left), left[1]


def snapshots(values: Mapping[str, object]) -> dict[str, object]:
    """Gives a copy of each of some values."""
    left = [_MOST, 0]
    return {name: _copied(value, left) for name, value in values.items()}


def _copied(value: object, left: list[int]) -> object:
    """Copies as many values as are `left`; counts, behind that, the characters and bytes in them."""
    kind = type(value)
    if kind in _PLAIN or left[0] <= 0:
        if kind is str or kind is bytes:
            left[1] += len(value)  # type: ignore[arg-type]
        return value
    if kind is dict:
        left[0] -= len(value)  # type: ignore[arg-type]
        return {name: _copied(item, left) for name, item in value.items()}  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        left[0] -= len(value)  # type: ignore[arg-type]
        return [_copied(item, left) for item in value]  # type: ignore[attr-defined]
    return value


class Yielded:
    """The first items that a generator yielded, as they were then, and how many there were in all.

    Of what is no data only the name of its class is kept: the application may wait for it to be gone.
    """

    __slots__ = ("_count", "_items", "_left", "is_left")

    def __init__(self) -> None:
        self._items: list[object] = []
        self._count = 0
        self._left = _MOST_TEXT
        self.is_left = False  # its reader wants no more of it

    def take(self, item: object) -> None:
        """Takes one more item."""
        self._count += 1
        if self._left <= 0 or self._count > _MOST_YIELDED:
            return
        kind = type(item)
        self._left -= len(item) if kind in (str, bytes) else 1  # type: ignore[arg-type]
        self._items.append(snapshot(item) if kind in _PLAIN or kind in _DATA else f"<{kind.__name__}>")

    def told(self, returned: object) -> object:
        """Gives the items; with how many there were if these are not all, and what was returned besides."""
        if returned is None and self._count == len(self._items):
            return self._items
        told = {"yielded": self._items, "count": self._count}
        return told if returned is None else {**told, "returned": returned}
