"""What is very long, or very deep, takes time in proportion to its size, and raises nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bttrace.evidence import Asked
from bttrace.testing import CountedIds
from bttrace.turns import Origin, Outcome, Run, Turns
from tests.turns.conversations import Called, Json, Returned, Way, Wire


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [{"q": value}]
    return value


@pytest.mark.parametrize("way", ["chat", "messages", "items"])
def test_very_deep_arguments(way: Way) -> None:
    wire = Wire(way, "s")
    wire.history = [{"role": "user", "content": "go"}]
    turns = Turns(CountedIds())
    deep, again = nested(20_000), nested(20_000)
    calls: dict[str, Json] = {
        "chat": {
            "message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[" * 50_000}}]}
        },
        "messages": {"type": "tool_use", "id": "c", "name": "f", "input": {"q": deep}},
        "items": {"type": "shell_call", "call_id": "c", "action": {"q": deep}},
    }
    call = calls[way]
    response: Json = {"id": "r", "choices": [call], "content": [call], "output": [call]}
    turns.begin(
        1, 1.0, wire.reader.asked({"messages": wire.history, "input": wire.history, "tools": [{}]}), Origin()
    )
    turns.end(1, 2.0, Outcome(wire.reader.answer(response)))
    turns.start("run", 3.0, Run("tool", "f", {"q": deep}), Origin())
    call = {name: {"q": again} if name in ("input", "action") else value for name, value in call.items()}
    message: Json = {
        "role": "assistant",
        **{"chat": call.get("message", {}), "messages": {"content": [call]}}.get(way, {}),
    }
    result = {"role": "tool", "tool_call_id": "c", "content": "one"}
    block = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "one"}]}
    output = {"type": "shell_call_output", "call_id": "c", "output": "one"}
    request: Json = {
        "messages": [*wire.history, message, result if way == "chat" else block],
        "input": [*wire.history, call, output],
    }
    turns.begin(4, 4.0, wire.reader.asked(request), Origin())
    turns.abandon()
    names = [step.name for step in turns.changes()]
    assert "reason (iteration 2)" in names


@pytest.mark.parametrize("way", ["chat", "messages", "items"])
def test_the_time_that_a_history_takes_grows_with_its_length(way: Way) -> None:
    def taken(length: int, parallel: int) -> float:
        wire = Wire(way, "s")
        wire.say("go")
        for number in range(length):
            calls = [Called(f"c{number}-{one}", "f", {"q": number}) for one in range(parallel)]
            wire.take(wire.response(f"r{number}", None, calls))
            wire.bring([Returned(call.id, "f", "x") for call in calls])
        request = wire.request()
        best = float("inf")
        for _ in range(3):
            turns = Turns(CountedIds())
            begun = time.process_time()
            asked: Asked = wire.reader.asked(request)
            turns.begin(1, 1.0, asked, Origin())
            best = min(best, time.process_time() - begun)
        return best

    assert taken(4000, 1) < 5 * taken(1000, 1) * 2
    assert taken(1, 4000) < 5 * taken(1, 1000) * 2


def test_the_time_that_answers_take_grows_with_their_calls() -> None:
    def taken(parallel: int) -> float:
        wire = Wire("chat", "s")
        wire.say("go")
        begun = time.process_time()
        turns = Turns(CountedIds())
        calls = [Called(f"c{one}", "f", {"q": one}) for one in range(parallel)]
        turns.begin(1, 1.0, wire.reader.asked(wire.request()), Origin())
        response = wire.response("r", None, calls)
        turns.end(1, 2.0, Outcome(wire.reader.answer(response)))
        wire.take(response)
        wire.bring([Returned(call.id, "f", "x") for call in calls])
        turns.begin(2, 3.0, wire.reader.asked(wire.request()), Origin())
        return time.process_time() - begun

    assert min(taken(4000) for _ in range(3)) < 10 * min(taken(1000) for _ in range(3))
