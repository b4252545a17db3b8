"""What was asked for and is awaited: which executions of which function.

Owns how many executions of a function are awaited, for which calls, and when nothing is
awaited any more. An *asking* is what one answer asked of one tool. Answers of several
agents can ask for the same function: the context, where it is known, tells whose
execution one is; the writer compares the arguments.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import field

from ...classes import dataclass
from ...executions import Execution
from ..calls import Call
from .candidates import Slot
from .targets import Known

_STRAYS = 32  # executions of a function in contexts that tell nothing of who asked
_AGE = 600.0  # seconds after which an execution is not awaited any more


@dataclass(slots=True, eq=False)
class Asking:
    """What one answer asked of one tool: `left` executions; `within` is the one that the call was in."""

    call: Call
    name: str
    within: Execution | None
    awaited: Awaited
    left: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def is_old(self) -> bool:
        """Tells whether nothing is expected of it any more."""
        return time.monotonic() - self.since > _AGE


ASKED: ContextVar[tuple[Asking, ...]] = ContextVar("bttrace_asked", default=())
"""What the answers asked for that were read in this context."""


@dataclass(slots=True, eq=False)
class Awaited:
    """A tool's function, and who asked for it. `slots` are where the application fetches it from.

    `strays` counts the executions that began in a context that tells nothing of who asked.
    """

    name: str
    known: Known
    slots: tuple[Slot, ...] = ()
    askings: tuple[Asking, ...] = ()
    is_watched: bool = False
    strays: int = 0

    def is_over(self, spare: int = 0) -> bool:
        """Tells whether as many executions have begun as are awaited, and `spare` more.

        Those that began in a context that tells nothing can be anybody's: some more are looked at.
        """
        if self.strays >= _STRAYS:
            return True
        for asking in self.askings:
            spare += asking.left
        return spare <= 0

    def askers(self) -> tuple[Call, ...]:
        """Gives the calls whose answers may have asked for an execution that begins here, and counts it."""
        here = [asking for asking in ASKED.get() if asking.awaited is self]
        if not here:
            here = list(self.askings)
            self.strays += 1
        else:
            for asking in here:
                if asking.left > 0 or asking is here[-1]:
                    asking.left -= 1
                    break
        return (here[0].call,) if len(here) == 1 else tuple(asking.call for asking in here)
