"""The block in which what begins is correlated: `with bttrace.context(session_id=...)`.

Owns the block, what a call made here finds of it, and what is said of arguments that can't be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .blocks import Block, innermost
from .correlation import Correlation
from .guard import guarded, say_at_times
from .limits import SESSION_ID, USER_ID, checked, checked_tags, shown

if TYPE_CHECKING:
    from .blocks import Entered

CORRELATED: ContextVar[Entered | None] = ContextVar("bttrace_correlated", default=None)
"""The innermost block that the application's code runs in, its correlation, and the block around it."""


class Correlated(Block):
    """A block in which what begins has a correlation, with that of the blocks around it.

    `begun` is called whenever it is entered.
    """

    __slots__ = ("_begun", "_correlation")
    entered = CORRELATED

    def __init__(self, correlation: Correlation, begun: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._correlation = correlation
        self._begun = begun

    def holds(self) -> Correlation:
        """Gives the whole correlation inside."""
        if self._begun is not None:
            self._begun()
        return self._correlation.within(current())


def current() -> Correlation | None:
    """Gives what is said around the code that asks."""
    within = CORRELATED.get()
    if within is None:
        return None
    found = innermost(within)
    if found is None:
        return None
    correlation: Correlation = found[1]
    return correlation


def _given(session_id: object, user_id: object, tags: object, metadata: object) -> Correlation:
    """Gives the correlation that a user asks for; what can't be taken is said, and left out."""
    session, fault = checked(session_id, SESSION_ID)
    _complain("session_id", session_id, fault)
    user, fault = checked(user_id, USER_ID)
    _complain("user_id", user_id, fault)
    listed = [tags] if isinstance(tags, str) else tags
    if not isinstance(listed, Iterable):
        _complain("tags", tags, "" if tags is None else "it must be a list of texts")
        listed = ()
    taken, faults = checked_tags(listed)
    for fault in faults:
        _complain("tags", tags, fault)
    if not isinstance(metadata, Mapping):
        _complain("metadata", metadata, "" if metadata is None else "it must be a mapping")
        metadata = {}
    return Correlation(session, user, taken, {str(name): value for name, value in metadata.items()})


def _complain(name: str, value: object, fault: str) -> None:
    if fault:
        say_at_times(
            f"bttrace.context({name}={shown(value)}) is not valid: {fault}; it is left out.",
            about=f"bttrace.context({name}) is not valid",
        )


_taken = guarded(_given, retires=False)


def given(session_id: object, user_id: object, tags: object, metadata: object) -> Correlation:
    """Gives the correlation that a user asks for. Never raises."""
    return _taken(session_id, user_id, tags, metadata) or Correlation()
