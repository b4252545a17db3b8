"""`BTTRACE_WORKFLOWS` and `BTTRACE_TASKS`: the functions they name are spans, and all that they do is in them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event, Thread
from typing import Any

import openai
import pytest

from bttrace.executions import EXECUTING
from bttrace.testing import Captured, capture
from tests import flows
from tests.apis import CHAT, MESSAGES
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat, message
from tests.nested import named, nested

ASKED = "llm.generation (gpt-4o-mini-2024-07-18)"
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "tokens": 18,
    "prompt_cached_tokens": 3,
    "completion_reasoning_tokens": 2,
}
TURN = [
    "agent turn",
    ["reason (iteration 1)", ASKED],
    ["act (iteration 1)", "tool.call (weather)"],
    ["reason (iteration 2)", ASKED],
]


def echo(request: Request) -> Reply:
    """Says what it is asked; asks for the weather first if it may."""
    messages = request.json["messages"]
    if request.json.get("tools") and messages[-1]["role"] == "user":
        return chat(tool_calls=[("call_1", "weather", "{}")], id="chatcmpl-1")
    return chat(f"<{messages[0]['content']}>", id=f"chatcmpl-{len(messages)}")


@pytest.fixture(name="server")
def _server(provider: ProviderServer) -> ProviderServer:
    provider.route("/v1/chat/completions", echo)
    provider.route("/v1/messages", message("from anthropic"))
    return provider


@pytest.fixture(name="client")
def _client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    with CHAT.client(server) as client:
        yield client


def looped(server: ProviderServer, story: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    """Runs a story with an asynchronous client, in a loop of its own."""

    async def run() -> object:
        async with CHAT.aclient(server) as aclient:
            return await story(aclient)

    return asyncio.run(run())


def times(count: int) -> dict[str, float]:
    return {name: number * count for name, number in USAGE.items()}


def told(captured: Captured, name: str) -> tuple[object, ...]:
    row = named(captured.rows, name)
    return row.get("input"), row.get("output"), row.get("error"), row["metadata"]


# What is in them.


def test_everything_that_a_workflow_does_is_in_it(client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:handle", tasks="tests.flows:research") as captured:
        assert flows.handle(client, "Porto", "!", loud=True, mood="good") == "<<PORTO>!>"
        flows.bare(client, "afterwards")
    rows = captured.rows
    assert nested(rows) == [["workflow:handle", ["task:research", TURN], ASKED], ASKED]
    workflow, task = named(rows, "workflow:handle"), named(rows, "task:research")
    assert workflow["span_attributes"] == {"name": "workflow:handle", "type": "task"}
    assert list(workflow["input"]) == ["client", "said", "more", "loud", "mood"]
    assert {**workflow["input"], "client": None} == {
        "client": None,
        "said": "Porto",
        "more": ["!"],
        "loud": True,
        "mood": "good",
    }
    assert (workflow["output"], workflow["metadata"]) == (
        "<<PORTO>!>",
        {"status": "success", "usage": times(3)},
    )
    assert (task["input"]["topic"], task["output"]) == ("Porto", "<Porto>")
    assert task["metadata"] == {"status": "success", "usage": times(2)}
    assert set(workflow["metrics"]) == {"start", "end"}  # tokens stand on the calls alone
    assert workflow["context"]["caller_functionname"] == "test_everything_that_a_workflow_does_is_in_it"
    assert len({row["root_span_id"] for row in rows}) == 2


def test_both_sdks_nest_in_one_workflow(
    server: ProviderServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asks_both(_self: object, said: str) -> str:
        with MESSAGES.client(server) as other:
            MESSAGES.resource(other).create(**MESSAGES.given)
        return flows.bare(client, said)

    monkeypatch.setattr(flows.Agent, "both", asks_both, raising=False)
    with capture(workflows="tests.flows:Agent.both") as captured:
        agent: Any = flows.Agent(client)
        assert agent.both("x") == "<x>"
    assert nested(captured.rows) == [
        ["workflow:Agent.both", "llm.generation (claude-haiku-4-5-20251001)", ASKED]
    ]
    assert named(captured.rows, "workflow:Agent.both")["metadata"]["usage"]["tokens"] == 18 + 26


def test_a_workflow_within_a_workflow_and_one_that_calls_itself(client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:handle,tests.flows:bare") as captured:
        flows.handle(client, "x")
    assert nested(captured.rows) == [["workflow:handle", TURN, ["workflow:bare", ASKED]]]


def test_two_at_once_have_trees_of_their_own(server: ProviderServer) -> None:
    async def both(aclient: openai.AsyncOpenAI) -> list[str]:
        return await asyncio.gather(*(flows.ahandle(aclient, said) for said in ("a", "b")))

    with capture(workflows="tests.flows:ahandle", tasks="tests.flows:aresearch") as captured:
        assert looped(server, both) == ["<<a>>", "<<b>>"]
    assert nested(captured.rows) == [["workflow:ahandle", ASKED, ["task:aresearch", ASKED]]] * 2
    assert sorted(
        (row["input"]["said"], row["output"], row["metadata"]["usage"])
        for row in captured.rows
        if row["span_attributes"]["name"] == "workflow:ahandle"
    ) == [("a", "<<a>>", times(2)), ("b", "<<b>>", times(2))]


def test_a_task_that_is_left_running_stays_in_its_workflow(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[asyncio.Task[str]] = []

    async def starts(client: Any, _said: str) -> None:
        kept.append(asyncio.create_task(flows.abare(client, "later")))

    async def story(aclient: openai.AsyncOpenAI) -> None:
        await flows.afails(aclient, "x")
        await kept[0]

    monkeypatch.setattr(flows, "afails", starts)
    with capture(workflows="tests.flows:afails") as captured:
        looped(server, story)
        rows = captured.rows
    assert nested(rows) == [["workflow:afails", ASKED]]
    row = named(rows, "workflow:afails")
    assert (row["input"]["_said"], row["metadata"]["status"]) == ("x", "success")


def test_what_is_used_after_a_workflow_was_written_takes_nothing_from_it(
    server: ProviderServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[Thread] = []
    goes_on = Event()

    def later() -> None:
        assert goes_on.wait(10)
        flows.bare(client, "later")

    def starts(_client: Any, said: str) -> str:
        threads.append(Thread(target=copy_context().run, args=(later,)))
        threads[0].start()
        return said.upper()

    monkeypatch.setattr(flows, "fails", starts)
    with capture(workflows="tests.flows:fails") as captured:
        flows.fails(client, "x")
        assert named(captured.rows, "workflow:fails")["output"] == "X"
        goes_on.set()
        threads[0].join()
        assert nested(captured.rows) == [["workflow:fails", ASKED]]
        row = named(captured.rows, "workflow:fails")
        assert (row["input"]["said"], row["output"]) == ("x", "X")


# How they end.


def test_one_that_raises_says_so(server: ProviderServer, client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:fails,tests.flows:afails") as captured:
        with pytest.raises(KeyError) as error:
            flows.fails(client, "x")
        with pytest.raises(KeyError) as later:
            looped(server, lambda aclient: flows.afails(aclient, "y"))
    assert [str(error.value), str(later.value)] == ["'<x>'", "'<y>'"]
    assert nested(captured.rows) == [["workflow:fails", ASKED], ["workflow:afails", ASKED]]
    _, output, text, metadata = told(captured, "workflow:fails")
    assert (output, text, metadata) == (None, "KeyError: '<x>'", {"status": "error", "usage": USAGE})
    assert told(captured, "workflow:afails")[2] == "KeyError: '<y>'"


def test_one_that_is_cancelled_says_so(server: ProviderServer) -> None:
    async def story(aclient: openai.AsyncOpenAI) -> None:
        task = asyncio.create_task(flows.ahandle(aclient, "x"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture(workflows="tests.flows:ahandle") as captured:
        looped(server, story)
    _, output, error, metadata = told(captured, "workflow:ahandle")
    assert (output, error, metadata["status"]) == (None, "CancelledError", "error")  # type: ignore[index]


def test_one_that_is_not_over_is_seen_meanwhile(client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:parts") as captured:
        parts = flows.parts(client, 2)
        next(parts)
        row = named(captured.rows, "workflow:parts")
        assert ("end" in row["metrics"], row["input"]["count"]) == (False, 2)
        parts.close()
        assert "end" in named(captured.rows, "workflow:parts")["metrics"]


def test_content_can_be_left_out(client: openai.OpenAI) -> None:
    options: Any = {"workflows": "tests.flows:fails", "capture_content": False}
    with capture(**options) as captured, pytest.raises(KeyError):
        flows.fails(client, "secret")
    assert told(captured, "workflow:fails") == (None, None, "KeyError", {"status": "error", "usage": USAGE})


# Generators.


def test_a_generator_is_current_only_while_its_code_runs(client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:parts") as captured:
        parts = flows.parts(client, 2)
        said = []
        for part in parts:
            assert EXECUTING.get() is None
            said.append(part)
            flows.bare(client, "the reader's own")
    assert said == ["<0>", "<1>"]
    rows = captured.rows
    assert sorted(map(str, nested(rows))) == sorted(
        map(str, [["workflow:parts", ASKED, ASKED, ASKED], ASKED, ASKED])
    )
    assert told(captured, "workflow:parts")[1:] == (
        {"yielded": said, "count": 2, "returned": "all"},
        None,
        {"status": "success", "stream_end": "exhausted", "usage": times(3)},
    )


def exchange(parts: Any) -> list[object]:
    """Uses every way to talk to a generator."""
    saw: list[object] = [next(parts), parts.send("mine"), parts.throw(ValueError("no"))]
    try:
        while True:
            saw.append(next(parts))
    except StopIteration as stop:
        saw.append(stop.value)
    return [*saw, next(parts, "over")]


async def aexchange(parts: Any) -> list[object]:
    saw: list[object] = [await anext(parts), await parts.asend("mine"), await parts.athrow(ValueError("no"))]
    async for part in parts:
        saw.append(part)
    return [*saw, await anext(parts, "over")]


def test_generators_take_what_is_sent_and_thrown(server: ProviderServer, client: openai.OpenAI) -> None:
    def both() -> tuple[list[object], list[object]]:
        told = looped(server, lambda aclient: aexchange(flows.aparts(aclient, 4)))
        return exchange(flows.parts(client, 4)), told

    bare = both()
    with capture(workflows="tests.flows:*parts") as captured:
        assert both() == bare
    assert bare[0] == ["<0>", "<mine>", "caught no", "<2>", "<3>", "all", "over"]
    assert named(captured.rows, "workflow:aparts")["output"] == bare[1][:-1]


@pytest.mark.parametrize("way", ["closed", "dropped"])
def test_a_generator_that_is_left_early_runs_its_end(client: openai.OpenAI, way: str) -> None:
    with capture(workflows="tests.flows:parts") as captured:
        parts = flows.parts(client, 3)
        next(parts)
        if way == "closed":
            parts.close()
        del parts
        gc.collect()
        flows.parts(client, 3).close()  # never begun: no span
    assert nested(captured.rows) == [["workflow:parts", ASKED, ASKED]]
    assert told(captured, "workflow:parts")[1:] == (
        ["<0>"],
        None,
        {"status": "success", "stream_end": "closed", "usage": times(2)},
    )


@pytest.mark.parametrize("way", ["closed", "dropped", "left to the end of the loop"])
def test_an_asynchronous_generator_that_is_left_early_runs_its_end(
    server: ProviderServer, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[object] = []
    flows.CLOSED.clear()

    async def story(aclient: openai.AsyncOpenAI) -> None:
        parts = flows.aparts(aclient, 3)
        assert await anext(parts) == "<0>"
        assert EXECUTING.get() is None
        if way == "closed":
            await parts.aclose()
        elif way == "dropped":
            del parts
            gc.collect()
            await asyncio.sleep(0.2)
        else:
            kept.append(parts)

    with capture(workflows="tests.flows:aparts") as captured:
        looped(server, story)
        rows = captured.rows
    assert (caplog.records, flows.CLOSED[-1]) == ([], 3)
    assert nested(rows) == [["workflow:aparts", ASKED]]
    row = named(rows, "workflow:aparts")
    assert row["metadata"] == {"status": "success", "stream_end": "closed", "usage": USAGE}


def test_only_the_first_of_many_items_are_kept() -> None:
    with capture(workflows="tests.flows:parts") as captured:

        class Silent:
            """What a model says for nothing."""

            class chat:
                class completions:
                    @staticmethod
                    def create(**_given: object) -> Any:
                        return openai.types.chat.ChatCompletion.model_validate_json(chat("x").body)

        assert len(list(flows.parts(Silent(), 3000))) == 3000
    output = named(captured.rows, "workflow:parts")["output"]
    assert (len(output["yielded"]), output["count"], output["returned"]) == (1000, 3000, "all")


# Methods and decorators.


def test_methods_of_every_kind(server: ProviderServer, client: openai.OpenAI) -> None:
    with capture(workflows="tests.flows:Chief.run,tests.flows:Agent.*,tests.flows:Chief.plain") as captured:
        chief = flows.Chief.made(client)
        assert type(chief) is flows.Chief
        assert chief.run(said="a") == "<a>"
        assert flows.Agent.run(chief, "b") == "<b>"
        assert flows.Chief.plain(client, said="c") == "<c>"
        assert looped(server, lambda aclient: flows.Agent(aclient).arun("d")) == "<d>"
    assert nested(captured.rows) == [
        "workflow:Agent.made",
        ["workflow:Chief.run", ASKED],
        ["workflow:Agent.run", ASKED],
        ["workflow:Agent.plain", ASKED],
        ["workflow:Agent.arun", ASKED],
    ]
    rows = captured.rows
    assert named(rows, "workflow:Chief.run")["input"] == {"said": "a"}
    assert named(rows, "workflow:Agent.run")["input"] == {"said": "b"}
    assert set(named(rows, "workflow:Agent.plain")["input"]) == {"client", "said"}


def test_an_asynchronous_function_behind_a_decorator_lasts_until_it_was_awaited(
    server: ProviderServer,
) -> None:
    with capture(workflows="tests.flows:decorated") as captured:
        assert looped(server, lambda aclient: flows.decorated(aclient, "x")) == "<x>"
    assert nested(captured.rows) == [["workflow:decorated", ASKED]]
    assert told(captured, "workflow:decorated")[1] == "<x>"


# Threads.


def test_what_is_handed_to_a_pool_of_threads_stays_in_its_workflow(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = ThreadPoolExecutor.submit

    def maps(_client: Any, _said: str) -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda said: flows.bare(client, said), "ab"))

    async def runs(_client: Any, _said: str) -> str:
        loop = asyncio.get_running_loop()
        told = await asyncio.to_thread(flows.bare, client, "c")
        return await loop.run_in_executor(None, flows.bare, client, told)

    monkeypatch.setattr(flows, "fails", maps)
    monkeypatch.setattr(flows, "afails", runs)
    with (
        capture(workflows="tests.flows:fails,tests.flows:afails") as captured,
        ThreadPoolExecutor(1) as pool,
    ):
        assert pool.submit(flows.bare, client, "outside").result() == "<outside>"
        flows.fails(client, "x")
        asyncio.run(flows.afails(client, "y"))
        assert pool.submit(EXECUTING.get).result() is None
    assert nested(captured.rows) == [
        ASKED,
        ["workflow:fails", ASKED, ASKED],
        ["workflow:afails", ASKED, ASKED],
    ]
    assert ThreadPoolExecutor.submit is submit


def test_a_thread_that_the_application_starts_is_left_alone(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starts(_client: Any, _said: str) -> None:
        thread = threading.Thread(target=flows.bare, args=(client, "x"))
        thread.start()
        thread.join()

    monkeypatch.setattr(flows, "fails", starts)
    with capture(workflows="tests.flows:fails") as captured:
        flows.fails(client, "x")
    assert nested(captured.rows) == ["workflow:fails", ASKED]
