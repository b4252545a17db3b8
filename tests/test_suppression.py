"""`bttrace.suppressed()`: nothing that begins in the block is traced, and everything else is."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bttrace
from bttrace.testing import Captured, capture
from tests import flows
from tests.apis import CHAT, Api, each_api
from tests.asking import _aclient, _client, _unscripted, ask, run, said
from tests.conversations import Asked, Conversation, script
from tests.dialogues import answering, read, text_answer
from tests.dialogues import client as realtime
from tests.dispatch import by_dict
from tests.doors import PYTHON, environment, finished, hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream
from tests.loopback.websocket import WebsocketServer
from tests.loops import Talk, aturn, model, turn
from tests.nested import nested

__all__ = ["_aclient", "_client", "_unscripted"]

GENERATION = "llm.generation (gpt-4o-mini-2024-07-18)"


@each_api
@pytest.mark.parametrize("way", ["whole", "stream", "raw", "helper", "failing"])
def test_no_call_of_any_api_is_traced(api: Api, way: str, provider: ProviderServer) -> None:
    provider.reply(
        *(
            [api.error(status=400)]
            if way == "failing"
            else [api.streamed() if way in ("stream", "helper") else api.whole()]
        )
    )
    client = api.client(provider)
    resource = api.resource(client)

    def used() -> None:
        given = api.given
        if way == "whole":
            resource.create(**given)
        elif way == "stream":
            list(resource.create(**given, stream=True))
        elif way == "raw":
            resource.with_raw_response.create(**given).parse()
        elif way == "failing":
            with pytest.raises(api.sdk.BadRequestError):
                resource.create(**given)
        else:
            with resource.stream(**given) as stream:
                getattr(stream, api.final)()

    with client, capture() as captured:
        with bttrace.suppressed():
            used()
        assert captured.rows == []
        used()
        assert len(captured.rows) == 1


def test_blocks_stand_within_one_another(client: Any) -> None:
    again = bttrace.suppressed()
    with capture() as captured:
        ask(client, "before")
        with bttrace.suppressed():
            ask(client, "in one")
            with again, bttrace.suppressed(), again:
                ask(client, "in four")
            ask(client, "in one still")
        ask(client, "between")
        with again:
            ask(client, "in one again")
        with pytest.raises(KeyError), bttrace.suppressed():
            raise KeyError
        ask(client, "after")
        assert said(captured) == ["before", "between", "after"]


def test_a_block_of_one_thread_is_no_other_s(client: Any) -> None:
    inside, asked = threading.Event(), threading.Event()

    def suppress() -> None:
        with bttrace.suppressed():
            inside.set()
            asked.wait(10)
            ask(client, "in the block")

    with capture() as captured:
        thread = threading.Thread(target=suppress)
        thread.start()
        assert inside.wait(10)
        ask(client, "meanwhile")
        asked.set()
        thread.join()
        assert said(captured) == ["meanwhile"]


def test_tasks_and_awaits(aclient: Any) -> None:
    async def aask(what: str, gate: asyncio.Event | None = None) -> None:
        if gate is not None:
            await gate.wait()
        await ask(aclient, what)

    async def main() -> None:
        gate = asyncio.Event()
        beside = asyncio.create_task(aask("a task from before", gate))
        with bttrace.suppressed():
            await aask("awaited")
            await asyncio.gather(aask("gathered"), aask("gathered too"))
            child = asyncio.create_task(aask("a task that stays", gate))
        await aask("after")
        gate.set()
        await asyncio.gather(child, beside)

    with capture() as captured:
        run(aclient, main)
        assert sorted(said(captured)) == ["a task from before", "after"]


def test_threads_that_inherit_the_context(client: Any) -> None:

    async def main() -> None:
        with bttrace.suppressed():
            await asyncio.to_thread(ask, client, "to_thread")
        await asyncio.to_thread(ask, client, "to_thread after")

    with capture() as captured, ThreadPoolExecutor(1) as pool:
        asyncio.run(main())
        with bttrace.suppressed():
            context = contextvars.copy_context()
            pool.submit(context.run, ask, client, "a copy").result()
            thread = threading.Thread(target=ask, args=(client, "a thread of its own"))
            thread.start()
            thread.join()
        pool.submit(context.run, ask, client, "a copy, later").result()
        assert said(captured) == ["to_thread after", "a thread of its own"]


def test_pools_carry_the_block_where_they_carry_workflows(client: Any) -> None:
    with capture(workflows="tests.flows:bare") as captured, ThreadPoolExecutor(1) as pool:
        with bttrace.suppressed():
            pool.submit(flows.bare, client, "in the block").result()
        pool.submit(flows.bare, client, "after").result()
        assert nested(captured.rows) == [["workflow:bare", GENERATION]]
        assert said(captured) == ["after"]


# Streams: it counts where the call was made.


def test_a_stream_belongs_to_where_it_began(client: Any) -> None:
    with capture() as captured:
        with bttrace.suppressed():
            inside = ask(client, "began inside", stream=True)
        outside = ask(client, "began outside", stream=True)
        assert len(list(inside)) == 5
        with bttrace.suppressed():
            assert len(list(outside)) == 5
        with bttrace.suppressed():
            closed = ask(client, "closed outside", stream=True)
            next(closed)
        closed.close()
        [row] = captured.rows
        assert said(captured) == ["began outside"]
        assert row["metadata"]["stream_end"] == "exhausted"
        assert row["output"][0]["message"]["content"] == "Hello from loopback."


def test_an_asynchronous_stream_belongs_to_where_it_began(aclient: Any) -> None:
    async def main() -> None:
        with bttrace.suppressed():
            inside = await ask(aclient, "began inside", stream=True)
        outside = await ask(aclient, "began outside", stream=True)
        assert len([chunk async for chunk in inside]) == 5
        with bttrace.suppressed():
            assert len([chunk async for chunk in outside]) == 5

    with capture() as captured:
        run(aclient, main)
        assert said(captured) == ["began outside"]


def test_a_call_within_a_traced_call_leaves_no_trace_in_it(provider: ProviderServer, client: Any) -> None:
    """An application's own HTTP hook asks a model, suppressed, while a call is at work."""
    import openai

    hooked: list[str] = []

    def hook(_request: object) -> None:
        if not hooked:
            hooked.append("once")
            with bttrace.suppressed():
                ask(client, "in the hook")

    http = openai.DefaultHttpxClient(verify=False, event_hooks={"request": [hook]})
    outer = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0, http_client=http)
    with outer, capture() as captured:
        ask(outer, "outer")
        [row] = captured.rows
        assert said(captured) == ["outer"]
        assert "retries" not in row["metrics"]
        assert len(provider.requests) == 2


# What is in the block and around it.


def test_a_block_left_from_elsewhere_suppresses_no_longer(client: Any) -> None:
    """A generator that is closed in another context than it was entered in."""

    def quiet() -> Generator[None, None, None]:
        with bttrace.suppressed():
            yield

    with capture() as captured:
        generator = quiet()
        next(generator)
        ask(client, "entered")
        with bttrace.suppressed():
            contextvars.copy_context().run(generator.close)
            ask(client, "in another")
        contextvars.Context().run(generator.close)
        ask(client, "closed elsewhere")
        assert said(captured) == ["closed elsewhere"]


def test_an_asynchronous_generator_closed_by_another_task(aclient: Any) -> None:
    async def quiet() -> AsyncGenerator[int, None]:
        with bttrace.suppressed():
            yield 1

    async def main() -> None:
        generator = quiet()
        await anext(generator)
        with bttrace.suppressed():
            await asyncio.create_task(generator.aclose())
            await ask(aclient, "in the block")
        await ask(aclient, "after")

    with capture() as captured:
        run(aclient, main)
        assert said(captured) == ["after"]


@pytest.mark.parametrize("kind", ["bare", "agent", "fails"])
def test_workflows_are_not_traced_in_a_block(kind: str, provider: ProviderServer, unscripted: Any) -> None:
    client = unscripted
    provider.reply(
        chat(tool_calls=[("c1", "weather", "{}")]) if kind == "agent" else chat("Hi."), chat("Done.")
    )
    function: Callable[..., Any] = getattr(flows, kind)
    with capture(workflows=f"tests.flows:{kind}") as captured:
        with bttrace.suppressed():
            if kind == "fails":
                with pytest.raises(KeyError):
                    function(client, "inside")
            else:
                function(client, "inside")
        assert captured.rows == []
        flows.bare(client, "after")
        assert said(captured) == ["after"]


def test_a_generator_of_a_workflow_belongs_to_where_it_began(client: Any) -> None:
    with capture(workflows="tests.flows:parts") as captured:
        with bttrace.suppressed():
            inside = flows.parts(client, 2)
            next(inside)
        ask(client, "between")
        outside = flows.parts(client, 1)
        next(outside)
        with bttrace.suppressed():
            list(outside)  # what it asks now, begins here
        assert nested(captured.rows) == [GENERATION, ["workflow:parts", GENERATION]]
        assert said(captured) == ["between", "0"]


def test_a_suppressed_agent_beside_a_traced_one(provider: ProviderServer, unscripted: Any) -> None:
    provider.reply(model())
    client = unscripted
    with capture() as captured:
        with bttrace.suppressed():
            turn(Talk("chat"), client, "quiet")
        assert captured.rows == []
        turn(Talk("chat"), client, "loud")
        names = [row["span_attributes"]["name"] for row in captured.rows]
        assert names.count("agent turn") == 1
        assert names.count("tool.call (weather)") == 2


def test_asynchronous_agents_side_by_side(provider: ProviderServer) -> None:
    provider.reply(model())
    aclient = CHAT.aclient(provider)

    async def quiet(prompt: str) -> None:
        with bttrace.suppressed():
            await aturn(Talk("chat"), aclient, prompt, stream=True)

    async def main() -> None:
        await asyncio.gather(
            *(quiet(f"q{number}") for number in range(3)), aturn(Talk("chat"), aclient, "loud")
        )

    with capture() as captured:
        run(aclient, main)
        turns = [row for row in captured.rows if row["span_attributes"]["name"] == "agent turn"]
        assert [row["input"] for row in turns] == ["loud"]
        assert {row["root_span_id"] for row in captured.rows} == {turns[0]["root_span_id"]}


# Tools, whose turns may not be suppressed.

ONCE: Asked = [("call_1", "search", {"q": "otters", "limit": 2})]


def tools(captured: Captured) -> list[Any]:
    return [row["metadata"]["timing"] for row in captured.rows if row["span_attributes"]["type"] == "tool"]


@pytest.mark.parametrize("found", ["discovered", "declared"])
@pytest.mark.parametrize("quiet", [False, True])
def test_a_tool_in_a_block_is_not_told_of(
    found: str, quiet: bool, provider: ProviderServer, unscripted: Any
) -> None:
    """Neither as it runs, nor by the result that a request brings which is traced."""
    script(provider, CHAT, ONCE)
    options: dict[str, Any] = {"tools": "tests.dispatch.by_dict:TOOLS", "discover_tools": False}
    with capture(**(options if found == "declared" else {})) as captured:
        conversation = Conversation(unscripted)
        [(call_id, name, arguments)] = conversation.ask()
        if quiet:
            with bttrace.suppressed():
                result = by_dict.TOOLS[name](**arguments)
        else:
            result = by_dict.TOOLS[name](**arguments)
        conversation.bring(call_id, result)
        assert conversation.ask() == []
        assert tools(captured) == ([] if quiet else ["observed"])
        [act] = [row for row in captured.rows if row["span_attributes"]["name"].startswith("act")]
        assert act["output"] == {"completed": 1, "success_count": 1, "error_count": 0}


def test_a_block_in_a_workflow_leaves_no_trace_in_it(client: Any) -> None:
    """Neither a model call, nor another workflow, nor what counts tokens."""

    def create(**asked: Any) -> Any:
        with bttrace.suppressed():
            flows.bare(client, "quiet")
        return client.chat.completions.create(**asked)

    quiet = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with capture(workflows="tests.flows:handle,tests.flows:bare") as captured:
        flows.handle(quiet, "loud")
        [[name, *inside]] = nested(captured.rows)
        assert (name, inside) == (
            "workflow:handle",
            [["agent turn", ["reason (iteration 1)", GENERATION]], ["workflow:bare", GENERATION]],
        )
        [root] = [row for row in captured.rows if row["span_attributes"]["name"] == "workflow:handle"]
        assert root["metadata"]["usage"]["tokens"] == 2 * 18


def test_a_response_over_a_connection_belongs_to_where_it_was_asked_for() -> None:
    answers = (
        text_answer("resp_1", "quiet"),
        text_answer("resp_2", "loud"),
        text_answer("resp_3", "quiet too"),
    )
    with WebsocketServer(answering(*answers)) as server, capture() as captured:
        with realtime(server).realtime.connect(model="gpt-realtime") as connection:
            with bttrace.suppressed():
                connection.response.create()
            read(connection)
            connection.response.create()
            with bttrace.suppressed():
                read(connection)
                connection.response.create()
                read(connection)
        assert [row["metadata"]["response_id"] for row in captured.rows] == ["resp_2"]


def test_an_asking_that_waits_for_its_connection_belongs_to_where_it_was_made() -> None:
    with WebsocketServer(answering(text_answer("resp_1", "quiet"))) as server, capture() as captured:
        manager = realtime(server).realtime.connect(model="gpt-realtime")
        if not hasattr(manager, "send"):
            pytest.skip("this openai has no way to ask before the connection is open")
        with bttrace.suppressed():
            manager.send({"type": "response.create"})
        with manager as connection:
            read(connection)
        assert captured.rows == []


@pytest.mark.parametrize("suppressed_asks", [False, True])
def test_results_of_a_suppressed_turn_are_nobody_s_tools(
    suppressed_asks: bool, provider: ProviderServer, unscripted: Any
) -> None:
    """A conversation that began in a block goes on outside: what it brings was asked for by nobody that is traced."""
    script(provider, CHAT, ONCE, ONCE)
    with capture(discover_tools=False) as captured:
        loud = Conversation(unscripted)
        loud.ask()
        quiet = Conversation(unscripted)
        with bttrace.suppressed():
            quiet.ask()
            quiet.bring("call_1", "2 of otters")
            if suppressed_asks:
                quiet.ask()
        rows = captured.rows
        assert [row["span_attributes"]["type"] for row in rows].count("tool") == 0
        assert [row["span_attributes"]["name"] for row in rows].count("agent turn") == 1


# What others have suppressed, and what it costs.


def test_what_opentelemetry_suppresses_is_suppressed(client: Any) -> None:
    otel = pytest.importorskip("opentelemetry.context")
    with capture() as captured:
        for key in (otel._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"):
            token = otel.attach(otel.set_value(key, True))
            ask(client, "suppressed by OpenTelemetry")
            otel.detach(token)
        token = otel.attach(otel.set_value("suppress_http_instrumentation", True))
        ask(client, "no HTTP spans, that is")
        otel.detach(token)
        assert said(captured) == ["no HTTP spans, that is"]


def test_without_a_session_it_costs_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nimport bttrace\nwith bttrace.suppressed(): pass\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = finished([PYTHON, "-c", code], environment(), tmp_path)
    light = {
        "__future__",
        "_contextvars",
        "bttrace",
        "bttrace.surroundings",
        "bttrace.surroundings.blocks",
        "bttrace.surroundings.suppression",
        "contextvars",
    }
    assert (done.code, done.err) == (0, "")
    assert set(done.out.split()) <= light


PROGRAM = """
import asyncio, bttrace, openai, threading
client, aclient = openai.OpenAI(), openai.AsyncOpenAI()
def ask(said, **options):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}], **options)
async def aask(said):
    await aclient.chat.completions.create(model="m", messages=[{"role": "user", "content": said}])
async def main():
    with bttrace.suppressed():
        await asyncio.gather(aask("quiet"), asyncio.to_thread(ask, "quiet"), asyncio.create_task(aask("quiet")))
    await aask("loud")
asyncio.run(main())
with bttrace.suppressed():
    ask("quiet")
    stream = ask("quiet", stream=True)
    thread = threading.Thread(target=ask, args=("loud",))
    thread.start()
    thread.join()
list(stream)
ask("loud")
"""


def test_a_program_with_suppressed_blocks(tmp_path: Path, provider: ProviderServer) -> None:
    """Nothing of a block arrives at Braintrust; all else does."""
    provider.reply(lambda request: chat_stream() if request.json.get("stream") else chat("Hello."))
    with BraintrustServer() as server:
        done = hooked(PROGRAM, server.env(), provider.env(), cwd=tmp_path)
        assert (done.code, done.out, done.err) == (0, "", "")
        assert [row["input"][0]["content"] for row in server.rows()] == ["loud", "loud", "loud"]
        assert len(provider.requests) == 8
