"""Sending on a thread of its own: again after a failure, and in haste when somebody waits.

Owns when a try is made and for how long. Knows nothing of what is sent, nor where.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..guard import guarded
from ..process.native import Event
from ..process.worker import Worker
from .backoff import Backoff

_TRIES = 3  # of one flush


def _nothing() -> bool:
    return False


class _Haste:
    """Somebody waits: until the deadline, for all that `waits`. The last is followed by no other try."""

    def __init__(self, deadline: float, waits: Callable[[], bool], *, is_last: bool) -> None:
        self.deadline = deadline
        self.waits = waits
        self.is_last = is_last
        self.done = Event()


class Courier:
    """Calls `send` as long as it `waits`, that is, as there is something to be sent.

    `send` takes a deadline of `time.monotonic`, which outside of a flush is `patience` seconds
    away, and a backoff, which it tells how that went. What is `idle` work has time: nobody who
    flushes waits for it. `connect` is called before each try, while a fork still waits.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[float, Backoff], object],
        waits: Callable[[], bool],
        patience: float,
        *,
        idles: Callable[[], bool] = _nothing,
        connect: Callable[[], object] = _nothing,
    ) -> None:
        self._send = guarded(send, retires=False)
        self._connect = guarded(connect, retires=False)
        self._waits = waits
        self._idles = idles
        self._patience = patience
        self._backoff = Backoff()
        self._hastes: deque[_Haste] = deque()
        self._haste: _Haste | None = None
        self._ends = False
        self._worker = Worker(name, self._work)

    @property
    def is_parked(self) -> bool:
        """Whether the process is about to fork, so that no further request shall begin."""
        return self._worker.parked

    @property
    def is_hurried(self) -> bool:
        """Whether somebody waits for what is done now, or next."""
        return bool(self._hastes)

    @property
    def has_time(self) -> bool:
        """Whether idle work may be done: nobody waits for anything else."""
        others = len(self._hastes) - (self._haste is not None)
        return not others and (self._haste is None or self._haste.waits is self._idles)

    @property
    def is_ending(self) -> bool:
        """Whether what fails now is not tried again, but for somebody who waits for it."""
        return self._ends

    def rouse(self) -> None:
        """Lets it send, unless a failure asks for a pause. Never blocks."""
        self._worker.rouse()

    def flush(self, deadline: float, *, is_last: bool) -> None:
        """Sends what waits, trying a few times until the deadline."""
        self._hasten(_Haste(deadline, self._waits, is_last=is_last))

    def idle(self, deadline: float) -> None:
        """Does idle work until the deadline."""
        self._hasten(_Haste(deadline, self._idles, is_last=True))

    def _hasten(self, haste: _Haste) -> None:
        self._hastes.append(haste)
        self._worker.rouse(at_once=True)
        if not self._worker.stand_in(haste.deadline):
            haste.done.wait(max(haste.deadline - time.monotonic(), 0.0))

    def is_alive(self) -> bool:
        """Tells whether the thread is still at something."""
        return self._worker.is_alive()

    def end(self, timeout: float) -> None:
        """Ends the thread, after the try that it is at."""
        self._worker.end(timeout)

    def _work(self) -> float | None:
        while self._hastes:
            self._haste = haste = self._hastes[0]
            self._ends = haste.is_last
            self._hurry(haste)
            self._haste = None
            if self.is_parked:
                return None  # it goes on when the process has forked
            self._hastes.popleft()
            haste.done.set()
        if self._has_work() and self._backoff.left() <= 0:
            self._try(time.monotonic() + self._patience)
        return max(self._backoff.left(), 0.0) if self._has_work() else None

    def _has_work(self) -> bool:
        return not self._ends and (self._waits() or self._idles())

    def _hurry(self, haste: _Haste) -> None:
        for _ in range(_TRIES):
            if self.is_parked or not haste.waits() or time.monotonic() >= haste.deadline:
                return
            self._try(haste.deadline)
            pause = self._backoff.left()
            if not haste.waits() or time.monotonic() + pause >= haste.deadline:
                return
            self._worker.rest(pause)

    def _try(self, deadline: float) -> None:
        self._connect()
        self._worker.away = True
        try:
            self._send(deadline, self._backoff)
        finally:
            self._worker.away = False
        if self._waits() and self._backoff.left() <= 0 and not self.is_parked:
            self._backoff.failed(None)  # it could not say why
