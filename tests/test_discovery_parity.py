"""The application cannot tell that its tools were found and watched."""

import asyncio
import copy
import pickle
import sys
import traceback
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

import bttrace
from bttrace import session
from bttrace.executions import EXECUTING
from bttrace.testing import capture
from tests.apis import CHAT
from tests.conversations import Conversation, script
from tests.dispatch import by_dict, by_getattr, by_if
from tests.loopback.provider import ProviderServer
from tests.test_discovery import ONCE, agent, tools

MONITORED = sys.version_info >= (3, 12)
monitored = pytest.mark.skipif(not MONITORED, reason="there is no sys.monitoring")
_monitoring: Any = getattr(sys, "monitoring", None)
RAISED = [("call_1", "fail", {"q": "otters"})]


def claimed() -> list[str | None]:
    return [_monitoring.get_tool(number) for number in range(6)] if MONITORED else []


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = claimed()
    yield
    after = claimed()
    assert after == before
    assert {"search": by_dict.search, "fail": by_dict.fail} == by_dict.TOOLS
    assert by_dict.TOOLS["search"] is by_dict.search
    for function in (by_dict.search, by_if.search, vars(by_getattr.Plain)["search"]):
        assert type(function) is FunctionType


def test_the_same_results_and_requests(provider: ProviderServer) -> None:
    def played() -> tuple[list[Any], list[bytes]]:
        with ProviderServer() as server:
            script(server, CHAT, ONCE, RAISED)
            brought = agent(by_dict.run, server)
            return brought, [request.body for request in server.requests]

    bare = played()
    with capture():
        assert played() == bare


def test_the_same_exception(provider: ProviderServer) -> None:
    def raised() -> tuple[type, str, list[str]]:
        def search(q: str, limit: int) -> str:
            raise LookupError(f"no {q}")

        registry = {"search": search}

        def run(conversation: Conversation) -> list[Any]:
            for _, name, arguments in conversation.ask():
                registry[name](**arguments)
            return []

        with ProviderServer() as server:
            script(server, CHAT, ONCE)
            with pytest.raises(LookupError) as caught:
                agent(run, server)
        frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        return caught.type, str(caught.value), frames

    bare = raised()
    with capture() as captured:
        traced = raised()
        [row] = tools(captured.rows)
    assert traced[:2] == bare[:2]
    assert row["error"] == "LookupError: no otters"
    if MONITORED:
        assert traced == bare


@pytest.mark.parametrize("module", [by_dict, by_if])
def test_what_is_awaited_copies_and_pickles(module: Any, provider: ProviderServer) -> None:
    seen = []

    class Looking(Conversation):
        def bring(self, call_id: str, result: Any) -> None:
            super().bring(call_id, result)

        def ask(self) -> Any:
            calls = super().ask()
            fetched = getattr(module, "TOOLS", vars(module))["search"]
            seen.append(pickle.loads(pickle.dumps(fetched)))  # noqa: S301
            seen.append(copy.copy(fetched))
            seen.append(copy.deepcopy(fetched))
            assert fetched == seen[-1]
            assert fetched.__name__ == "search"
            return calls

    script(provider, CHAT, ONCE)
    with capture() as captured, CHAT.client(provider) as client:
        assert module.run(Looking(client)) == ["2 of otters"]
        [row] = tools(captured.rows)
        assert row["metadata"]["timing"] == "observed"
    assert [type(one) for one in seen if one is not module.search] in ([], [type(seen[0])])
    assert all(one == module.search for one in seen)


@pytest.mark.parametrize("module", [by_dict, by_if, by_getattr])
def test_disabling_ends_the_watching(module: Any, provider: ProviderServer) -> None:
    script(provider, CHAT, ONCE)

    class Stopping(Conversation):
        def ask(self) -> Any:
            calls = super().ask()
            bttrace.disable()
            assert claimed() == before
            return calls

    before = claimed()
    with capture(), CHAT.client(provider) as client:
        assert module.run(Stopping(client)) == ["2 of otters"]


def test_one_that_is_observed_anyway_is_observed_once(provider: ProviderServer) -> None:
    """Whichever comes first: the registry's own observation, or the function's."""

    def declared(name: str, arguments: dict[str, Any], function: Any) -> Any:
        wiring = session._session.wiring if session._session is not None else None
        assert wiring is not None
        execution = wiring.executions.begin("tool", name, arguments)
        return wiring.executions.run(execution, function, (), arguments)

    def search(q: str, limit: int) -> str:
        return f"{limit} of {q}"

    def outside(q: str, limit: int) -> Any:
        return declared("inside", {"q": q, "limit": limit}, search)

    registry = {"search": search, "inside": outside}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                if name == "search":
                    brought.append(declared(name, arguments, registry[name]))
                else:
                    brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    script(provider, CHAT, [*ONCE, ("call_2", "inside", {"q": "owls", "limit": 1})])
    with capture() as captured:
        assert agent(run, provider) == ["2 of otters", "1 of owls"]
        rows = tools(captured.rows)
    assert [(row["metadata"]["tool_call_id"], row["metadata"]["timing"]) for row in rows] == [
        ("call_1", "observed"),
        ("call_2", "observed"),
    ]


def test_a_tool_that_is_cancelled(provider: ProviderServer) -> None:
    async def search(q: str, limit: int) -> str:
        await asyncio.sleep(30)
        return q

    registry = {"search": search}
    inside = []

    async def run(conversation: Conversation) -> list[Any]:
        while calls := await conversation.aask():
            for call_id, name, arguments in calls:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(registry[name](**arguments), 0.05)
                inside.append(EXECUTING.get())
                conversation.bring(call_id, "too slow")
        return []

    script(provider, CHAT, ONCE)
    with capture() as captured:
        agent(run, provider)
        [row] = tools(captured.rows)
    assert row["metadata"]["timing"] == "observed"
    assert row["error"].startswith("CancelledError")
    assert inside == [None]


@monitored
def test_a_generator_is_left_whenever_it_yields(provider: ProviderServer) -> None:
    inside, outside = [], []

    def search(q: str, limit: int) -> Iterator[str]:
        for number in range(limit):
            inside.append(EXECUTING.get() is not None)
            yield f"{q} {number}"

    registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                found = []
                for one in registry[name](**arguments):
                    outside.append(EXECUTING.get())
                    found.append(one)
                conversation.bring(call_id, found)
        return []

    script(provider, CHAT, ONCE)
    with capture() as captured:
        agent(run, provider)
        [row] = tools(captured.rows)
    assert (inside, outside) == ([True, True], [None, None])
    assert row["output"] == ["otters 0", "otters 1"]


@monitored
def test_other_tools_keep_their_ids_and_events(provider: ProviderServer) -> None:
    seen = []
    events = _monitoring.events
    _monitoring.use_tool_id(_monitoring.COVERAGE_ID, "coverage")
    _monitoring.register_callback(
        _monitoring.COVERAGE_ID, events.PY_START, lambda code, _: seen.append(code.co_name)
    )
    _monitoring.set_local_events(_monitoring.COVERAGE_ID, by_dict.search.__code__, events.PY_START)
    try:
        script(provider, CHAT, ONCE)
        with capture() as captured:
            agent(by_dict.run, provider)
            [row] = tools(captured.rows)
        by_dict.search("again")
    finally:
        _monitoring.set_local_events(_monitoring.COVERAGE_ID, by_dict.search.__code__, 0)
        _monitoring.register_callback(_monitoring.COVERAGE_ID, events.PY_START, None)
        _monitoring.free_tool_id(_monitoring.COVERAGE_ID)
    assert row["metadata"]["timing"] == "observed"
    assert seen == ["search", "search"]


@monitored
def test_without_a_free_id_nothing_is_watched(provider: ProviderServer) -> None:
    for number in (3, 4):
        _monitoring.use_tool_id(number, "somebody")
    try:
        script(provider, CHAT, ONCE)
        with capture() as captured:
            assert agent(by_dict.run, provider) == ["2 of otters"]
            [row] = tools(captured.rows)
        assert [_monitoring.get_tool(number) for number in (3, 4)] == ["somebody"] * 2
    finally:
        for number in (3, 4):
            _monitoring.free_tool_id(number)
    assert row["metadata"]["timing"] == "inferred"
