"""A turn with its iterations, and the tool calls that wait for their results. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal

from ..classes import dataclass
from ..evidence import Answer, Asking
from ..model import Metric
from .events import Failure
from .steps import Step

_PREVIEW = 200  # characters of an answer's text on its `reason`

Status = Literal["completed", "failed", "cancelled", "abandoned"]


@dataclass(slots=True, eq=False, repr=False)
class Pending:
    """One tool call that an answer asked for; `tool` is its span, when one is known.

    Of one that `is_coming` the arguments may not be there yet; of one that `is_hidden`
    nothing is told but what was seen: it may have run where nothing is traced.
    """

    asking: Asking
    turn: Turn
    iteration: Iteration
    asked_by: object
    weight: int = 0
    is_coming: bool = False
    tool: Step | None = None
    is_returned: bool = False
    is_error: bool = False
    is_hidden: bool = False

    @property
    def is_free(self) -> bool:
        """Tells whether nothing is known yet of its execution."""
        return self.tool is None and not self.is_returned

    @property
    def has_run(self) -> bool:
        """Tells whether its execution was seen to end."""
        return self.tool is not None and self.tool.metadata.get("status") in ("success", "error")

    @property
    def failed(self) -> bool:
        """Tells whether its execution raised, or the application said that it failed."""
        status = None if self.tool is None else self.tool.metadata.get("status")
        return self.is_error or status == "error"


@dataclass(slots=True, eq=False, repr=False)
class Iteration:
    """One generation, or several that were asked the same, and the tools asked for.

    `running` of them are at work, and `until` is when the last one ended. `prompt` are words of
    the user that came along with results, `preview` the beginning of the answer's. One that
    `is_answered` has an answer, one that `is_last` one that asks for no tools; one that
    `is_unfinished` goes on in another call. Its steps stand in `above`: the turn's, or that of
    the agent to which the turn was handed over.
    """

    number: int
    reason: Step
    above: Step
    prompt: str | None = None
    act: Step | None = None
    calls: dict[tuple[object, str, int], Pending] = field(default_factory=dict)
    running: int = 0
    until: float = 0.0
    preview: str | None = None
    failure: Failure | None = None
    is_answered: bool = False
    is_last: bool = False
    is_unfinished: bool = False

    def take(self, answer: Answer, failure: Failure | None) -> None:
        """Takes how one of its calls ended."""
        self.preview = (answer.text or "")[:_PREVIEW] or self.preview
        self.failure = failure
        self.is_unfinished = answer.unfinished and failure is None
        if failure is None:
            self.is_answered = self.is_answered or not answer.unfinished
            self.is_last = self.is_last or not (answer.asks or answer.unfinished)

    def numbered(
        self, key: object, asks: Iterable[Asking], *, again: bool
    ) -> Iterable[tuple[tuple[object, str, int], Asking]]:
        """Yields the calls of an answer, each by what tells it apart from all others of the iteration.

        Ids alone do not: one may come twice in an answer, and again in that of a second try.
        An answer that is asked for `again` has the calls that it had.
        """
        seen: dict[str, int] = {}
        known = {name[1:]: name for name in self.calls} if again else {}
        for asking in asks:
            position = seen[asking.id] = seen.get(asking.id, -1) + 1
            yield known.get((asking.id, position), (key, asking.id, position)), asking


@dataclass(slots=True, eq=False, repr=False)
class Turn:
    """One turn. `prompt` is what opened it in words, and `last` the content of its last answer.

    `answers` are the ids of its answers and of what they left unfinished, `said` what ended it.
    `touched` is the last time at which anything is known to have happened in it. `within` is the
    key of the execution that it was opened in, `delegates` are the steps of the agents to which it
    was handed over, one by the other. `span_name` is that of the span that a request had it stand in.
    """

    step: Step
    weight: int
    prompt: str | None
    session: str | None = None
    answers: dict[str, None] = field(default_factory=dict)
    said: dict[tuple[str, str], None] = field(default_factory=dict)
    touched: float = 0.0
    last: object = None
    iterations: list[Iteration] = field(default_factory=list)
    running: int = 0
    usage: dict[Metric, float] = field(default_factory=dict)
    within: object = None
    delegates: list[Step] = field(default_factory=list)
    span_name: str | None = None

    @property
    def above(self) -> Step:
        """Gives the step in which its next iterations stand."""
        return self.delegates[-1] if self.delegates else self.step

    @property
    def has_run(self) -> bool:
        """Tells whether no call is at work, and every tool that was asked for last was seen to end."""
        return not self.running and all(call.has_run for call in self.iterations[-1].calls.values())

    @property
    def status(self) -> Status | None:
        """Gives how the turn has ended; `None` while a call is at work, or more is expected."""
        if self.running:
            return None
        last = self.iterations[-1]
        if last.is_last:
            return "completed"
        if last.is_answered or last.is_unfinished:
            return None
        return last.failure or "abandoned"

    def at(self, number: int) -> Iteration | None:
        """Gives the iteration of a number, if there is one."""
        return self.iterations[number - 1] if number <= len(self.iterations) else None

    def touch(self, at: float) -> None:
        """Notes that something happened."""
        self.touched = max(self.touched, at)

    def spend(self, usage: Mapping[Metric, float], cost: float | None) -> None:
        """Adds what a call used to the turn's sums."""
        add(self.usage, usage)
        self.step.pay(cost)


def add(sums: dict[Metric, float], usage: Mapping[Metric, float]) -> None:
    """Adds what a call used to some sums."""
    for name, count in usage.items():
        sums[name] = sums.get(name, 0) + count
