"""The end of the process, as far as it waits for us.

Owns when what is left is delivered, and that all of it takes no longer than the exit
timeout. Knows nothing of what is delivered.

Exit handlers run last to first. One of ours is there from when the first SDK was imported:
what others registered before then comes after it, and may need what we deliver. More can be
put before others. The *last* one is there from the beginning of the session, so that it
comes after all that the application registers later, and its calls in there are delivered
too. From then on no thread of ours writes to a stream: one that does so while the
interpreter goes down aborts it.
"""

from __future__ import annotations

import atexit
import sys
import time
from _thread import get_ident
from collections.abc import Callable
from contextlib import suppress

from .. import speech
from ..guard import guarded

_PATIENCE = 0.2  # seconds that the last handler waits for a thread of ours that is at it
_UNWILLING = (KeyboardInterrupt, SystemExit)  # from a signal's handler, which ends the wait


class Exit:
    """Calls `deliver` with the seconds that it may take, whenever something is to be delivered at the exit.

    Never raises. `rest` ends what could disturb the end of the interpreter, after at most so many seconds.
    """

    def __init__(
        self, timeout: float, deliver: Callable[[float], object], rest: Callable[[float], object]
    ) -> None:
        self._left = timeout
        self._deliver = guarded(deliver, retires=False)
        self._rest = guarded(rest, retires=False)
        self._thread: int | None = None
        atexit.register(self.wait)

    @property
    def is_here(self) -> bool:
        """Whether this thread ends the process, and nobody will deliver after it."""
        return self._thread == get_ident() and not sys.is_finalizing()

    def sooner(self) -> None:
        """Waits also before exit handlers that are registered by now."""
        atexit.register(self.wait)

    def cancel(self) -> None:
        """Lets the process end without waiting."""
        atexit.unregister(self.wait)
        self._left = 0.0

    def wait(self) -> None:
        """Delivers, for as long as is left of the timeout, or until somebody ends the program again."""
        began = time.monotonic()
        loaded = len(sys.modules)
        try:
            self._deliver(max(self._left, 0.0))
        except _UNWILLING:
            self._left = 0.0
            with suppress(*_UNWILLING):
                self._deliver(0.0)
        self._left -= time.monotonic() - began
        if len(sys.modules) != loaded:
            _interrupt_again()

    def end(self) -> None:
        """Comes to rest, after the last handler."""
        self._thread = get_ident()
        with suppress(*_UNWILLING):
            self._rest(_PATIENCE)
            speech.keep(_PATIENCE)

    def after_fork(self) -> None:
        """Leaves it to the parent that it ends."""
        self._thread = None


def _interrupt_again() -> None:
    """Lets a process that Ctrl-C ends still end that way, after modules were loaded at its exit.

    CPython (3.10 to 3.13, `Python/pythonrun.c`) forgets that nobody caught the KeyboardInterrupt when
    a string is evaluated, as it is where named tuples and dataclasses are made; one that leaves
    such an evaluation reminds it.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - see above
