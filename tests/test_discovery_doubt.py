"""What is in doubt is not observed: it is told from the request that brings the result."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from bttrace.testing import capture
from tests.apis import CHAT
from tests.conversations import Asked, Conversation, script
from tests.loopback.provider import ProviderServer
from tests.test_discovery import ONCE, Rows, agent, observed, tools

Registry = dict[str, Callable[..., Any]]


def timings(rows: Rows) -> list[str]:
    return [row["metadata"]["timing"] for row in tools(rows)]


def loop(perform: Callable[[str, dict[str, Any]], Any]) -> Callable[[Conversation], list[Any]]:
    """An agent that performs its tools in a way of its own, which its frames say nothing of."""
    performs = [perform]

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                brought.append(performs[0](name, arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    return run


def test_a_tool_that_is_never_run(provider: ProviderServer) -> None:
    def search(q: str, limit: int) -> str:
        raise AssertionError

    registry: Registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        while calls := conversation.ask():
            for call_id, name, _ in calls:
                assert name in registry
                conversation.bring(call_id, "refused")
        return ["refused"]

    script(provider, CHAT, ONCE)
    with capture() as captured:
        assert agent(run, provider) == ["refused"]
        assert timings(captured.rows) == ["inferred"]


def test_arguments_that_do_not_fit(provider: ProviderServer) -> None:
    def search(q: str, limit: int = 3) -> str:
        return q

    registry: Registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        while calls := conversation.ask():
            for call_id, name, _ in calls:
                registry[name](q="something else")
                conversation.bring(call_id, "2 of otters")
        return []

    script(provider, CHAT, ONCE)
    with capture() as captured:
        agent(run, provider)
        [row] = tools(captured.rows)
    assert (row["metadata"]["timing"], row["output"]) == ("inferred", "2 of otters")


def test_another_function_of_that_name_in_scope(provider: ProviderServer) -> None:
    def search(q: str, limit: int = 3) -> str:
        raise AssertionError

    def perform(name: str, arguments: dict[str, Any]) -> str:
        return f"{name} elsewhere"

    def run(conversation: Conversation) -> list[Any]:
        assert callable(search)
        return loop(perform)(conversation)

    script(provider, CHAT, ONCE)
    with capture() as captured:
        assert agent(run, provider) == ["search elsewhere"]
        assert timings(captured.rows) == ["inferred"]


def test_two_registries_with_different_functions(provider: ProviderServer) -> None:
    web: Registry = {"search": lambda q, limit: f"{q} of the web"}
    mail: Registry = {"search": lambda q, limit: f"{q} of the mail"}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                brought.append((web if len(calls) == 1 else mail)[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    script(provider, CHAT, ONCE)
    with capture() as captured:
        assert agent(run, provider) == ["otters of the web"]
        assert timings(captured.rows) == ["inferred"]


def test_one_function_behind_two_tools(provider: ProviderServer) -> None:
    """Which of them an execution is of, its arguments may not tell."""

    def run_any(**arguments: Any) -> str:
        return f"ran {arguments}"

    registry: Registry = {"search": run_any, "find": run_any}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    script(provider, CHAT, [("call_1", "search", {"q": "a"}), ("call_2", "find", {"q": "a"})])
    with capture() as captured:
        agent(run, provider)
        rows = tools(captured.rows)
    for row in rows:
        named = {"call_1": "search", "call_2": "find"}[row["metadata"]["tool_call_id"]]
        assert row["metadata"]["tool_name"] == named
    assert len(rows) == 2


def test_functions_that_share_their_code(provider: ProviderServer) -> None:
    def searching(index: str) -> Callable[..., Any]:
        def search(q: str) -> str:
            return f"{q} in {index}"

        return search

    registry: Registry = {"mail": searching("mail"), "web": searching("web")}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in reversed(calls):
                brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    script(provider, CHAT, [("call_1", "mail", {"q": "a"}), ("call_2", "web", {"q": "a"})])
    with capture() as captured:
        assert agent(run, provider) == ["a in web", "a in mail"]
        rows = tools(captured.rows)
    assert sorted(
        (row["metadata"]["tool_call_id"], row["metadata"]["timing"], row["output"]) for row in rows
    ) == [
        ("call_1", "observed", "a in mail"),
        ("call_2", "observed", "a in web"),
    ]


def test_others_call_the_function_meanwhile(provider: ProviderServer) -> None:
    def search(q: str, limit: int = 3) -> str:
        time.sleep(0.05)
        return f"{limit} of {q}"

    registry: Registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            others = [
                threading.Thread(target=lambda: registry["search"](q="stray", limit=9)) for _ in range(3)
            ]
            for other in others:
                other.start()
            for call_id, name, arguments in calls:
                brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
            for other in others:
                other.join()
        return brought

    script(provider, CHAT, ONCE)
    with capture() as captured:
        assert agent(run, provider) == ["2 of otters"]
        [row] = tools(captured.rows)
    observed(row, "call_1", ONCE[0][2], "2 of otters")


def test_agents_that_share_a_registry(provider: ProviderServer) -> None:
    def search(q: str, limit: int = 3) -> str:
        time.sleep(0.05)
        return f"{limit} of {q}"

    registry: Registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        brought = []
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                brought.append(registry[name](**arguments))
                conversation.bring(call_id, brought[-1])
        return brought

    asked: list[Asked] = [
        [(f"call_{number}", "search", {"q": f"q{number}", "limit": 1})] for number in range(4)
    ]
    servers = [ProviderServer() for _ in asked]
    for server, one in zip(servers, asked, strict=True):
        script(server, CHAT, one)
    with capture() as captured:
        threads = [threading.Thread(target=agent, args=(run, server)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = tools(captured.rows)
    for server in servers:
        server.close()
    assert len(rows) == len(asked)
    for row in rows:
        number = row["metadata"]["tool_call_id"].removeprefix("call_")
        assert row["output"] == f"1 of q{number}"
        assert row["input"] == {"q": f"q{number}", "limit": 1}
        [act] = [one for one in captured.rows if [one["span_id"]] == row["span_parents"]]
        assert act["input"] == [{"id": row["metadata"]["tool_call_id"], "name": "search"}]


class Trap:
    """An object that tells of everything that is done with it."""

    touched: list[str] = []  # noqa: RUF012

    def __getattribute__(self, name: str) -> Any:
        Trap.touched.append(name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        Trap.touched.append(name)
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        Trap.touched.append("==")
        return True

    def __hash__(self) -> int:
        Trap.touched.append("hash")
        return hash("search")

    @property
    def search(self) -> Any:
        Trap.touched.append("search")
        return lambda **_: None

    @property
    def name(self) -> str:
        Trap.touched.append("name")
        return "search"


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        Trap.touched.append(f"class {name}")
        return type.__getattribute__(cls, name)


class TrapClass(metaclass=Meta):
    pass


def test_no_code_of_the_application_runs_in_the_search(provider: ProviderServer) -> None:
    trap = Trap()
    listed = [trap, trap]
    keyed = {"other": trap, trap: "value"}
    kinds = [TrapClass, TrapClass()]

    def run(conversation: Conversation) -> list[Any]:
        held = (trap, listed, keyed, kinds, TrapClass)
        while calls := conversation.ask():
            for call_id, _, _ in calls:
                conversation.bring(call_id, len(held))
        return []

    Trap.touched.clear()
    script(provider, CHAT, ONCE)
    with capture() as captured:
        agent(run, provider)
        assert timings(captured.rows) == ["inferred"]
    assert Trap.touched == []


@pytest.mark.parametrize("answers", [1, 3])
def test_each_answer_is_watched_for_anew(answers: int, provider: ProviderServer) -> None:
    def search(q: str, limit: int = 3) -> str:
        return f"{limit} of {q}"

    registry: Registry = {"search": search}

    def run(conversation: Conversation) -> list[Any]:
        while calls := conversation.ask():
            for call_id, name, arguments in calls:
                conversation.bring(call_id, registry[name](**arguments))
        for _ in range(5):  # nobody asks any more
            registry["search"](q="otters", limit=2)
        return []

    script(
        provider,
        CHAT,
        *([(f"call_{number}", "search", {"q": "otters", "limit": 2})] for number in range(answers)),
    )
    with capture() as captured:
        agent(run, provider)
        assert timings(captured.rows) == ["observed"] * answers
