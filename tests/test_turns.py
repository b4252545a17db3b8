"""The whole turn of agents written by hand on the plain clients, over real HTTP: the rows that come out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests.apis import BEGUN, CHAT, MESSAGES, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, message
from tests.loops import CALLS, WAYS, Talk, Way, aasked, api, asked, aturn, model, turn
from tests.turn_outlines import nested, of, outline, tree

Row = dict[str, Any]
each_way = pytest.mark.parametrize("way", WAYS)
either = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(model())
        yield server


@each_way
@either
def test_every_way_of_going_on(way: Way, stream: bool, provider: ProviderServer) -> None:
    with capture() as captured, api(way).client(provider) as client:
        assert "done with go" in turn(Talk(way), client, "go", stream=stream)
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(tree(api(way).model))
    nested(rows)


@each_way
@either
def test_every_way_of_going_on_asynchronously(way: Way, stream: bool, provider: ProviderServer) -> None:
    async def main() -> None:
        async with api(way).aclient(provider) as client:
            await asyncio.gather(*(aturn(Talk(way), client, f"go {n}", stream=stream) for n in range(3)))

    with capture() as captured:
        asyncio.run(main())
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(3 * tree(api(way).model))
    assert {row["input"]: row["output"] != {} for row in of(rows, "agent turn")} == dict.fromkeys(
        ["go 0", "go 1", "go 2"], True
    )
    nested(rows)


def test_rows_whole() -> None:
    """One turn over chat: two tools at once, whose executions nobody saw."""
    with ProviderServer() as provider:
        provider.reply(model(rounds=1))
        with traced() as (captured, clock), CHAT.client(provider) as client:
            talk = Talk("chat")
            talk.say("go")
            calls = talk.take(asked(talk, client))
            clock.advance(2)
            talk.bring(calls)
            talk.take(asked(talk, client, stream=True))
            rows = captured.rows
    origin = {"name": "bttrace", "version": bttrace.__version__}
    ours = {"span_origin": {**origin, "instrumentation": {"name": "bttrace.turns"}}}
    root = f"{1:032x}"

    def step(number: int, name: str, start: float, end: float, *parents: int, **fields: Any) -> Row:
        return {
            "id": f"row-{number}",
            "span_id": f"{number:016x}",
            "root_span_id": root,
            **({"span_parents": [f"{parent:016x}" for parent in parents]} if parents else {}),
            "span_attributes": {"name": name, "type": fields.pop("type", "task")},
            "created": f"2023-11-14T22:13:{int(start - BEGUN) + 21}+00:00",
            "metadata": {},
            "metrics": {"start": start, "end": end, **fields.pop("metrics", {})},
            "context": ours,
            **fields,
        }

    ids = [identity for identity, _ in calls]
    generations = of(rows, f"llm.generation ({CHAT.model})")
    caller = {name: value for name, value in generations[0]["context"].items() if name != "span_origin"}
    assert caller["caller_functionname"] == "asked"
    later = BEGUN + 2
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "tokens": 18,
        "prompt_cached_tokens": 3,
        "completion_reasoning_tokens": 2,
    }
    expected = [
        step(
            1,
            "agent turn",
            BEGUN,
            later,
            input="go",
            output="done with go",
            metadata={"session_id": root, "iterations": 2, "turn_status": "completed", "usage": usage},
        ),
        step(
            2,
            "reason (iteration 1)",
            BEGUN,
            BEGUN,
            1,
            output={"has_tool_calls": True, "tool_call_count": 2, "text_preview": None},
        ),
        step(
            4,
            "act (iteration 1)",
            BEGUN,
            later,
            1,
            input=[{"id": identity, "name": name} for identity, name in calls],
            output={"completed": 2, "success_count": 2, "error_count": 0},
        ),
        *(
            step(
                number,
                f"tool.call ({name})",
                BEGUN,
                later,
                4,
                type="tool",
                input=given,
                output=f"result of {name}",
                metadata={
                    "tool_name": name,
                    "tool_call_id": identity,
                    "timing": "inferred",
                    "status": "success",
                },
                metrics={"duration_ms": 2000.0},
            )
            for number, identity, (name, _, given) in zip((5, 6), ids, CALLS, strict=True)
        ),
        step(
            7,
            "reason (iteration 2)",
            later,
            later,
            1,
            output={"has_tool_calls": False, "tool_call_count": 0, "text_preview": "done with go"},
        ),
    ]
    expected[0]["context"] = {**ours, **caller}
    steps = [row for row in rows if row["span_attributes"]["type"] != "llm"]
    assert sorted(steps, key=lambda row: row["span_id"]) == expected
    assert [row["span_parents"] for row in generations] == [[f"{2:016x}"], [f"{7:016x}"]]


def test_several_turns_at_once_in_threads(provider: ProviderServer) -> None:
    def work(number: int) -> None:
        way = WAYS[number % len(WAYS)]
        with api(way).client(provider) as client:
            turn(Talk(way), client, f"go {number}", stream=number % 2 == 0)

    with capture() as captured:
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(work, range(10)))
        rows = captured.rows
    expected = [line for number in range(10) for line in tree(api(WAYS[number % len(WAYS)]).model)]
    assert sorted(outline(rows)) == sorted(expected)
    assert len({row["root_span_id"] for row in rows}) == 10
    nested(rows)


@each_way
def test_each_message_of_the_user_opens_a_turn_and_the_session_ties_them(
    way: Way, provider: ProviderServer
) -> None:
    with capture() as captured, api(way).client(provider) as client:
        talk = Talk(way)
        turn(talk, client, "one")
        turn(talk, client, "two")
        turn(Talk(way), client, "other")
        rows = captured.rows
    turns = of(rows, "agent turn")
    assert [row["input"] for row in turns] == ["one", "two", "other"]
    assert [row["metadata"]["iterations"] for row in turns] == [3, 3, 3]
    sessions = [row["metadata"]["session_id"] for row in turns]
    assert sessions[0] == sessions[1]
    assert (sessions[2] == sessions[0]) == (way == "conversation")  # which all three are in


def test_a_turn_handed_to_another_thread_midway(provider: ProviderServer) -> None:
    with capture() as captured, CHAT.client(provider) as client:
        talk = Talk("chat")
        talk.say("go")
        talk.bring(talk.take(asked(talk, client)))
        other = threading.Thread(target=lambda: talk.bring(talk.take(asked(talk, client))))
        other.start()
        other.join()
        talk.take(asked(talk, client))
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(tree(CHAT.model))


def test_a_turn_handed_to_another_task_midway(provider: ProviderServer) -> None:
    async def main() -> None:
        async with MESSAGES.aclient(provider) as client:
            talk = Talk("messages")
            talk.say("go")
            talk.bring(talk.take(await asyncio.create_task(aasked(talk, client))))
            talk.bring(talk.take(await asyncio.create_task(aasked(talk, client, stream=True))))
            talk.take(await aasked(talk, client))

    with capture() as captured:
        asyncio.run(main())
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(tree(MESSAGES.model))


@each_way
def test_a_last_call_without_tools_brings_the_results(way: Way, provider: ProviderServer) -> None:
    with capture() as captured, api(way).client(provider) as client:
        turn(Talk(way), client, "go", last_tools=False)
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(tree(api(way).model))


@each_way
@either
def test_a_call_that_offers_no_tools_is_a_span_alone(way: Way, stream: bool) -> None:
    with ProviderServer() as provider:
        provider.reply(model(rounds=0))
        with capture() as captured, api(way).client(provider) as client:
            talk = Talk(way)
            talk.say("go")
            asked(talk, client, stream=stream, tools=False)
            assert outline(captured.rows) == [f"llm.generation ({api(way).model})"]


def test_a_loop_that_goes_from_one_provider_to_another() -> None:
    with ProviderServer() as provider:
        provider.route(MESSAGES.path, message(tool_calls=[("toolu_1", "weather", '{"city": "Oslo"}')]))
        provider.route(CHAT.path, chat("It rains."))
        with capture() as captured, MESSAGES.client(provider) as one, CHAT.client(provider) as other:
            talk = Talk("messages")
            talk.say("go")
            [(identity, name)] = talk.take(asked(talk, one))
            call = {"id": identity, "type": "function", "function": {"name": name, "arguments": CALLS[0][1]}}
            second = Talk("chat")
            second.history = [
                {"role": "user", "content": "go"},
                {"role": "assistant", "tool_calls": [call]},
            ]
            second.bring([(identity, name)])
            asked(second, other)
            rows = captured.rows
    assert outline(rows) == [
        "agent turn",
        "agent turn / reason (iteration 1)",
        f"agent turn / reason (iteration 1) / llm.generation ({MESSAGES.model})",
        "agent turn / act (iteration 1)",
        "agent turn / act (iteration 1) / tool.call (weather)",
        "agent turn / reason (iteration 2)",
        f"agent turn / reason (iteration 2) / llm.generation ({CHAT.model})",
    ]
    [row] = of(rows, "agent turn")
    assert row["output"] == "It rains."
    tokens = sum(row["metrics"].get("tokens", 0) for row in rows)
    assert row["metadata"]["usage"]["tokens"] == tokens


@each_way
def test_without_content_no_step_holds_any(way: Way, provider: ProviderServer) -> None:
    with capture(capture_content=False) as captured, api(way).client(provider) as client:
        turn(Talk(way), client, "secretprompt")
        rows = captured.rows
    assert sorted(outline(rows)) == sorted(tree(api(way).model))
    for row in rows:
        told = {name: value for name, value in row.items() if name not in ("context", "metadata")}
        if row["span_attributes"]["name"].startswith("act"):
            told.pop("input")  # ids and names of calls; this test's model has words of the user in its ids
        for words in ("secretprompt", "Oslo", "result of", "done with"):
            assert words not in json.dumps(told), row
    [row] = of(rows, "agent turn")
    assert "input" not in row
    assert "output" not in row
    [row] = of(rows, "reason (iteration 3)")
    assert row["output"] == {"has_tool_calls": False, "tool_call_count": 0}
    assert of(rows, "act (iteration 1)")[0]["output"] == {
        "completed": 2,
        "success_count": 2,
        "error_count": 0,
    }


def test_the_steps_have_the_same_names_as_braintrusts_integrations_stand_in_them(
    provider: ProviderServer,
) -> None:
    with capture(span_names="braintrust") as captured, MESSAGES.client(provider) as client:
        turn(Talk("messages"), client, "go")
        rows = captured.rows
    lines = [
        line.replace(f"llm.generation ({MESSAGES.model})", "anthropic.messages.create")
        for line in tree(MESSAGES.model)
    ]
    assert sorted(outline(rows)) == sorted(lines)
