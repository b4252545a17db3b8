"""smolagents' agents, on the real package and openai's SDK: those that call tools, that write code, that manage others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bttrace.registries import smolagents as registry
from tests.frameworks.calculator import (
    ANSWER,
    ASKED,
    BOTH,
    FAILS,
    FOUND,
    ONE,
    add,
    iteration,
    tool,
    turn,
    within,
)
from tests.frameworks.runs import looks_alike, traced
from tests.loopback.openai_chat import chat
from tests.loopback.provider import ProviderServer

smolagents: Any = pytest.importorskip("smolagents", reason="smolagents is not installed")


def _agent(provider: ProviderServer, kind: str = "ToolCallingAgent", **options: Any) -> Any:
    model = smolagents.OpenAIServerModel("gpt-4o-mini", api_base=provider.openai_url, api_key="k")
    given: dict[str, Any] = {"tools": [smolagents.tool(add)], "verbosity_level": 0, **options}
    return getattr(smolagents, kind)(model=model, **given)


def _answer(call_id: str, text: str) -> tuple[str, str, str]:
    return (call_id, "final_answer", json.dumps({"answer": text}))


def _answered(call_id: str, text: str) -> str:
    given = json.dumps({"answer": text})
    return f"tool.call (final_answer) {call_id} observed success: {given} -> {json.dumps(text)}"


def test_a_run_is_one_turn_although_its_results_go_back_in_words(provider: ProviderServer) -> None:
    replies = (
        chat(tool_calls=BOTH),
        chat(tool_calls=FAILS),
        chat(tool_calls=ONE),
        chat(tool_calls=[_answer("c9", ANSWER)]),
    )
    run = traced(provider, replies, lambda: _agent(provider).run(ASKED))
    assert run.gave == ANSWER
    assert run.outline == [
        "task:ToolCallingAgent",
        *within(
            *turn(
                *iteration(1, tool("c1", 1, 2, 3), tool("c2", 3, 4, 7)),
                *iteration(2, tool("c3", -1, 2, "ValueError: negative")),
                *iteration(3, tool("c1", 1, 2, 3)),
                *iteration(4, _answered("c9", ANSWER)),
            )
        ),
    ]
    [task], [one] = run.named("task:ToolCallingAgent"), run.named("agent turn")
    assert (task["input"], task["output"], one["output"]) == ({"task": ASKED}, ANSWER, ANSWER)


def test_two_runs_that_ask_the_same_are_two_turns(provider: ProviderServer) -> None:
    def ran() -> object:
        return [_agent(provider, max_steps=1).run(ASKED) for _ in range(2)]

    replies = (chat(tool_calls=ONE), chat(ANSWER), chat(tool_calls=ONE), chat(ANSWER))
    run = traced(provider, replies, ran)
    one = ["task:ToolCallingAgent", *within(*turn(*iteration(1, tool("c1", 1, 2, 3))), "llm")]
    assert run.outline == one * 2


def test_a_managed_agent_has_a_turn_of_its_own(provider: ProviderServer) -> None:
    replies = (
        chat(tool_calls=[("c0", "researcher", '{"task": "sums", "additional_args": {}}')]),
        chat(tool_calls=ONE),
        chat(tool_calls=[_answer("c8", FOUND)]),
        chat(tool_calls=[_answer("c9", ANSWER)]),
    )

    def ran() -> object:
        researcher = _agent(provider, name="researcher", description="Finds out.")
        return _agent(provider, tools=[], managed_agents=[researcher]).run(ASKED)

    run = traced(provider, replies, ran)
    assert run.gave == ANSWER
    told = [line.partition(" -> ")[0] for line in run.outline]
    inner = turn(*iteration(1, tool("c1", 1, 2, 3)), *iteration(2, _answered("c8", FOUND)))
    outer = 'tool.call (researcher) c0 observed success: {"task": "sums", "additional_args": {}}'
    tree = turn(
        *iteration(1, outer, *within("task:researcher", *within(*inner))),
        *iteration(2, _answered("c9", ANSWER)),
    )
    assert told == [line.partition(" -> ")[0] for line in ["task:ToolCallingAgent", *within(*tree)]]


def test_an_agent_that_writes_code_calls_its_tools_within_its_run(provider: ProviderServer) -> None:
    code = "<code>\nfinal_answer(str(add(1, b=2)) + ' and 7')\n</code>"
    run = traced(provider, (chat(code),), lambda: _agent(provider, "CodeAgent").run(ASKED))
    assert run.gave == ANSWER
    added = 'tool.call (add) None observed success: {"a": 1, "b": 2} -> 3'
    assert run.outline == ["task:CodeAgent", *within("llm", added, _answered("None", ANSWER))]


def test_what_is_patched_looks_and_is_put_back_as_it_was() -> None:
    looks_alike(registry.REGISTRY)
