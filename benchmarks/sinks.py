"""A sink that sends nothing."""

from __future__ import annotations

from bttrace.contracts import Counts
from bttrace.model import Span
from bttrace.spans.encode import joined, line


class NullSink:
    """Counts spans, and encodes them if it is told to, which takes spans that passed the screens."""

    name = "null"

    def __init__(self, *, encodes: bool = False) -> None:
        self.written = 0
        self.bytes = 0
        self._encodes = encodes

    def prepare(self) -> None:
        """Has nothing to do."""

    def write(self, span: Span, _parent: object | None) -> None:
        """Counts a span."""
        self.written += 1
        if self._encodes:
            told = span.content
            self.bytes += len(joined(span.placed(), told) if told else line(span.row()))

    def deliver(self) -> None:
        """Has nothing to do."""

    def flush(self, _deadline: float, *, is_last: bool) -> bool:  # noqa: ARG002 - as sinks are called
        """Has nothing to do."""
        return True

    def counts(self) -> Counts:
        """Gives the spans that came, as sent."""
        return Counts(sent=self.written)

    def after_fork(self) -> None:
        """Has nothing to do."""

    def close(self) -> None:
        """Has nothing to let go of."""
