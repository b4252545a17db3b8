"""A `with` block of the application's code, known by the context that it was entered in.

Tasks and threads that inherit the context are in the block too, however long they last. Owns
what is hard about leaving one: a generator that was closed from elsewhere leaves a context that is
out of reach, so that the block itself must remember that it was left. Light: a process that is
never traced may use one.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Any, TypeAlias

    Entered: TypeAlias = "tuple[Block, Any, Entered | None, Stay]"


class Stay:
    """One time that a block was entered, for all contexts that inherit it."""

    __slots__ = ("is_left", "token")

    def __init__(self) -> None:
        self.is_left = False  # as far as a context can't tell by itself
        self.token: Token[Entered | None] | None = None


class Block:
    """One block. It can be entered again, also within itself. A subclass names its variable."""

    __slots__ = ("_latest",)
    entered: ContextVar[Entered | None]

    def __init__(self) -> None:
        self._latest = Stay()

    def holds(self) -> Any:
        """Gives what those inside shall find; called when it is entered."""
        return None

    def __enter__(self) -> None:
        stay = self._latest = Stay()
        outer = innermost(self.entered.get())
        stay.token = self.entered.set((self, self.holds(), outer, stay))

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        innermost_entered = within = self.entered.get()
        while within is not None and within[0] is not self:
            within = within[2]
        stay = self._latest if within is None else within[3]
        if within is not innermost_entered or within is None or not _undone(self.entered, stay):
            # A generator was closed from elsewhere: the context that it was entered in is out of reach.
            stay.is_left = True


def _undone(entered: ContextVar[Entered | None], stay: Stay) -> bool:
    """Makes this context as it was before a block was entered, if it was entered in this very one."""
    try:
        entered.reset(stay.token)  # type: ignore[arg-type]
    except (RuntimeError, ValueError):  # in another context, of which this may be a copy
        return False
    return True


def innermost(within: Entered | None) -> Entered | None:
    """Gives the innermost block that is still around."""
    while within is not None and within[3].is_left:
        within = within[2]
    return within
