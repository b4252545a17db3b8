"""Delivery before the platform stops the process, as it does once a function has answered.

Owns when the application's thread waits for it: when the last of what is under way in the
process has ended, that is, no call is at work, nor any function that is a workflow; and the
answer asks for no tools, so that nothing more is to come. It waits for a second at the most,
and not again while what it waited for in vain is still not delivered.
"""

from __future__ import annotations

import time
from weakref import WeakSet

from .contracts import Ended
from .executions import Execution
from .record import Recorder
from .worker import is_ours

_PATIENCE = 1.0  # seconds that the application may wait for a trace to be delivered
_AGE = 60.0  # seconds after which something is not expected to end soon: a stream that nobody reads


class Promptness:
    """Makes those who end a trace wait until it is delivered."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._under_way: dict[int, float] = {}
        self._going_on: WeakSet[object] = WeakSet()
        self._sent_in_vain: int | None = None  # what was sent when somebody had waited in vain

    def began(self, it: object) -> None:
        """Takes it that a call or an execution began."""
        self._under_way[id(it)] = time.monotonic()

    def goes_on(self, it: object) -> None:
        """Takes it that a call's answer asks for tools. Called on the writer thread."""
        self._going_on.add(it)

    def forget(self) -> None:
        """Starts anew in a forked child."""
        self._under_way.clear()

    def ended(self, it: Ended | Execution, *, waits: bool) -> None:
        """Takes it that one has ended, after it was queued; waits for its delivery if it `waits`."""
        is_known = self._under_way.pop(id(it), None) is not None
        if not is_known:
            return
        if waits and not self._is_busy() and not self._is_in_vain() and not is_ours():
            self._wait(it)
        else:
            self._recorder.writer.rouse(at_once=True)

    def _wait(self, it: Ended | Execution) -> None:
        until = time.monotonic() + _PATIENCE
        self._recorder.written(_PATIENCE)
        if it in self._going_on:
            return
        before = self._sent()
        went = self._recorder.flush(max(until - time.monotonic(), 0.0))
        self._sent_in_vain = before if not went and self._sent() == before else None

    def _is_busy(self) -> bool:
        """Tells whether something is under way that will end, and wait then."""
        latest = time.monotonic() - _AGE
        return any(since > latest for since in list(self._under_way.values()))

    def _is_in_vain(self) -> bool:
        """Tells whether nothing was delivered since somebody waited in vain."""
        return self._sent_in_vain is not None and self._sent() == self._sent_in_vain

    def _sent(self) -> int:
        return sum(sink.counts().sent for sink in self._recorder.sinks)
