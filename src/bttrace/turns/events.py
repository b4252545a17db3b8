"""What the tracker is told of: where something began, how a call ended, what an execution is. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ..classes import dataclass
from ..evidence import Answer, Compaction, Return
from ..model import Caller, Metric
from ..surroundings.correlation import NOTHING, Correlation
from ..surroundings.trace_keys import Trace
from .steps import Kind

Failure = Literal["failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something began: within an execution, by its key, and in the application's own span, if any.

    `correlation` is what was said around it, and `trace` what a request said of where it belongs.
    """

    within: object = None
    root_span_id: str | None = None
    span_id: str | None = None
    adopter: object = None
    caller: Caller | None = None
    correlation: Correlation = NOTHING
    trace: Trace | None = None

    @property
    def root(self) -> str | None:
        """Gives the trace that it is to be in, as far as that is known."""
        asked = None if self.trace is None else self.trace.root_span_id
        return asked or self.root_span_id


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """How a call ended. `usage` and `cost` are its span's; `compactions` were all that it did."""

    answer: Answer
    failure: Failure | None = None
    usage: Mapping[Metric, float] = field(default_factory=dict)
    compactions: tuple[Compaction, ...] = ()
    cost: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """An execution that was observed: of a tool, or of a function that is a workflow or a task.

    `arguments` are by parameter. What is `found` by the name that a model asked for counts
    only if it was asked for; `asked_by` are then the keys of the calls that may have asked. A tool that
    hands the turn over does so to the `delegate` of that name. What was `promised` are the ids of its
    trace and its span.
    """

    kind: Kind
    name: str
    arguments: Mapping[str, object]
    call_id: str | None = None
    found: bool = False
    asked_by: tuple[object, ...] = ()
    delegate: str | None = None
    returns: Return = "by id"
    promised: tuple[str, str] | None = None
