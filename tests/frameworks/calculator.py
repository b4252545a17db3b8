"""The tool that the frameworks' agents have, what the model asks of it, and the trees that follow.

It must not know any framework, nor which of OpenAI's APIs one uses.
"""

from __future__ import annotations

import json

ASKED = "What is 1 + 2, and what 3 + 4?"
BOTH = (("c1", "add", '{"a": 1, "b": 2}'), ("c2", "add", '{"a": 3, "b": 4}'))
ONE = (("c1", "add", '{"a": 1, "b": 2}'),)
FAILS = (("c3", "add", '{"a": -1, "b": 2}'),)
DELEGATED = (("c0", "research", '{"topic": "sums"}'),)
ANSWER = "3 and 7"
FOUND = "It is 3."


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: the one
        b: the other
    """
    if a < 0:
        raise ValueError("negative")
    return a + b


def iteration(number: int, *tools: str) -> list[str]:
    """An iteration that asked for these tools."""
    lines = [f"reason (iteration {number})", "  llm"]
    return [*lines, f"act (iteration {number})", *within(*tools)] if tools else lines


def tool(call_id: str, a: int, b: int, gave: object) -> str:
    """An execution that was observed: it gave this as JSON, or failed with an exception in words."""
    status = "error" if isinstance(gave, str) and ": " in gave else "success"
    told = gave if status == "error" else json.dumps(gave)
    return f"tool.call (add) {call_id} observed {status}: {json.dumps({'a': a, 'b': b})} -> {told}"


def within(*lines: str) -> list[str]:
    """The lines, a level deeper."""
    return [f"  {line}" for line in lines]


def turn(*lines: str, status: str | None = "completed") -> list[str]:
    """A turn around these lines."""
    return ["agent turn" if status is None else f"agent turn: {status}", *within(*lines)]


def whole(error: str, three: object = 3, seven: object = 7) -> list[str]:
    """The turn that calls the tool twice at once, then in vain, then answers."""
    return turn(
        *iteration(1, tool("c1", 1, 2, three), tool("c2", 3, 4, seven)),
        *iteration(2, tool("c3", -1, 2, error)),
        *iteration(3),
    )


def delegated(three: object = 3) -> list[str]:
    """The turn whose tool asks another agent, which has a turn of its own."""
    inner = turn(*iteration(1, tool("c1", 1, 2, three)), *iteration(2))
    outer = f'tool.call (research) c0 observed success: {{"topic": "sums"}} -> {json.dumps(FOUND)}'
    return turn(*iteration(1, outer, *within("task:research", *within(*inner))), *iteration(2))
