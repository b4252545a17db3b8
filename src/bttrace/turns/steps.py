"""The steps of a turn, as they are known so far, and the span of each. PURE.

A *step* is what stands between the root of a trace and its model calls: a turn, its `reason`
and `act` of each iteration, a tool, a task that a tool was delegated, a workflow, a compaction;
and a trace's root and a span within that a request named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal, Protocol

from ..classes import dataclass
from ..evidence import Compaction
from ..model import Caller, Json, Metric, Span, SpanType
from ..spans.media import attached
from ..spans.shape import context, correlated, timestamp
from ..spans.style import Place, Style
from ..surroundings.correlation import NOTHING, Correlation

Kind = Literal["turn", "reason", "act", "tool", "task", "workflow", "compaction", "trace", "span"]
_TYPES: Mapping[Kind, SpanType] = {"tool": "tool"}
_COUNTING = ("reason", "act", "compaction")
_TEXTS = frozenset({"text_preview"})  # what of an output is words of the model
_ENDINGS = tuple({"status": status} for status in ("failed", "cancelled", "abandoned"))


class Ids(Protocol):
    """Gives new ids."""

    def row(self) -> str:
        """Gives the id of a log row."""

    def span(self) -> str:
        """Gives the id of a span."""

    def trace(self) -> str:
        """Gives the id of a trace."""


def beneath(above: Place, ids: Ids) -> Place:
    """Gives a new place under another."""
    return Place(
        row_id=ids.row(), span_id=ids.span(), root_span_id=above.root_span_id, parents=(above.span_id,)
    )


@dataclass(slots=True, eq=False, repr=False)
class Step:
    """One step. Times are seconds since the epoch; `ended` is `None` while it is open.

    `said` tells that input and output are content, which may not be recorded. `adopter` is the
    application's own span in which the whole trace hangs, if any; `correlation` is told of with it. Other
    processes may tell of one that `is_shared`.
    `cost` is the sum of what its calls cost, as a span has it.
    """

    place: Place
    kind: Kind
    name: str
    started: float
    adopter: object = None
    ended: float | None = None
    input: object = None
    output: object = None
    error: str | None = None
    metadata: Json = field(default_factory=dict)
    caller: Caller | None = None
    correlation: Correlation = NOTHING
    cost: float | None = None
    origin: str = "turns"
    is_sent: bool = False
    is_shared: bool = False

    def pay(self, cost: float | None) -> None:
        """Adds what a call cost to the sum; with one that is not known, no sum is."""
        if cost is not None:
            self.cost = cost + (self.cost or 0)

    def sent(self) -> None:
        """Takes it that the step was written; of one that has ended, content is not kept any longer.

        Rows are whole, so there is no later one then; but a turn can go on, and keeps what it was asked,
        which the memory of turns bounds.
        """
        self.is_sent = True
        if self.ended is not None:
            self.output = None
            if self.kind != "turn":
                self.input = None

    def span(self, style: Style) -> Span:
        """Gives the step's span as it is now; one without an end is open still."""
        metrics: dict[Metric, float] = {"start": self.started}
        if self.ended is not None:
            metrics["end"] = max(self.ended, self.started)
            if self.kind == "tool":
                metrics["duration_ms"] = round((metrics["end"] - self.started) * 1000, 3)
        said = style.capture_content
        return Span(
            row_id=self.place.row_id,
            span_id=self.place.span_id,
            root_span_id=self.place.root_span_id,
            parents=self.place.parents,
            name=self.name,
            type=_TYPES.get(self.kind, "task"),
            created=timestamp(self.started),
            input=attached(self.input) if said or self.kind == "act" else None,
            output=attached(self.output) if said else _without_content(self.output, self.kind),
            error=_error(self.error, said=said),
            metadata=correlated(self.metadata, self.correlation),
            metrics=metrics,
            context=context(self.origin, self.caller, style),
            tags=self.correlation.tags,
            merges=self.is_sent,
            shared=self.is_shared,
            cost=self.cost,
        )


def conclude(step: Step, compactions: Iterable[Compaction], failure: str | None = None) -> None:
    """Writes into the step of a compaction what made it happen, and what it did."""
    for compaction in compactions:
        status = "failed" if compaction.failed else failure
        step.input = compaction.trigger
        step.output = {**compaction.counts, **({} if status is None else {"status": status})} or None


def _error(error: str | None, *, said: bool) -> str | None:
    """Gives an error's kind and message; the kind alone where the message may not be told."""
    if error is None or said:
        return error and error.removeprefix(": ")
    return error.partition(":")[0] or "error"


def _without_content(output: object, kind: Kind) -> object:
    """Gives what of an output is no content: counts, and how it ended."""
    if not isinstance(output, dict):
        return None
    if kind not in _COUNTING:
        return output if kind == "turn" and output in _ENDINGS else None
    return {name: value for name, value in output.items() if name not in _TEXTS}
