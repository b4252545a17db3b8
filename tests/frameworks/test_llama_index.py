"""LlamaIndex, on the real packages and openai's SDK: agents, several of them, `predict_and_call`, tools by hand."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from bttrace.registries import llama_index as registry
from bttrace.testing import capture
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
    within,
)
from tests.frameworks.runs import awaited, looks_alike, traced
from tests.loopback.openai_chat import ToolCall, chat, chat_stream
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import Reply

core: Any = pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
TIMEOUT = 20


def _streamed(*answers: str | Sequence[ToolCall]) -> tuple[Reply, ...]:
    return tuple(
        chat_stream([one], usage=True) if isinstance(one, str) else chat_stream(tool_calls=one, usage=True)
        for one in answers
    )


def _workflow() -> Any:
    return importlib.import_module("llama_index.core.agent.workflow")


def _model(provider: ProviderServer) -> Any:
    made = importlib.import_module("llama_index.llms.openai").OpenAI
    return made("gpt-4o-mini", api_base=provider.openai_url, api_key="k", max_retries=0, reuse_client=False)


def _agent(provider: ProviderServer, *given: Any, **options: Any) -> Any:
    return _workflow().FunctionAgent(
        tools=list(given) or [add], llm=_model(provider), timeout=TIMEOUT, **options
    )


def test_a_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        return str(await _agent(provider).run(ASKED))

    run = awaited(provider, _streamed(BOTH, FAILS, ANSWER), ran)
    assert run.gave == ANSWER
    assert run.outline == whole("ValueError: negative")


def test_a_call_that_is_predicted_is_made_once(provider: ProviderServer) -> None:
    def ran() -> object:
        adds = importlib.import_module("llama_index.core.tools").FunctionTool.from_defaults(add)
        return str(_model(provider).predict_and_call([adds], ASKED))

    run = traced(provider, (chat(tool_calls=ONE),), ran)
    assert run.gave == "3"
    assert run.outline == turn(*iteration(1, tool("c1", 1, 2, 3)), status=None)


def test_an_agent_that_another_hands_over_to_goes_on_with_the_turn(provider: ProviderServer) -> None:
    given = {"to_agent": "billing", "reason": "money"}
    replies = _streamed([("c0", "handoff", json.dumps(given))], ONE, ANSWER)

    async def ran() -> object:
        triage = _agent(provider, name="triage", description="Sorts.", can_handoff_to=["billing"])
        billing = _agent(provider, name="billing", description="Adds.")
        both = _workflow().AgentWorkflow(agents=[triage, billing], root_agent="triage", timeout=TIMEOUT)
        return str(await both.run(ASKED))

    run = awaited(provider, replies, ran)
    assert run.gave == ANSWER
    [handoff] = run.named("tool.call (handoff)")
    told = f"tool.call (handoff) c0 observed success: {json.dumps(given)} -> {json.dumps(handoff['output'])}"
    rest = (*iteration(2, tool("c1", 1, 2, 3)), *iteration(3))
    assert run.outline == turn(*iteration(1, told, *within("task:billing", *within(*rest))))


def test_an_agent_that_a_tool_asks_has_a_turn_of_its_own(provider: ProviderServer) -> None:
    replies = _streamed(DELEGATED, ONE, FOUND, ANSWER)

    async def ran() -> object:
        researcher = _agent(provider)

        async def research(topic: str) -> str:
            """Finds out."""
            return str(await researcher.run(topic))

        return str(await _agent(provider, research).run(ASKED))

    run = awaited(provider, replies, ran)
    assert run.gave == ANSWER
    assert run.outline == delegated()


def test_a_tool_called_by_hand_fails_as_it_does_and_tells_so() -> None:
    adds = importlib.import_module("llama_index.core.tools").FunctionTool.from_defaults(add)
    with capture() as captured:
        with pytest.raises(ValueError, match="negative"):
            adds(a=-1, b=2)
        with pytest.raises(ValueError, match="negative"):
            asyncio.run(adds.acall(a=-1, b=2))
        rows = captured.rows
    assert [row["error"] for row in rows] == ["ValueError: negative"] * 2
    assert [row["input"] for row in rows] == [{"a": -1, "b": 2}] * 2


def test_what_is_patched_looks_and_is_put_back_as_it_was() -> None:
    looks_alike(registry.REGISTRY)
