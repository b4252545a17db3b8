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
    from types import TracebackType
    from typing import Any, TypeAlias

    Entered: TypeAlias = "tuple[Block, Any, Entered | None]"


class Block:
    """One block. It can be entered again, also within itself. A subclass names its variable."""

    __slots__ = ("_is_left",)
    entered: ContextVar[Entered | None]

    def __init__(self) -> None:
        self._is_left = False

    def holds(self) -> Any:
        """Gives what those inside shall find; called when it is entered."""
        return None

    def __enter__(self) -> None:
        self._is_left = False
        outer = self.entered.get()
        self.entered.set((self, self.holds(), innermost(outer)))

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        within = self.entered.get()
        if within is not None and within[0] is self:
            self.entered.set(within[2])
        else:  # a generator was closed from elsewhere: the context that it was entered in is out of reach
            self._is_left = True

    def is_around(self) -> bool:
        """Tells whether it is not left yet, as far as a context can't tell by itself."""
        return not self._is_left


def innermost(within: Entered | None) -> Entered | None:
    """Gives the innermost block that is still around."""
    while within is not None and not within[0].is_around():
        within = within[2]
    return within
