"""openai-agents, on the real package and openai's SDK: runs, failures, handoffs, and agents as tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bttrace.registries import openai_agents as registry
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
    whole,
    within,
)
from tests.frameworks.runs import awaited, looks_alike, traced
from tests.loopback.openai_chat import chat
from tests.loopback.openai_responses import response, response_stream
from tests.loopback.provider import ProviderServer

agents: Any = pytest.importorskip("agents", reason="openai-agents is not installed")
openai: Any = pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def _without_its_own_tracing() -> Iterator[None]:
    agents.set_tracing_disabled(True)  # it would be sent to OpenAI
    yield
    agents.set_tracing_disabled(False)


def _agent(provider: ProviderServer, name: str = "Calculator", api: str = "Responses", **options: Any) -> Any:
    http_client = openai.DefaultAsyncHttpxClient(verify=False)
    client = openai.AsyncOpenAI(
        base_url=provider.openai_url, api_key="k", max_retries=0, http_client=http_client
    )
    model = getattr(agents, f"OpenAI{api}Model")("gpt-5-mini", client)
    return agents.Agent(name, model=model, **{"tools": [agents.function_tool(add)], **options})


def _ran(agent: Any) -> Any:
    return agents.Runner.run_sync(agent, ASKED).final_output


THROUGHOUT = (response(tool_calls=BOTH), response(tool_calls=FAILS), response(ANSWER))


def test_a_run_is_one_turn(provider: ProviderServer) -> None:
    run = traced(provider, THROUGHOUT, lambda: _ran(_agent(provider)))
    assert run.gave == ANSWER
    assert run.outline == whole("ValueError: negative")


def test_an_asynchronous_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        return (await agents.Runner.run(_agent(provider), ASKED)).final_output

    assert awaited(provider, THROUGHOUT, ran).outline == whole("ValueError: negative")


def test_a_run_on_chat_completions_is_one_turn(provider: ProviderServer) -> None:
    replies = (chat(tool_calls=BOTH), chat(tool_calls=FAILS), chat(ANSWER))
    run = traced(provider, replies, lambda: _ran(_agent(provider, api="ChatCompletions")))
    assert run.outline == whole("ValueError: negative")


def test_a_streamed_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        run = agents.Runner.run_streamed(_agent(provider), ASKED)
        kinds = [event.type async for event in run.stream_events()]
        return kinds, run.final_output

    replies = (response_stream(tool_calls=BOTH), response_stream([ANSWER]))
    run = awaited(provider, replies, ran)
    assert run.gave[1] == ANSWER
    assert run.outline == turn(*iteration(1, tool("c1", 1, 2, 3), tool("c2", 3, 4, 7)), *iteration(2))


def test_a_tool_whose_exception_ends_the_run(provider: ProviderServer) -> None:
    failing = agents.function_tool(add, failure_error_function=None)
    run = traced(provider, (response(tool_calls=FAILS),), lambda: _ran(_agent(provider, tools=[failing])))
    assert run.gave == (agents.UserError, "Error running tool add: negative")
    told = tool("c3", -1, 2, "ValueError: negative")
    assert run.outline == turn(*iteration(1, told), status=None)


def test_an_agent_that_another_hands_over_to_goes_on_with_the_turn(provider: ProviderServer) -> None:
    replies = (
        response(tool_calls=[("c0", "transfer_to_billing", "{}")]),
        response(tool_calls=ONE),
        response(tool_calls=[("c9", "transfer_to_refunds", "{}")]),
        response(ANSWER),
    )

    def ran() -> object:
        refunds = _agent(provider, "Refunds")
        billing = _agent(provider, "Billing", handoffs=[refunds])
        return _ran(_agent(provider, "Triage", tools=[], handoffs=[billing]))

    run = traced(provider, replies, ran)
    assert run.gave == ANSWER
    refunds = 'tool.call (transfer_to_refunds) c9 observed success: {} -> {"assistant": "Refunds"}'
    billing = 'tool.call (transfer_to_billing) c0 observed success: {} -> {"assistant": "Billing"}'
    asked_of_billing = (
        *iteration(2, tool("c1", 1, 2, 3)),
        *iteration(3, refunds, *within("task:Refunds", *within(*iteration(4)))),
    )
    assert run.outline == turn(*iteration(1, billing, *within("task:Billing", *within(*asked_of_billing))))
    for task in (*run.named("task:Billing"), *run.named("task:Refunds")):
        assert task["span_attributes"]["type"] == "task"
        assert task["output"] == run.named("agent turn")[0]["output"]


def test_an_agent_that_is_a_tool_has_a_turn_of_its_own(provider: ProviderServer) -> None:
    replies = (
        response(tool_calls=[("c0", "research", '{"input": "sums"}')]),
        response(tool_calls=ONE),
        response(FOUND),
        response(ANSWER),
    )

    def ran() -> object:
        researcher = _agent(provider, "Researcher").as_tool("research", "Finds out.")
        return _ran(_agent(provider, "Boss", tools=[researcher]))

    run = traced(provider, replies, ran)
    assert run.gave == ANSWER
    outer = f'tool.call (research) c0 observed success: {{"input": "sums"}} -> "{FOUND}"'
    inner = turn(*iteration(1, tool("c1", 1, 2, 3)), *iteration(2))
    assert run.outline == turn(*iteration(1, outer, *within("task:research", *within(*inner))), *iteration(2))


def test_what_is_patched_looks_and_is_put_back_as_it_was() -> None:
    looks_alike(registry.REGISTRY)
