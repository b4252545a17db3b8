"""The console sink: each finished span as a line on stderr."""

from __future__ import annotations

import sys
from functools import partial

from ..contracts import Counts
from ..journal import printed
from ..model import Span
from ..speech import speak, write


class ConsoleSink:
    """Prints each span when it ends."""

    name = "console"

    def __init__(self) -> None:
        self._printed = 0
        self._lost = 0

    def prepare(self) -> None:
        """Has nothing to do."""

    def write(self, span: Span, _parent: object | None) -> None:
        """Prints a span that has ended, if there is a stderr."""
        if "end" not in span.metrics:
            return
        speak(partial(self._print, span))

    def _print(self, span: Span) -> None:
        out = sys.stderr
        if out is not None and write("".join(f"{line}\n" for line in printed([span.priced_row()], out))):
            self._printed += 1
        else:
            self._lost += 1

    def deliver(self) -> None:
        """Has nothing to do: every span is printed already."""

    def flush(self, _deadline: float, *, is_last: bool) -> bool:  # noqa: ARG002 - as sinks are called
        """Has nothing to do: every span is printed already."""
        return self._lost == 0

    def counts(self) -> Counts:
        """Gives the spans that were printed, as sent."""
        return Counts(sent=self._printed, lost=self._lost)

    def after_fork(self) -> None:
        """Counts anew."""
        self._printed = self._lost = 0

    def close(self) -> None:
        """Has nothing to let go of."""
