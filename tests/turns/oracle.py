"""What the tree of a world must be, told by those who make it happen, not by what they send.

It owns the truth: each agent notes here what it does, and when. It must not know how the tracker finds out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(eq=False)
class Node:
    """One expected span, with those beneath it."""

    name: str
    start: float
    end: float | None = None
    input: object = None
    output: object = None
    error: str | None = None
    metadata: Json = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> Node:
        """Puts a node beneath this one."""
        self.children.append(node)
        return node

    def told(self) -> tuple[object, ...]:
        """Gives all that there is to compare; the order of children does not count."""
        return (
            self.name,
            self.start,
            self.end,
            repr(self.input),
            repr(self.output),
            self.error,
            sorted((name, repr(value)) for name, value in self.metadata.items()),
            sorted((child.told() for child in self.children), key=repr),
        )


@dataclass(eq=False)
class TrueCall:
    """A tool call that was asked for, and what became of it."""

    id: str
    name: str
    arguments: Json
    iteration: TrueIteration
    run: Node | None = None
    returned_at: float | None = None
    content: str | None = None
    is_error: bool = False

    def node(self) -> Node | None:
        """Gives its span: as it was seen to run, or as its result tells."""
        if self.run is not None or self.returned_at is None:
            return self.run
        act = self.iteration.act
        assert act is not None
        return Node(
            f"tool.call ({self.name})",
            act.start,
            max(self.returned_at, act.start),
            self.arguments,
            self.content,
            metadata={
                "tool_name": self.name,
                "tool_call_id": self.id,
                "timing": "inferred",
                "status": "error" if self.is_error else "success",
            },
        )

    @property
    def is_done(self) -> bool:
        """Whether it has run, or its result came."""
        ran = self.run is not None and self.run.metadata.get("status") in ("success", "error")
        return ran or self.returned_at is not None

    @property
    def failed(self) -> bool:
        """Whether it raised, or the application said that it failed."""
        raised = self.run is not None and self.run.metadata.get("status") == "error"
        return raised or (self.returned_at is not None and self.is_error)


@dataclass(eq=False)
class TrueIteration:
    """One iteration: what was asked at this point of the turn, as often as it was."""

    turn: TrueTurn
    reason: Node
    act: Node | None = None
    calls: list[TrueCall] = field(default_factory=list)
    running: int = 0
    is_answered: bool = False
    is_last: bool = False
    failure: str | None = None
    preview: str | None = None

    def ask(self, at: float, calls: list[TrueCall]) -> None:
        """Notes calls that the model asked for by now."""
        if not calls:
            return
        self.turn.touch(at)
        number = self.turn.iterations.index(self) + 1
        if self.act is None:
            self.act = self.turn.node.add(Node(f"act (iteration {number})", at))
        for call in calls:
            if call not in self.calls:
                self.calls.append(call)
                self.act.end = None


@dataclass(eq=False)
class TrueTurn:
    """One turn."""

    node: Node
    iterations: list[TrueIteration] = field(default_factory=list)
    running: int = 0
    touched: float = 0.0
    last: object = None
    status: str | None = None
    spent: int = 0

    def touch(self, at: float) -> None:
        """Notes that something happened."""
        self.touched = max(self.touched, at)

    def begin(self, at: float, number: int) -> TrueIteration:
        """Notes that a request left for an iteration."""
        if number > len(self.iterations):
            reason = self.node.add(Node(f"reason (iteration {number})", at))
            self.iterations.append(TrueIteration(self, reason))
        iteration = self.iterations[number - 1]
        iteration.running += 1
        self.running += 1
        self.status = None
        self.touch(at)
        return iteration

    def end(self, at: float, iteration: TrueIteration, failure: str | None, *, asks: bool) -> None:
        """Notes that a request was answered, or failed."""
        self.running -= 1
        iteration.running -= 1
        iteration.reason.end = max(iteration.reason.end or 0.0, at)
        self.touch(at)
        if failure is None:
            iteration.is_answered = True
            iteration.is_last = iteration.is_last or not asks
        iteration.failure = failure
        if self.running:
            return
        newest = self.iterations[-1]
        if newest.is_last:
            self._close("completed")
        elif not newest.is_answered:
            assert newest.failure is not None
            self._close(newest.failure)

    def _close(self, status: str) -> None:
        self.status = status
        self.node.end = self.touched
        for iteration in self.iterations:
            if iteration.act is not None and iteration.act.end is None:
                iteration.act.end = self.touched

    def finish(self) -> None:
        """Notes that nothing more will come, and tells what follows from all that did."""
        if self.status is None:
            self._close("abandoned")
        self.node.output = self.last if self.status == "completed" else {"status": self.status}
        self.node.metadata = {
            "iterations": len(self.iterations),
            "turn_status": self.status,
            **({"usage": {"tokens": self.spent}} if self.spent else {}),
        }
        for iteration in self.iterations:
            iteration.reason.output = {
                "has_tool_calls": bool(iteration.calls),
                "tool_call_count": len(iteration.calls),
                "text_preview": iteration.preview,
            }
            if iteration.act is not None:
                self._finish_act(iteration, iteration.act)

    def _finish_act(self, iteration: TrueIteration, act: Node) -> None:
        done = [call for call in iteration.calls if call.is_done]
        failed = sum(call.failed for call in done)
        act.input = [{"id": call.id, "name": call.name} for call in iteration.calls]
        act.output = {
            "completed": len(done),
            "success_count": len(done) - failed,
            "error_count": failed,
        }
        act.children += [node for call in iteration.calls if (node := call.node()) is not None]
