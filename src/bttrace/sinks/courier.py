"""Sending on a thread of its own: again after a failure, and in haste when somebody waits.

Owns when a try is made and for how long. Knows nothing of what is sent, nor where.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..guard import guarded
from ..native import Event
from ..worker import Worker
from .backoff import Backoff

_TRIES = 3  # of one flush


class _Haste:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.done = Event()


class Courier:
    """Calls `send` as long as it `waits`, that is, as there is something to be sent.

    `send` takes a deadline of `time.monotonic`, which outside of a flush is `patience` seconds
    away, and a backoff, which it tells how that went.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[float, Backoff], object],
        waits: Callable[[], bool],
        patience: float,
    ) -> None:
        self._send = guarded(send, retires=False)
        self._waits = waits
        self._patience = patience
        self._backoff = Backoff()
        self._hastes: deque[_Haste] = deque()
        self._worker = Worker(name, self._work)

    @property
    def is_parked(self) -> bool:
        """Whether the process is about to fork, so that no further request shall begin."""
        return self._worker.parked

    def rouse(self) -> None:
        """Lets it send, unless a failure asks for a pause. Never blocks."""
        self._worker.rouse()

    def flush(self, deadline: float) -> bool:
        """Sends what waits, trying a few times until the deadline; tells whether nothing waits any more."""
        haste = _Haste(deadline)
        self._hastes.append(haste)
        self._worker.rouse(at_once=True)
        if not self._worker.stand_in(deadline):
            haste.done.wait(max(deadline - time.monotonic(), 0.0))
        return not self._waits()

    def end(self, timeout: float) -> None:
        """Ends the thread, after the try that it is at."""
        self._worker.end(timeout)

    def _work(self) -> float | None:
        while self._hastes:
            haste = self._hastes[0]
            self._hurry(haste.deadline)
            if self.is_parked:
                return None  # it goes on when the process has forked
            self._hastes.popleft()
            haste.done.set()
        if self._waits() and self._backoff.left() <= 0:
            self._try(time.monotonic() + self._patience)
        return max(self._backoff.left(), 0.0) if self._waits() else None

    def _hurry(self, deadline: float) -> None:
        for _ in range(_TRIES):
            if self.is_parked or not self._waits():
                return
            self._try(deadline)
            pause = self._backoff.left()
            if not self._waits() or time.monotonic() + pause >= deadline:
                return
            self._worker.rest(pause)

    def _try(self, deadline: float) -> None:
        self._worker.away = True
        try:
            self._send(deadline, self._backoff)
        finally:
            self._worker.away = False
        if self._waits() and self._backoff.left() <= 0 and not self.is_parked:
            self._backoff.failed(None)  # it could not say why
