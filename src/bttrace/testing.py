"""Testing an application's traces: spans in memory, and a clock and ids that a test sets.

    with bttrace.testing.capture() as captured:
        client.chat.completions.create(...)
    [row] = captured.rows
    assert row["metrics"]["prompt_tokens"] == 12

Nothing leaves the process, and no key is needed. Rows are dicts with the public names of
a Braintrust log row: `id`, `span_id`, `root_span_id`, `span_parents`, `span_attributes`,
`created`, `input`, `output`, `error`, `metadata`, `metrics`, `tags`, `context`.

Where a call carried an image, sound or a file, the row holds an `Attachment`, with its
`content_type`, `data` and `filename`, in the place of what was sent:

    [part] = row["input"][0]["content"]
    assert part["image_url"]["url"] == Attachment("image/png", PICTURE, "attachment.png")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from . import session
from .clock import Clock, Ids, RandomIds, SystemClock
from .contracts import Counts
from .model import Attachment, Json, Span
from .spans.encode import plain
from .spans.tree import merged
from .values import at, json_object
from .wiring import Parts

__all__ = [
    "Attachment",
    "Captured",
    "Clock",
    "CountedIds",
    "Ids",
    "ManualClock",
    "RandomIds",
    "SystemClock",
    "capture",
]

_FLUSH_TIMEOUT = 10.0


class ManualClock:
    """A clock that stands still until a test moves it. `start` is seconds since the epoch."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._reading = 0

    @property
    def now(self) -> Callable[[], int]:
        """Gives the monotonic clock: a function that returns nanoseconds."""
        return self._now

    def _now(self) -> int:
        return self._reading

    def advance(self, seconds: float) -> None:
        """Moves the clock on."""
        self._reading += round(seconds * 1e9)

    def epoch(self, reading: int) -> float:
        """Gives the wall time of a reading, in seconds since the epoch."""
        return self._start + reading / 1e9


class CountedIds:
    """Ids that count up from 1, so that a test can write them down."""

    def __init__(self) -> None:
        self._rows, self._spans, self._traces = count(1), count(1), count(1)

    def row(self) -> str:
        """Gives `row-1`, `row-2`, and so on."""
        return f"row-{next(self._rows)}"

    def span(self) -> str:
        """Gives the next span id, 16 hexadecimal digits."""
        return f"{next(self._spans):016x}"

    def trace(self) -> str:
        """Gives the next trace id, 32 hexadecimal digits."""
        return f"{next(self._traces):032x}"


class _MemorySink:
    """Keeps rows in memory."""

    name = "memory"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Json] = []

    def prepare(self) -> None:
        """Has nothing to do."""

    def write(self, span: Span, _parent: object | None) -> None:
        with self._lock:
            self._rows.append(json_object(plain(span.priced_row())))

    def rows(self) -> list[Json]:
        with self._lock:
            return merged(self._rows)

    def deliver(self) -> None:
        pass

    def flush(self, _deadline: float, *, is_last: bool) -> bool:  # noqa: ARG002 - as sinks are called
        return True

    def counts(self) -> Counts:
        return Counts(kept=len(self.rows()))

    def after_fork(self) -> None:
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        pass


class Captured:
    """What was traced so far."""

    def __init__(self, sink: _MemorySink) -> None:
        self._sink = sink

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Gives the log row of every span until now, parents before their children.

        A turn that has not ended, and what is open in it, has no `end` among its metrics.
        """
        session.flush(_FLUSH_TIMEOUT)
        return self._sink.rows()

    @property
    def generations(self) -> list[dict[str, Any]]:
        """Gives the rows of the calls alone, without the steps of the turns that they belong to."""
        instrumentation = "context.span_origin.instrumentation.name"
        return [row for row in self.rows if at(row, instrumentation) != "bttrace.turns"]


@contextmanager
def capture(*, clock: Clock | None = None, ids: Ids | None = None, **options: object) -> Iterator[Captured]:
    """Traces what happens inside the block, in memory.

    `options` are those of `bttrace.enable`. Raises `RuntimeError` when a session is on already.
    """
    if session.status().enabled:
        raise RuntimeError("bttrace is on already; call bttrace.disable() before capture()")
    sink = _MemorySink()
    session.enable(Parts(sinks=[sink], clock=clock, ids=ids), **options)
    try:
        yield Captured(sink)
    finally:
        session.disable()
