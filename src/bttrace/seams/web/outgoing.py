"""The headers that let another process go on with a trace, for whoever asks for them.

Owns which span they name: that of the innermost execution here which has one. It is told of
thereby, even if nothing else begins in it, for what names it must find it.
"""

from __future__ import annotations

from collections.abc import Callable

from ...contracts import Neighbours
from ...executions import Execution, around
from ...model import Json
from ...process.native import allocate_lock
from ...record import Recorder
from ...surroundings import traceparent

_PATIENCE = 0.05  # seconds that is waited for a place, which is known after one to five thousandths


class Outgoing:
    """Gives headers. `project` gives the project that our spans go to, as far as it is known."""

    def __init__(
        self,
        recorder: Recorder,
        neighbours: Neighbours,
        project: Callable[[], Json],
        is_left_out: Callable[[str], bool] | None,
    ) -> None:
        self._recorder = recorder
        self._neighbours = neighbours
        self._project = project
        self._is_left_out = is_left_out

    def headers(self) -> dict[str, str]:
        """Gives `traceparent` and `baggage`; nothing where there is no span of ours. Who calls it guards."""
        parent = self._neighbours.parent(None)
        execution = around(parent)
        if execution is None or (parent is not None and parent not in (execution.parent, execution.current)):
            return {}  # the application's own span has headers of its own
        while execution is not None:
            ids = execution.promised or self._placed(execution)
            if ids is not None:
                return self._naming(*ids)
            execution = execution.within
        return {}

    def _naming(self, trace_id: str, span_id: str) -> dict[str, str]:
        is_left_out = self._is_left_out is not None and self._is_left_out(trace_id)
        span = traceparent.Traceparent(trace_id, span_id, not is_left_out)
        if traceparent.parsed(str(span))[0] is None:
            return {}  # the application has given its trace an id that no header can name
        return traceparent.headers(span, self._project())

    def _placed(self, execution: Execution) -> tuple[str, str] | None:
        """Gives the ids of an execution's trace and span, once the writer has placed it."""
        if execution.placed is None and not execution.is_latent:
            lock = execution.awaited
            if lock is None:
                lock = allocate_lock()
                lock.acquire()
                execution.awaited = lock
            if execution.placed is None:  # or it was placed before the writer could know that we wait
                self._recorder.writer.rouse(at_once=True)
                if lock.acquire(timeout=_PATIENCE):
                    lock.release()
        if execution.placed is None:
            return None
        place, adopter = execution.placed
        return (place.root_span_id, place.span_id) if adopter is None else None
