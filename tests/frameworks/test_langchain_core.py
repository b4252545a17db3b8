"""LangChain's tools, on the real packages and openai's SDK: run by its agent on LangGraph, and by hand."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

import pytest

from bttrace.registries import langchain_core as registry
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
)
from tests.frameworks.runs import awaited, looks_alike, traced
from tests.loopback.openai_chat import chat
from tests.loopback.provider import ProviderServer

tools: Any = pytest.importorskip("langchain_core.tools", reason="langchain-core is not installed")
openai: Any = pytest.importorskip("openai")
MESSAGES = {"messages": [("user", ASKED)]}
THROUGHOUT = (chat(tool_calls=BOTH), chat(tool_calls=FAILS), chat(ANSWER))


def careful(a: int, b: int) -> int:
    """Adds two numbers."""
    try:
        return add(a, b)
    except ValueError as error:
        raise tools.ToolException(str(error)) from error


def _model(provider: ProviderServer) -> Any:
    return importlib.import_module("langchain_openai").ChatOpenAI(
        model="gpt-4o-mini",
        base_url=provider.openai_url,
        api_key="k",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=False),
        http_async_client=openai.DefaultAsyncHttpxClient(verify=False),
    )


def _agent(provider: ProviderServer, *given: Any) -> Any:
    handled = tools.StructuredTool.from_function(careful, name="add", handle_tool_error=True)
    create = pytest.importorskip("langchain.agents", reason="langchain is not installed").create_agent
    return create(_model(provider), list(given) or [handled])


def _said(state: Any) -> list[tuple[str, str]]:
    return [(message.type, message.content) for message in state["messages"]]


def test_a_run_is_one_turn(provider: ProviderServer) -> None:
    run = traced(provider, THROUGHOUT, lambda: _said(_agent(provider).invoke(MESSAGES)))
    assert run.gave[-2:] == [("tool", "negative"), ("ai", ANSWER)]
    told = tool("c3", -1, 2, "error: negative").replace("error: negative", "negative")
    assert run.outline == turn(
        *iteration(1, tool("c1", 1, 2, "3"), tool("c2", 3, 4, "7")), *iteration(2, told), *iteration(3)
    )


def test_an_asynchronous_run_is_one_turn(provider: ProviderServer) -> None:
    async def ran() -> object:
        return _said(await _agent(provider).ainvoke(MESSAGES))

    run = awaited(provider, THROUGHOUT, ran)
    assert run.gave[-1] == ("ai", ANSWER)
    assert len(run.named("tool.call (add)")) == 3
    assert [row.get("error") for row in run.named("tool.call (add)")] == [None, None, "negative"]


def test_a_tool_whose_exception_ends_the_run(provider: ProviderServer) -> None:
    replies = (chat(tool_calls=FAILS),)
    run = traced(provider, replies, lambda: _agent(provider, tools.tool(add)).invoke(MESSAGES))
    assert run.gave == (ValueError, "negative")
    assert run.outline == turn(*iteration(1, tool("c3", -1, 2, "ValueError: negative")), status=None)


def test_a_loop_by_hand_is_one_turn(provider: ProviderServer) -> None:
    def ran() -> object:
        adds = tools.tool(add)
        model = _model(provider).bind_tools([adds])
        messages: list[Any] = [("user", ASKED)]
        while True:
            answer = model.invoke(messages)
            messages.append(answer)
            if not answer.tool_calls:
                return answer.content
            messages += [adds.invoke(call) for call in answer.tool_calls]

    run = traced(provider, (chat(tool_calls=BOTH), chat(ANSWER)), ran)
    assert run.outline == turn(*iteration(1, tool("c1", 1, 2, "3"), tool("c2", 3, 4, "7")), *iteration(2))


def test_an_agent_that_a_tool_asks_has_a_turn_of_its_own(provider: ProviderServer) -> None:
    replies = (chat(tool_calls=DELEGATED), chat(tool_calls=ONE), chat(FOUND), chat(ANSWER))

    def ran() -> object:
        researcher = _agent(provider)

        def research(topic: str) -> str:
            """Finds out."""
            return str(researcher.invoke({"messages": [("user", topic)]})["messages"][-1].content)

        return _said(_agent(provider, tools.tool(research)).invoke(MESSAGES))

    run = traced(provider, replies, ran)
    assert run.gave[-1] == ("ai", ANSWER)
    assert run.outline == delegated("3")


def test_a_tool_that_nobody_asked_for_stands_alone() -> None:
    with capture() as captured:
        assert tools.tool(add).invoke({"a": 1, "b": 2}) == 3
        [row] = captured.rows
    assert (row["span_attributes"]["name"], row["input"], row["output"]) == (
        "tool.call (add)",
        {"a": 1, "b": 2},
        3,
    )
    assert "tool_call_id" not in row["metadata"]


def test_tools_pickle_and_describe_themselves_as_they_did() -> None:
    def made() -> tuple[object, ...]:
        told = tools.tool(add).tool_call_schema.model_json_schema()
        shouts = tools.Tool("shout", str.upper, "Shouts.")
        return told, pickle.dumps(shouts), pickle.dumps(shouts.run)

    bare = made()
    with capture():
        assert made() == bare
        for pickled in bare[1:]:
            again = pickle.loads(pickled)  # type: ignore[arg-type]  # noqa: S301 - our own
            assert getattr(again, "run", again)("hey") == "HEY"


def test_what_is_patched_looks_and_is_put_back_as_it_was() -> None:
    looks_alike(registry.REGISTRY)


def test_a_version_without_the_gate_is_told_once_and_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tools.BaseTool
    monkeypatch.setattr(base, "perform", base.arun, raising=False)
    monkeypatch.delattr(base, "arun")
    adds = tools.tool(add)
    with capture() as captured:
        assert adds.invoke({"a": 1, "b": 2}) == 3
        assert len(captured.rows) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bttrace")]
    assert len(said) == 1
    assert "langchain_core.tools.base.BaseTool.arun could not be patched" in said[0]
