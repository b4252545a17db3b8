"""Delivery before the platform stops the process, as it does once a function has answered.

Owns when the application's thread waits for it: when the last of what is under way in the
process has ended, that is, no call is at work, nor any function that is a workflow; and the
answer asks for no tools, so that nothing more is to come. It waits for a second at the most,
and not again while what it waited for in vain is still not delivered.
"""

from __future__ import annotations

import time

from ..contracts import Observation
from ..executions import Execution
from ..record import Recorder
from . import forks
from .native import Event
from .worker import is_ours

_PATIENCE = 1.0  # seconds that the application may wait for a trace to be delivered
_AGE = 60.0  # seconds after which something is not expected to end soon: a stream that nobody reads


class _Waiter:
    """Somebody who waits until the writer has handled what has ended."""

    def __init__(self) -> None:
        self.handled = Event()
        self.goes_on = False  # the turn, because the answer asks for tools


class Haste:
    """Makes those who end a trace wait until it is delivered."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._under_way: dict[int, float] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._sent_in_vain: int | None = None  # what was sent when somebody had waited in vain
        forks.follow(self)

    def began(self, it: object) -> None:
        """Takes it that something of the application's began."""
        self._under_way[id(it)] = time.monotonic()

    def put(self, it: Observation | Execution, *, waits: bool) -> None:
        """Queues what has ended, and waits for its delivery if it `waits`, and is the last."""
        is_known = self._under_way.pop(id(it), None) is not None
        if not (is_known and waits and self._is_time()):
            self._recorder.put(it)
            self._recorder.writer.rouse(at_once=True)
            return
        until = time.monotonic() + _PATIENCE
        waiter = self._waiters[id(it)] = _Waiter()
        try:
            self._recorder.put(it)
            self._recorder.writer.rouse(at_once=True)
            waiter.handled.wait(_PATIENCE)
        finally:
            self._waiters.pop(id(it), None)
        if not waiter.goes_on:
            self._deliver(until)

    def ended(self, it: object, *, waits: bool) -> None:
        """Takes it that something has ended that was queued before."""
        if self._under_way.pop(id(it), None) is not None and waits and self._is_time():
            self._deliver(time.monotonic() + _PATIENCE)

    def taken(self, it: object, *, asks: bool) -> None:
        """Takes it that something that has ended was handled. Called on the writer thread."""
        waiter = self._waiters.get(id(it))
        if waiter is not None:
            waiter.goes_on = asks
            waiter.handled.set()

    def _deliver(self, until: float) -> None:
        before = self._sent()
        went = self._recorder.flush(max(until - time.monotonic(), 0.0))
        self._sent_in_vain = before if not went and self._sent() == before else None

    def _is_time(self) -> bool:
        """Tells whether nothing is under way that will end, and wait then; and it is not in vain."""
        latest = time.monotonic() - _AGE
        if any(since > latest for since in list(self._under_way.values())) or is_ours():
            return False
        return self._sent_in_vain is None or self._sent() != self._sent_in_vain

    def _sent(self) -> int:
        return sum(sink.counts().sent for sink in self._recorder.sinks)

    # Around a fork.

    def before_fork(self) -> None:
        """Has nothing to come to rest."""

    def after_fork_in_parent(self) -> None:
        """Has nothing to go on with."""

    def after_fork(self) -> None:
        """Leaves what is under way to the parent."""
        self._under_way.clear()
        self._waiters.clear()
