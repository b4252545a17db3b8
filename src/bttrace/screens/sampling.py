"""Sampling by whole traces: a screen that lets a share of them pass.

Owns how it is decided of a trace: by a hash of its session's id, so that the turns of a
conversation are all there or all gone, in every process; of a trace without one, by a hash of
the trace's own id. What a lower rate keeps, a higher keeps too.

A trace is decided once, by its first span, which is its root unless the root is another
process's. One that requests name (`turns/traces.py`) each process decides by its own first
request: it is whole if they all say the same session, or none. A span that hangs in one of the
application's own braintrust spans is never left out: that trace is the application's, which
chose to have it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from ..contracts import Told
from ..model import Span

_REMEMBERED = 10_000  # traces, the latest used
_BYTES = 8  # of a digest, that are compared with the rate


class Sampling:
    """Lets the share `rate` of the traces pass. `passed` is for one thread: the writer's.

    `left_out` counts the spans that did not.
    """

    def __init__(self, rate: float) -> None:
        self.left_out = 0
        self._below = int(rate * 256**_BYTES)
        self._kept: OrderedDict[str, bool] = OrderedDict()

    def passed(self, span: Span, parent: object | None) -> Span | None:
        """Gives the span if its trace is kept."""
        if (parent is not None and not isinstance(parent, Told)) or self._keeps(span):
            return span
        self.left_out += not span.merges
        return None

    def is_left_out(self, trace: str) -> bool:
        """Tells whether a trace is left out, or will be, as far as that is known. Called on any thread."""
        kept = self._kept.get(trace)
        return not (self._is_below(trace) if kept is None else kept)

    def _keeps(self, span: Span) -> bool:
        trace = span.root_span_id
        kept = self._kept.get(trace)
        if kept is None:
            session = None if span.parents else span.metadata.get("session_id")
            kept = self._is_below(session if isinstance(session, str) and session else trace)
        self._kept[trace] = kept
        self._kept.move_to_end(trace)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return kept

    def _is_below(self, identity: str) -> bool:
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:_BYTES], "big") < self._below
