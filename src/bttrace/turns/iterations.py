"""A turn with its iterations, and the tool calls that wait for their results. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..evidence import Asking
from ..model import Metric
from .steps import Step


@dataclass(slots=True, eq=False)
class Pending:
    """One tool call that an answer asked for; `tool` is its span, when one is known."""

    asking: Asking
    turn: Turn
    iteration: Iteration
    asked_by: object
    tool: Step | None = None
    is_returned: bool = False
    is_error: bool = False

    def hear(self, asking: Asking) -> None:
        """Takes the call again, as it came whole."""
        self.asking = asking

    @property
    def is_free(self) -> bool:
        """Tells whether nothing is known yet of its execution."""
        return self.tool is None and not self.is_returned

    @property
    def has_run(self) -> bool:
        """Tells whether its execution was seen to end."""
        return self.tool is not None and self.tool.ended is not None

    @property
    def failed(self) -> bool:
        """Tells whether its execution raised, or the application said that it failed."""
        status = None if self.tool is None else self.tool.metadata.get("status")
        return self.is_error or status == "error"


@dataclass(slots=True, eq=False)
class Iteration:
    """One generation, or several that were asked the same, and the tools asked for; `running` are at work.

    Its steps stand in `above`: the turn's, or that of the agent to which the turn was handed over.
    """

    number: int
    reason: Step
    above: Step
    act: Step | None = None
    calls: dict[str, Pending] = field(default_factory=dict)
    running: int = 0


@dataclass(slots=True, eq=False)
class Turn:
    """One turn. `prompt` is what opened it in words, and `last` the content of its last answer.

    `answers` are the ids of its answers and of what they left unfinished, `said` what ended it, and
    `within` is the key of the execution that it was opened in. `delegates` are the steps of the
    agents to which it was handed over, one by the other.
    """

    step: Step
    weight: int
    prompt: str | None
    session: str | None = None
    answers: dict[str, None] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    touched: float = 0.0
    last: object = None
    iterations: list[Iteration] = field(default_factory=list)
    usage: Mapping[Metric, float] = field(default_factory=dict)
    within: object = None
    delegates: list[Step] = field(default_factory=list)

    @property
    def above(self) -> Step:
        """Gives the step in which its next iterations stand."""
        return self.delegates[-1] if self.delegates else self.step

    @property
    def has_run(self) -> bool:
        """Tells whether no call is at work, and every tool that was asked for last was seen to end."""
        last = self.iterations[-1]
        return not any(one.running for one in self.iterations) and all(
            call.has_run for call in last.calls.values()
        )

    def after(self, iteration: Iteration | None) -> Iteration | int:
        """Gives the iteration after one, or its number if there is none yet."""
        number = 1 if iteration is None else iteration.number + 1
        return next((one for one in self.iterations if one.number == number), number)


def added(usage: Mapping[Metric, float], more: Mapping[Metric, float]) -> Mapping[Metric, float]:
    """Gives the sums of two usages."""
    return {**usage, **{name: usage.get(name, 0) + count for name, count in more.items()}}
