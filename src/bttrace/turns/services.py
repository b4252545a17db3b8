"""What a provider did by itself while it answered, as steps: the tools that it ran, and compactions. PURE.

Each stands within the generation that it happened in. A tool's result can come in a later
answer, or be told again by another call that asks for the same answer: its step is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from ..classes import dataclass
from ..evidence import Answer, Bounds, Compaction, Served
from ..model import Json
from ..spans.media import attached
from ..spans.style import Place
from ..values import items
from .steps import Ids, Step, beneath, conclude

_LIMIT = 1000  # of the tools that are open, and of those that were told of; beyond it the oldest are given up


@dataclass(frozen=True, slots=True)
class Within:
    """The generation in which something happened, and what its stream tells of when.

    What an answer says that `is_told_again`, as a whole or in part, may be known already.
    """

    place: Place
    started: float
    ended: float
    adopter: object = None
    moments: Mapping[str, Bounds] = field(default_factory=dict)
    is_told_again: bool = False

    def bounds(self, key: str | None) -> tuple[float, float | None]:
        """Gives when something began, and when it ended if that is known."""
        began, ended = self.moments.get(key or "", (None, None))
        return self.started if began is None else began, ended


class Services:
    """Remembers tools whose results are still to come."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._open: dict[str, Step] = {}
        self._told: dict[tuple[str | None, str | None], None] = {}

    def steps(self, within: Within, answer: Answer, compactions: Iterable[Compaction]) -> Iterator[Step]:
        """Yields the steps that an answer tells of, new ones and those that it completes."""
        goes_on = answer.unfinished or bool(answer.asks)
        for served in answer.served:
            if served.name is None or (within.is_told_again and served.id in self._open):
                if served.is_done and (step := self._open.pop(served.id, None)) is not None:
                    self._complete(step, served, within)
                    self._is_news(answer, served.id, within)
                    yield step
            elif not goes_on or served.is_done:
                if self._is_news(answer, served.id, within):
                    yield self._ran(served, within)
            else:
                self._open[served.id] = step = self._ran(served, within, is_open=True)
                yield step
        for compaction in compactions:
            if self._is_news(answer, compaction.key, within):
                yield self._compacted(compaction, within)
        while len(self._open) > _LIMIT:
            yield _abandoned(self._open.pop(next(iter(self._open))), within.ended)

    def abandon(self, at: float) -> Iterator[Step]:
        """Yields the tools whose results never came."""
        for step in self._open.values():
            yield _abandoned(step, at)
        self._open.clear()

    def _is_news(self, answer: Answer, key: str | None, within: Within) -> bool:
        """Notes that something was told; tells whether it was not yet."""
        named = (answer.identity, key)
        if within.is_told_again and named in self._told:
            return False
        self._told[named] = None
        if len(self._told) > _LIMIT:
            del self._told[next(iter(self._told))]
        return True

    def _ran(self, served: Served, within: Within, *, is_open: bool = False) -> Step:
        started, ended = within.bounds(served.id)
        metadata: Json = {"tool_name": served.name, "tool_call_id": served.id, "timing": "inferred"}
        step = Step(
            beneath(within.place, self._ids),
            "tool",
            f"tool.call ({served.name})",
            started,
            within.adopter,
            input=served.arguments,
            metadata={**metadata, "server_side": True},
        )
        if served.is_done:
            self._complete(step, served, within)
        elif not is_open:
            step.ended = within.ended if ended is None else ended
        return step

    def _complete(self, step: Step, served: Served, within: Within) -> None:
        _, ended = within.bounds(served.id)
        step.ended = within.ended if ended is None else ended
        step.output = _content(served.result)
        step.error = served.error
        step.metadata["status"] = "error" if served.failed else "success"

    def _compacted(self, compaction: Compaction, within: Within) -> Step:
        started, ended = within.bounds(compaction.key)
        step = Step(
            beneath(within.place, self._ids),
            "compaction",
            "compaction",
            started,
            within.adopter,
            ended=within.ended if ended is None else ended,
        )
        conclude(step, (compaction,))
        return step


def _content(result: object) -> object:
    """Gives a result with the image that it may hold apart from the text."""
    return items(attached([result]))[0]


def _abandoned(step: Step, at: float) -> Step:
    step.ended = at
    step.metadata["status"] = "abandoned"
    return step
