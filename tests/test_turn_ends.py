"""How turns of agents written by hand end, and how they are seen until then: over real HTTP, the rows that come out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

import bttrace
from bttrace.testing import capture
from tests.apis import BEGUN, CHAT, MESSAGES, traced
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, openai_error
from tests.loopback.reply import Reply
from tests.loops import Talk, aasked, asked, model, turn
from tests.turn_outlines import nested, of, outline, tree

Row = dict[str, Any]


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(model())
        yield server


def test_a_turn_that_fails_and_is_tried_again() -> None:
    with ProviderServer() as provider:
        provider.reply(model(), openai_error(500, "down"), model())
        with capture() as captured, CHAT.client(provider) as client:
            talk = Talk("chat")
            talk.say("go")
            talk.bring(talk.take(asked(talk, client)))
            with pytest.raises(openai.InternalServerError):
                asked(talk, client)
            [failed] = of(captured.rows, "agent turn")
            assert failed["output"] == {"status": "failed"}
            assert failed["metadata"]["turn_status"] == "failed"
            talk.bring(talk.take(asked(talk, client)))
            talk.take(asked(talk, client))
            rows = captured.rows
    [done] = of(rows, "agent turn")
    assert done["output"] == "done with go"
    assert done["metadata"]["turn_status"] == "completed"
    assert done["metadata"]["iterations"] == 3
    failure = "agent turn / reason (iteration 2) / llm.generation (gpt-4o-mini)"
    assert sorted(outline(rows)) == sorted([*tree(CHAT.model), failure])
    nested(rows)


def test_a_turn_that_is_cancelled() -> None:
    async def main(provider: ProviderServer) -> None:
        async with MESSAGES.aclient(provider) as client:
            talk = Talk("messages")
            talk.say("go")
            talk.bring(talk.take(await aasked(talk, client)))
            task = asyncio.create_task(aasked(talk, client))
            assert await asyncio.to_thread(sent.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    sent = threading.Event()

    def slow(request: Request) -> Reply:
        sent.set()
        return replace(model()(request), wait=5.0)

    with ProviderServer() as provider, capture() as captured:
        provider.reply(model(), slow)
        asyncio.run(main(provider))
        rows = captured.rows
    [row] = of(rows, "agent turn")
    assert row["output"] == {"status": "cancelled"}
    assert row["metadata"]["turn_status"] == "cancelled"
    [generation] = of(rows, "llm.generation (claude-haiku-4-5)")
    assert generation["error"] == "CancelledError: the call was cancelled"
    nested(rows)


def test_a_turn_that_is_left_open(provider: ProviderServer) -> None:
    with traced() as (captured, clock), CHAT.client(provider) as client:
        talk = Talk("chat")
        talk.say("go")
        talk.take(asked(talk, client))
        clock.advance(5)
        assert "end" not in of(captured.rows, "agent turn")[0]["metrics"]
    rows = captured.rows
    [row] = of(rows, "agent turn")
    assert row["output"] == {"status": "abandoned"}
    assert row["metadata"]["turn_status"] == "abandoned"
    assert row["metrics"] == {"start": BEGUN, "end": BEGUN}, "nothing is known of the time after"
    [act] = of(rows, "act (iteration 1)")
    assert act["output"] == {"completed": 0, "success_count": 0, "error_count": 0}
    nested(rows)


def test_a_result_is_sent_before_the_stream_that_asked_is_closed() -> None:
    call = [("call_1", "weather", '{"city": "Oslo"}')]
    with ProviderServer() as provider:
        provider.reply(lambda request: CHAT.streamed(tool_calls=call), chat("It rains."))
        with capture() as captured, CHAT.client(provider) as client:
            talk = Talk("chat")
            talk.say("go")
            stream = client.chat.completions.create(**talk.request(), stream=True)
            for chunk in stream:
                if chunk.choices[0].finish_reason:
                    break
                for piece in chunk.choices[0].delta.tool_calls or ():
                    last = piece.function.arguments
                if chunk.choices[0].delta.tool_calls and last.endswith("}"):
                    break
            asking = {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": call[0][2]},
            }
            talk.take({"id": "r", "choices": [{"message": {"role": "assistant", "tool_calls": [asking]}}]})
            talk.bring([("call_1", "weather")])
            asked(talk, client)
            stream.close()
            rows = captured.rows
    [row] = of(rows, "agent turn")
    assert (row["output"], row["metadata"]["iterations"]) == ("It rains.", 2)
    assert row["metadata"]["turn_status"] == "completed"
    [tool] = of(rows, "tool.call (weather)")
    assert (tool["input"], tool["output"]) == ({"city": "Oslo"}, "result of weather")
    assert tool["metrics"]["start"] >= row["metrics"]["start"]
    ends = [row["metadata"].get("stream_end") for row in of(rows, f"llm.generation ({CHAT.model})")]
    assert sorted(ends, key=str) in ([None, "closed"], [None, "dropped"])
    nested(rows)


def test_a_turn_is_seen_as_it_unfolds(braintrust_api: BraintrustServer) -> None:
    with ProviderServer() as provider:
        provider.reply(lambda request: replace(model(rounds=1)(request), wait=1.5))
        server = braintrust_api
        bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="Loops")
        with CHAT.client(provider) as client:
            turn(Talk("chat"), client, "go")
        assert bttrace.flush()
        bttrace.disable()
    events: dict[str, list[Row]] = {}
    for event in server.events:
        events.setdefault(event["span_attributes"]["name"], []).append(event)
    first, *_, last = events["agent turn"]
    assert "end" not in first["metrics"]
    assert "_is_merge" not in first
    assert first["input"] == "go"
    assert last["_is_merge"] is True
    assert last["output"] == "done with go"
    assert (first["id"], first["span_id"]) == (last["id"], last["span_id"])
    order = [event["span_attributes"]["name"] for event in server.events]
    opened = order.index("agent turn")
    assert opened < order.index("reason (iteration 1)") < order.index(f"llm.generation ({CHAT.model})")
    assert order.index("act (iteration 1)") < order.index("tool.call (weather)")
    rows = server.rows("Loops")
    assert sorted(outline(rows)) == sorted(tree(CHAT.model, rounds=1))
    [merged] = of(rows, "agent turn")
    assert (merged["input"], merged["output"]) == ("go", "done with go")
    assert merged["metadata"]["turn_status"] == "completed"
    assert of(rows, "act (iteration 1)")[0]["input"][0]["name"] == "weather"
    nested(rows)
