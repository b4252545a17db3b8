"""Pydantic AI, on the real package and openai's SDK: runs, failures, structured output, agents in tools."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from bttrace.registries import pydantic_ai as registry
from tests.frameworks.calculator import (
    ANSWER,
    ASKED,
    BOTH,
    DELEGATED,
    FAILS,
    FOUND,
    ONE,
    add,
    delegated,
    iteration,
    tool,
    turn,
    whole,
)
from tests.frameworks.runs import awaited, looks_alike, traced
from tests.loopback.anthropic_messages import message_stream
from tests.loopback.openai_chat import chat, chat_stream
from tests.loopback.openai_responses import response
from tests.loopback.provider import ProviderServer

pydantic_ai: Any = pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed")
openai: Any = pytest.importorskip("openai")
THROUGHOUT = (chat(tool_calls=BOTH), chat(tool_calls=FAILS), chat(ANSWER))


def careful(a: int, b: int) -> int:
    """Adds two numbers."""
    try:
        return add(a, b)
    except ValueError as error:
        raise pydantic_ai.ModelRetry(str(error)) from error


careful.__name__ = "add"


def _of_anthropic(provider: ProviderServer) -> Any:
    anthropic = importlib.import_module("anthropic")
    http_client = anthropic.DefaultAsyncHttpxClient(verify=False)
    client = anthropic.AsyncAnthropic(
        base_url=provider.anthropic_url, api_key="k", max_retries=0, http_client=http_client
    )
    given = importlib.import_module("pydantic_ai.providers.anthropic").AnthropicProvider(
        anthropic_client=client
    )
    return importlib.import_module("pydantic_ai.models.anthropic").AnthropicModel(
        "claude-haiku-4-5", provider=given
    )


def _agent(provider: ProviderServer, *given: Any, api: str = "Chat", **options: Any) -> Any:
    http_client = openai.DefaultAsyncHttpxClient(verify=False)
    client = openai.AsyncOpenAI(
        base_url=provider.openai_url, api_key="k", max_retries=0, http_client=http_client
    )
    of_openai = importlib.import_module("pydantic_ai.providers.openai").OpenAIProvider(openai_client=client)
    models = importlib.import_module("pydantic_ai.models.openai")
    model = getattr(models, f"OpenAI{api}Model")("gpt-4o-mini", provider=of_openai)
    return pydantic_ai.Agent(model, tools=list(given) or [careful], **options)


def test_a_run_is_one_turn(provider: ProviderServer) -> None:
    run = traced(provider, THROUGHOUT, lambda: _agent(provider).run_sync(ASKED).output)
    assert run.gave == ANSWER
    assert run.outline == whole("ModelRetry: negative")


def test_an_asynchronous_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        return (await _agent(provider).run(ASKED)).output

    assert awaited(provider, THROUGHOUT, ran).outline == whole("ModelRetry: negative")


def test_a_run_on_responses_is_one_turn(provider: ProviderServer) -> None:
    replies = (response(tool_calls=BOTH), response(tool_calls=FAILS), response(ANSWER))
    run = traced(provider, replies, lambda: _agent(provider, api="Responses").run_sync(ASKED).output)
    assert run.outline == whole("ModelRetry: negative")


def test_a_run_on_anthropic_is_one_turn(provider: ProviderServer) -> None:
    replies = (
        message_stream(tool_calls=BOTH),
        message_stream(tool_calls=FAILS),
        message_stream([ANSWER]),
    )
    agent = pydantic_ai.Agent(_of_anthropic(provider), tools=[careful])
    run = traced(provider, replies, lambda: agent.run_sync(ASKED).output, tokens=26)
    assert run.gave == ANSWER
    assert run.outline == whole("ModelRetry: negative")


def test_a_streamed_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        async with _agent(provider).run_stream(ASKED) as run:
            return [text async for text in run.stream_text(delta=True)]

    replies = (chat_stream(tool_calls=BOTH, usage=True), chat_stream(["3 and", " 7"], usage=True))
    run = awaited(provider, replies, ran)
    assert "".join(run.gave) == ANSWER
    assert run.outline == turn(*iteration(1, tool("c1", 1, 2, 3), tool("c2", 3, 4, 7)), *iteration(2))


def test_a_tool_whose_exception_ends_the_run(provider: ProviderServer) -> None:
    run = traced(provider, (chat(tool_calls=FAILS),), lambda: _agent(provider, add).run_sync(ASKED))
    assert run.gave == (ValueError, "negative")
    assert run.outline == turn(*iteration(1, tool("c3", -1, 2, "ValueError: negative")), status=None)


def test_structured_output_ends_the_turn(provider: ProviderServer) -> None:
    numbers = [("c9", "final_result", '{"response": [3, 7]}')]
    replies = (chat(tool_calls=ONE), chat(tool_calls=numbers))
    run = traced(provider, replies, lambda: _agent(provider, output_type=list[int]).run_sync(ASKED).output)
    assert run.gave == [3, 7]
    told = 'tool.call (final_result) c9 observed success: {"response": [3, 7]} -> [3, 7]'
    assert run.outline == turn(*iteration(1, tool("c1", 1, 2, 3)), *iteration(2, told))
    assert run.named("agent turn")[0]["output"] == [3, 7]


def test_an_agent_that_a_tool_asks_has_a_turn_of_its_own(provider: ProviderServer) -> None:
    replies = (chat(tool_calls=DELEGATED), chat(tool_calls=ONE), chat(FOUND), chat(ANSWER))

    def ran() -> object:
        researcher = _agent(provider)

        async def research(topic: str) -> str:
            """Finds out."""
            return str((await researcher.run(topic)).output)

        return _agent(provider, research).run_sync(ASKED).output

    run = traced(provider, replies, ran)
    assert run.gave == ANSWER
    assert run.outline == delegated()


def test_what_is_patched_looks_and_is_put_back_as_it_was() -> None:
    looks_alike(registry.REGISTRY)
