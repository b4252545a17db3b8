"""The block in which what begins is correlated: `with bttrace.context(session_id=...)`.

Owns the block, what a call made here finds of it, and what is said of arguments that can't be taken.
Light: a process that is never traced may use one. What a user gives is looked at when something that
is traced asks for it, because where nothing is traced nothing is to be said of it either.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..guard import guarded, say_at_times
from ..limits import SESSION_ID, USER_ID, checked, checked_tags, shown
from .blocks import Block, innermost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .blocks import Entered
    from .correlation import Correlation

_MOST_TAGS = 1000
CORRELATED: ContextVar[Entered | None] = ContextVar("bttrace_correlated", default=None)
"""The innermost block that the application's code runs in, what is known of it, and the block around it."""


class Given:
    """What a user says in a block, as it was when the block was made. Never raises.

    `metadata` must be a copy, if it is a mapping.
    """

    __slots__ = ("_metadata", "_session_id", "_tags", "_user_id")

    def __init__(self, session_id: object, user_id: object, tags: Any, metadata: object) -> None:
        self._session_id = session_id
        self._user_id = user_id
        if isinstance(tags, str):
            tags = (tags,)
        elif tags is not None and not isinstance(tags, bytes):
            listed = _listed(tags)
            tags = tags if listed is None else listed
        self._tags = tags
        self._metadata = metadata

    def correlation(self) -> Correlation:
        """Gives it as what is said around a call; what can't be taken is said, and left out."""
        from .correlation import Correlation

        return Correlation(
            _identity("session_id", self._session_id, SESSION_ID),
            _identity("user_id", self._user_id, USER_ID),
            _tags(self._tags),
            _metadata(self._metadata),
        )


class Correlated(Block):
    """A block in which what begins has a correlation, with that of the blocks around it.

    `begun` is called whenever it is entered.
    """

    __slots__ = ("_begun", "_said")
    entered = CORRELATED

    def __init__(self, said: Correlation | Given, begun: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._said = said
        self._begun = begun

    def holds(self) -> list[tuple[Correlation, Correlation]]:
        """Gives the place for what is said around the block, and that with what is said in it."""
        if self._begun is not None:
            self._begun()
        return []

    def correlation(self) -> Correlation:
        """Gives what is said in the block itself."""
        if isinstance(self._said, Given):
            self._said = self._said.correlation()
        return self._said


def current() -> Correlation | None:
    """Gives what is said around the code that asks."""
    within = CORRELATED.get()
    return None if within is None else _around(within)


def _around(within: Entered | None) -> Correlation | None:
    """Gives what is said in the innermost of these blocks that is still around, with those around it."""
    within = innermost(within)
    if within is None:
        return None
    block, known, outer, _ = within
    beyond = None if outer is None else _around(outer)
    if beyond is None:
        own: Correlation = block.correlation()  # type: ignore[attr-defined]
        return own
    if not known or known[0][0] is not beyond:  # one of those around it may have been left by now
        known[:] = [(beyond, block.correlation().within(beyond))]  # type: ignore[attr-defined]
    whole: Correlation = known[0][1]
    return whole


# What a user gives.


def _identity(name: str, value: object, most: int) -> str | None:
    if value is None:
        return None
    told = _told(value)
    found, fault = (None, "it must be a text") if told is None else checked(told, most)
    _complain(name, value, fault)
    return found


def _tags(values: object) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, tuple):
        _complain("tags", values, "it must be a list of texts")
        return ()
    told = [(value, _told(value)) for value in values]
    taken, faults = checked_tags(text for _, text in told if text is not None)
    faults += [f"the tag {_shown(value)} must be a text" for value, text in told if text is None]
    if faults:
        _complain("tags", values, "; ".join(faults))
    return taken


def _metadata(values: object) -> Mapping[str, object]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        _complain("metadata", values, "it must be a mapping")
        return {}
    return values


def _first(values: Iterable[Any]) -> tuple[Any, ...]:
    from itertools import islice

    if hasattr(values, "keys"):
        raise TypeError("a mapping is no list")
    return tuple(islice(values, _MOST_TAGS))


def _unread(_fault: Exception) -> None:
    """Says nothing of a collection that can't be read: it is said that it is no list of texts."""


_listed = guarded(_first, retires=False, theirs=_unread)


def _told(value: object) -> str | None:
    """Gives the text that a value is; a number's, and a member's of an enumeration, too."""
    from ..spans.foreign import member, scalar

    told = None if isinstance(value, bool) else scalar(member(value))
    return None if told is None else str(told)


def _shown(value: object) -> str:
    """Gives a value as a message shows it, without running code of the application's."""
    from ..spans.foreign import type_name

    told = _told(value)
    return type_name(value) if told is None else shown(told)


def _complain(name: str, value: object, fault: str) -> None:
    if fault:
        say_at_times(
            f"bttrace.context({name}={_shown(value)}) is not valid: {fault}; it is left out.",
            about=f"bttrace.context({name}) is not valid",
        )
