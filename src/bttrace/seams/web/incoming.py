"""The trace that something comes from which another process asks for, as its headers say.

Owns what becomes of it. A trace hangs in the span that its headers name where that span is in the
project that ours go to: Braintrust's own `baggage` says so. Where it says nothing, or names another
project or an experiment, the span that is named is not to be found there, and under it nothing would
be shown: then only the trace is the same, in which ours is a root. The flag that a sender does not
record is not heeded: whether a trace is kept is decided by its id, alike in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...executions import Execution
from ...guard import say_at_times
from ...limits import shown
from ...model import Json
from ...surroundings.correlation import Correlation, Remote
from ...surroundings.traceparent import container, is_within, parsed


class Incoming:
    """Reads headers. `project` gives the project that our spans go to, as far as it is known."""

    def __init__(self, project: Callable[[], Json]) -> None:
        self._project = project

    def join(self, execution: Execution, traceparents: Sequence[str], baggages: Sequence[str]) -> None:
        """Has an execution go on with the trace that these headers name, if they name one."""
        if not traceparents:
            return
        span, fault = parsed(traceparents[0])
        if len(traceparents) > 1:
            span, fault = None, "there must be one"
        if span is None:
            value = ", ".join(traceparents)
            say_at_times(
                f"the traceparent of what came in, {shown(value)}, is not valid: {fault}; it is left out.",
                about="a traceparent is not valid",
            )
            return
        named = container(",".join(baggages))
        above = span.span_id if is_within(named, self._project()) else None
        joined = Correlation(parent=Remote(span.trace_id, above))
        execution.correlation = joined.within(execution.correlation)
