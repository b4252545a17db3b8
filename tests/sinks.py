"""Sinks of one spool, and spans for them: what the spool does, without the programs that fill it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bttrace.config import read
from bttrace.contracts import Counts
from bttrace.guard import forget
from bttrace.model import Span
from bttrace.sinks.braintrust import BraintrustSink
from tests.doors import fresh_spool
from tests.loopback.braintrust import BraintrustServer
from tests.patience import SECONDS

START = 1_700_000_000.0


class Sinks:
    """Sinks of one spool, that are closed in the end."""

    def __init__(self, server: BraintrustServer) -> None:
        self.folder = Path(fresh_spool())
        self._server = server
        self._made: list[BraintrustSink] = []
        forget()

    def sink(self, **options: object) -> BraintrustSink:
        told = {"api_key": self._server.key, "api_url": self._server.url, "app_url": self._server.url}
        settings = read({}, {"project": "P", "spool_dir": str(self.folder), **told, **options})
        self._made.append(BraintrustSink(settings))
        return self._made[-1]

    @property
    def files(self) -> list[Path]:
        """The files there are; folders may be removed meanwhile."""
        found = (Path(at, name) for at, _, names in os.walk(self.folder) for name in names)
        return sorted(path for path in found if path.name != "lock" and path.is_file())

    def close(self) -> None:
        for sink in self._made:
            sink.close()


def span(name: str, output: object = None, *, again: bool = False, ended: bool = True) -> Span:
    metrics: dict[Any, float] = {"start": START, **({"end": START + 1} if ended else {})}
    return Span(
        row_id=f"row {name}",
        span_id=name,
        root_span_id="trace",
        parents=(),
        name=name,
        type="task",
        created="2023-11-14T22:13:20+00:00",
        metrics=metrics,
        metadata={},
        context={},
        output=output,
        merges=again,
    )


def flushed(sink: BraintrustSink, seconds: float = SECONDS, *, is_last: bool = False) -> bool:
    return sink.flush(time.monotonic() + seconds, is_last=is_last)


def counts(sink: BraintrustSink) -> tuple[int, int, int, int]:
    found: Counts = sink.counts()
    return found.sent, found.kept, found.waiting, found.lost


def outputs(server: BraintrustServer) -> dict[str, Any]:
    return {row["span_id"]: row.get("output") for row in server.rows("P")}
