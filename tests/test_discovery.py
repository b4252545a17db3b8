"""Tools that nobody named are found by the name that the model asks for, and seen to run."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from bttrace.testing import capture
from tests.apis import CHAT, MESSAGES, RESPONSES, Api
from tests.conversations import Asked, Conversation, script
from tests.dispatch import (
    at_once,
    by_decorator,
    by_dict,
    by_getattr,
    by_globals,
    by_if,
    by_match,
    elsewhere,
    slow,
)
from tests.loopback.provider import ProviderServer

ONCE: Asked = [("call_1", "search", {"q": "otters", "limit": 2})]
TWICE: Asked = [*ONCE, ("call_2", "search", {"q": "owls", "limit": 5})]

Rows = list[dict[str, Any]]


def tools(rows: Rows) -> Rows:
    return [row for row in rows if row["span_attributes"]["type"] == "tool"]


def agent(
    run: Callable[[Any], Any], provider: ProviderServer, api: Api = CHAT, way: str = "whole"
) -> list[Any]:
    """Runs an agent to its end."""
    if not inspect.iscoroutinefunction(run):
        with api.client(provider) as client:
            return list(run(Conversation(client, api, way)))

    async def whole() -> list[Any]:
        async with api.aclient(provider) as client:
            return list(await run(Conversation(client, api, way)))

    return asyncio.run(whole())


def observed(row: dict[str, Any], call_id: str, arguments: dict[str, Any], output: object) -> None:
    """Holds a row against the execution that it tells of."""
    name = row["metadata"]["tool_name"]
    assert row["span_attributes"] == {"name": f"tool.call ({name})", "type": "tool"}
    assert row["metadata"] == {
        "tool_name": name,
        "tool_call_id": call_id,
        "timing": "observed",
        "status": "success",
    }
    assert row["input"] == arguments
    assert row["output"] == output
    assert "error" not in row
    took = row["metrics"]["end"] - row["metrics"]["start"]
    assert slow.SECONDS * 0.9 < took < slow.SECONDS + 1


DISPATCHES: dict[str, Callable[[Any], Any]] = {
    "dict": by_dict.run,
    "if": by_if.run,
    "match": by_match.run,
    "globals": by_globals.run,
    "getattr": by_getattr.run,
    "prefix": by_getattr.run_prefixed,
    "static": by_getattr.run_static,
    "decorator": by_decorator.run,
    "pool": at_once.run_in_pool,
    "gather": at_once.run_gathered,
    "late": at_once.run_late,
    "to_thread": at_once.run_in_threads,
    "executor": at_once.run_in_executor,
}


@pytest.mark.parametrize("run", DISPATCHES.values(), ids=DISPATCHES)
def test_each_way_to_a_function_is_seen(run: Callable[[Any], Any], provider: ProviderServer) -> None:
    script(provider, CHAT, TWICE)
    with capture() as captured:
        assert agent(run, provider) == ["2 of otters", "5 of owls"]
        rows = captured.rows
    assert [row["span_attributes"]["name"] for row in rows].count("tool.call (search)") == 2
    for row, (call_id, _, arguments), output in zip(
        sorted(tools(rows), key=lambda row: str(row["metadata"]["tool_call_id"])),
        TWICE,
        ["2 of otters", "5 of owls"],
        strict=True,
    ):
        observed(row, call_id, arguments, output)
        [act] = [above for above in rows if above["span_id"] in row.get("span_parents", ())]
        assert act["span_attributes"]["name"] == "act (iteration 1)"


def test_a_toolbox_leads_to_the_function_in_it(provider: ProviderServer) -> None:
    script(provider, CHAT, [("call_1", "lookup", {"q": "otters"})])
    with capture() as captured:
        assert agent(by_decorator.run_toolbox, provider) == ["3 of otters"]
        [row] = tools(captured.rows)
    observed(row, "call_1", {"q": "otters"}, "3 of otters")
    assert row["context"]["caller_functionname"] == "perform"


def test_a_registry_behind_a_function_of_another_module(provider: ProviderServer) -> None:
    script(provider, CHAT, ONCE)
    with capture() as captured:
        assert agent(elsewhere.run, provider) == ["2 of otters in web"]
        [row] = tools(captured.rows)
    observed(row, "call_1", ONCE[0][2], "2 of otters in web")


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)
@pytest.mark.parametrize("way", ["whole", "parsed", "raw", "streamed", "helper"])
def test_each_api_each_way_to_read_it(api: Api, way: str, provider: ProviderServer) -> None:
    script(provider, api, TWICE, ONCE, streamed=way in ("streamed", "helper"))
    with capture() as captured:
        assert agent(by_dict.run, provider, api, way) == ["2 of otters", "5 of owls", "2 of otters"]
        rows = tools(captured.rows)
    for row, (call_id, _, arguments) in zip(rows, [*TWICE, *ONCE], strict=True):
        observed(row, call_id, arguments, f"{arguments['limit']} of {arguments['q']}")


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)
@pytest.mark.parametrize("way", ["whole", "streamed", "helper"])
def test_each_api_each_way_to_await_it(api: Api, way: str, provider: ProviderServer) -> None:
    script(provider, api, TWICE, streamed=way != "whole")
    with capture() as captured:
        assert agent(at_once.run_gathered, provider, api, way) == ["2 of otters", "5 of owls"]
        rows = tools(captured.rows)
    for row, (call_id, _, arguments) in zip(rows, TWICE, strict=True):
        observed(row, call_id, arguments, f"{arguments['limit']} of {arguments['q']}")


def test_a_tool_that_raises(provider: ProviderServer) -> None:
    script(provider, CHAT, [("call_1", "fail", {"q": "otters"})])
    with capture() as captured:
        assert agent(by_dict.run, provider) == ["error: KeyError('otters')"]
        [row] = tools(captured.rows)
    assert row["error"] == "KeyError: 'otters'"
    assert "output" not in row
    assert row["metadata"] == {
        "tool_name": "fail",
        "tool_call_id": "call_1",
        "timing": "observed",
        "status": "error",
    }


def test_a_model_call_inside_a_tool_is_a_task(provider: ProviderServer) -> None:
    script(provider, CHAT, [("call_1", "research", {"topic": "otters"})])
    provider.route("/v1/messages", MESSAGES.whole("They float."))

    def research(topic: str) -> str:
        asked = [{"role": "user", "content": topic}]
        with MESSAGES.client(provider) as reader:
            return str(reader.messages.create(**{**MESSAGES.given, "messages": asked}).content[0].text)

    registry = {"research": research}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    with capture() as captured:
        assert agent(run, provider) == ["They float."]
        rows = captured.rows
    named = {row["span_attributes"]["name"]: row for row in rows}
    task = named["task:research"]
    assert task["span_parents"] == [named["tool.call (research)"]["span_id"]]
    inner = [row for row in rows if row.get("span_parents") == [task["span_id"]]]
    assert [row["span_attributes"]["name"] for row in inner] == [f"llm.generation ({MESSAGES.model})"]


def test_discovery_can_be_turned_off(provider: ProviderServer) -> None:
    script(provider, CHAT, ONCE)
    with capture(discover_tools=False) as captured:
        agent(by_dict.run, provider)
        [row] = tools(captured.rows)
    assert row["metadata"]["timing"] == "inferred"
