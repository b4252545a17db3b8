"""The Responses API's own websockets: each response is a span, with the request that was sent for it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketLimits,
    ResponsesWebSocketSession,
)

from tests.apis import BEGUN, line_here, only, traced
from tests.dialogues import aread, client, read
from tests.loopback.websocket import Event, Peer, WebsocketServer

MODEL = "gpt-5-mini-2025-08-07"
USAGE = {
    "input_tokens": 11,
    "output_tokens": 5,
    "total_tokens": 16,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}
LIMITS = ResponsesWebSocketLimits(
    max_lanes=4,
    max_events_per_lane=100,
    max_events=200,
    max_bytes_per_lane=2**20,
    max_bytes=2**21,
    max_response_bytes=None,
)


def message(text: str) -> Event:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def head(identity: str, status: str, *output: Event, **fields: Any) -> Event:
    response = {"id": identity, "object": "response", "created_at": 1, "status": status, "model": MODEL}
    return {**response, "output": list(output), "tools": [], **fields}


def answer(
    identity: str, text: str, lane: str | None = None, last: str = "completed", **fields: Any
) -> list[Event]:
    """A response, from its creation to its end, each event with its lane."""
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    opening = {**message(""), "content": []}
    events: list[Event] = [
        {"type": "response.created", "response": head(identity, "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": opening},
        {"type": "response.content_part.added", **place, "part": {"type": "output_text", "text": ""}},
        *({"type": "response.output_text.delta", **place, "delta": letter} for letter in text),
        {"type": f"response.{last}", "response": head(identity, last, message(text), usage=USAGE, **fields)},
    ]
    marked = {} if lane is None else {"stream_id": lane}
    return [{**event, "sequence_number": number, **marked} for number, event in enumerate(events)]


def answering(*answers: list[Event]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for events in answers:
            peer.hear()
            peer.say(*events)

    return script


def said(row: dict[str, Any]) -> str:
    return "".join(part["text"] for item in row["output"] for part in item["content"])


def test_two_responses_on_one_connection() -> None:
    script = answering(answer("resp_1", "Hi"), answer("resp_2", "Yo"))
    with WebsocketServer(script) as server, traced() as (captured, clock):
        with client(server).responses.connect() as connection:
            line = line_here() + 1
            connection.response.create(input="hello", instructions="Be brief.", temperature=0.5)
            read(connection, "response.completed", clock)
            connection.response.create(model="gpt-5-mini", input="again", previous_response_id="resp_1")
            read(connection, "response.completed", clock)
        first, second = captured.rows
    assert first["span_attributes"] == {"name": f"llm.generation ({MODEL})", "type": "llm"}
    assert first["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]
    assert first["output"] == [message("Hi")]
    assert first["metadata"] == {
        "provider": "openai",
        "model": MODEL,
        "api": "responses",
        "temperature": 0.5,
        "response_id": "resp_1",
        "finish_reason": "completed",
        "stream_end": "exhausted",
    }
    assert first["metrics"] == {
        "start": BEGUN,
        "end": BEGUN + 5,
        "duration_ms": 5000.0,
        "time_to_first_token": 3.0,
        "prompt_tokens": 11,
        "completion_tokens": 5,
        "tokens": 16,
        "prompt_cached_tokens": 4,
        "cache_read_tokens": 4,
        "completion_reasoning_tokens": 2,
    }
    assert first["context"]["caller_lineno"] == line
    assert (second["input"], second["metrics"]["start"]) == ("again", BEGUN + 6)


@pytest.mark.parametrize("of", [lambda one: one.responses, lambda one: one.beta.responses])
def test_async(of: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with of(client(server, openai.AsyncOpenAI)).connect() as connection:
            await connection.send({"type": "response.create", "model": "gpt-5-mini", "input": "hello"})
            await aread(connection, "response.incomplete")

    cut = answer("resp_1", "Hi", last="incomplete", incomplete_details={"reason": "max_output_tokens"})
    with WebsocketServer(answering(cut)) as server, traced() as (captured, _):
        asyncio.run(main())
        row = only(captured)
    assert (row["input"], said(row)) == ("hello", "Hi")
    assert row["metadata"]["finish_reason"] == "max_output_tokens"
    assert row["context"]["caller_functionname"] == "main"


def test_left_in_the_middle() -> None:
    with WebsocketServer(answering(answer("resp_1", "Hello")[:5])) as server, traced() as (captured, _):
        with client(server).responses.connect() as connection:
            connection.response.create(model="gpt-5-mini", input="hello")
            for _ in range(5):
                connection.recv()
        row = only(captured)
    assert (said(row), row["metadata"]["stream_end"]) == ("He", "closed")


def test_a_response_that_failed() -> None:
    error = {"code": "server_error", "message": "Sorry."}
    with (
        WebsocketServer(answering(answer("resp_1", "", last="failed", error=error))) as server,
        traced() as (captured, _),
    ):
        with client(server).responses.connect() as connection:
            connection.response.create(model="gpt-5-mini", input="hello")
            read(connection, "response.failed")
        assert only(captured)["error"] == "server_error: Sorry."


class TestErrors:
    ERROR = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "Lost."}  # noqa: RUF012

    def rows(self, *answers: list[Event]) -> list[dict[str, Any]]:
        with WebsocketServer(answering(*answers)) as server, traced() as (captured, clock):
            with client(server).responses.connect() as connection:
                for _ in answers:
                    connection.response.create(model="gpt-5-mini", input="hello")
                    clock.advance(1)
                    for received in connection:
                        if received.type in ("error", "response.completed"):
                            break
                clock.advance(5)
            return captured.rows

    def test_one_that_refuses_a_request(self) -> None:
        refused, answered = self.rows(
            [{"type": "error", "status": 400, "error": self.ERROR}], answer("resp_1", "Hi")
        )
        assert refused["error"] == "previous_response_not_found: Lost."
        assert refused["metrics"]["end"] == BEGUN + 1
        assert "error" not in answered
        assert said(answered) == "Hi"

    def test_one_in_the_middle_of_a_response(self) -> None:
        error = {"type": "error", "sequence_number": 4, "error": self.ERROR}
        failed, answered = self.rows([*answer("resp_1", "Hi")[:4], error], answer("resp_2", "Yo"))
        assert failed["error"] == "previous_response_not_found: Lost."
        assert (said(failed), failed["metadata"]["stream_end"]) == ("H", "failed")
        assert (said(answered), answered["metadata"]["response_id"]) == ("Yo", "resp_2")

    def test_one_of_the_older_shape(self) -> None:
        error = {"type": "error", "sequence_number": 4, "code": "odd", "message": "Odd.", "param": None}
        (row,) = self.rows([*answer("resp_1", "Hi")[:4], error])
        assert row["error"] == "odd: Odd."


class TestLanes:
    """`openai.lib.responses_websocket` shares one connection among lanes that run beside each other."""

    @staticmethod
    def script(peer: Peer) -> None:
        lanes = [peer.hear()["stream_id"] for _ in range(2)]
        one, two = (answer(f"resp_{lane}", lane, lane) for lane in lanes)
        for pair in zip(one, two, strict=True):
            peer.say(*pair)

    @staticmethod
    def check(rows: list[dict[str, Any]]) -> None:
        assert {row["metadata"]["response_id"]: (row["input"], said(row)) for row in rows} == {
            "resp_a": ("ask a", "a"),
            "resp_b": ("ask b", "b"),
        }

    def test_lanes(self) -> None:
        with WebsocketServer(self.script) as server, traced() as (captured, _):
            with (
                client(server).responses.connect() as connection,
                ResponsesWebSocketSession(connection, limits=LIMITS) as session,
            ):
                lanes = {name: session.lane(name) for name in "ab"}
                for name, lane in lanes.items():
                    lane.send({"type": "response.create", "model": "gpt-5-mini", "input": f"ask {name}"})
                finals = [lane.get_final_response(timeout=5).id for lane in lanes.values()]
            self.check(captured.rows)
        assert finals == ["resp_a", "resp_b"]

    def test_lanes_async(self) -> None:
        async def main() -> None:
            async with (
                client(server, openai.AsyncOpenAI).responses.connect() as connection,
                AsyncResponsesWebSocketSession(connection, limits=LIMITS) as session,
            ):
                lanes = {name: session.lane(name) for name in "ab"}
                for name, lane in lanes.items():
                    await lane.send(
                        {"type": "response.create", "model": "gpt-5-mini", "input": f"ask {name}"}
                    )
                for lane in lanes.values():
                    await lane.get_final_response()

        with WebsocketServer(self.script) as server, traced() as (captured, _):
            asyncio.run(main())
            self.check(captured.rows)


class TestEarly:
    """What a manager is given to send goes out when the connection opens."""

    ASKING = {"type": "response.create", "model": "gpt-5-mini", "input": "hello"}  # noqa: RUF012

    @pytest.mark.parametrize("enter", [lambda one: one.enter(), lambda one: one.__enter__()])
    def test_early(self, enter: Callable[[Any], Any]) -> None:
        asking = dict(self.ASKING)
        with WebsocketServer(answering(answer("resp_1", "Hi"))) as server, traced() as (captured, _):
            manager = client(server).responses.connect()
            manager.send(asking)
            asking.clear()
            connection = enter(manager)
            read(connection, "response.completed")
            connection.close()
            row = only(captured)
        assert (row["input"], said(row)) == ("hello", "Hi")
        assert row["context"]["caller_functionname"] == "test_early"

    def test_early_async(self) -> None:
        async def main() -> None:
            manager = client(server, openai.AsyncOpenAI).responses.connect()
            manager.send(self.ASKING)
            async with manager as connection:
                await aread(connection, "response.completed")

        with WebsocketServer(answering(answer("resp_1", "Hi"))) as server, traced() as (captured, _):
            asyncio.run(main())
            row = only(captured)
        assert (row["input"], said(row)) == ("hello", "Hi")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_events_and_messages_are_as_without_us(asynchronous: bool) -> None:
    async def arun() -> list[Any]:
        async with client(server, openai.AsyncOpenAI).responses.connect() as connection:
            await connection.response.create(model="gpt-5-mini", input="hällo")
            return await aread(connection, "response.completed")

    def run() -> list[Any]:
        with client(server).responses.connect() as connection:
            connection.response.create(model="gpt-5-mini", input="hällo")
            return read(connection, "response.completed")

    def seen() -> tuple[list[Any], list[Any]]:
        return asyncio.run(arun()) if asynchronous else run(), server.messages

    script = answering(answer("resp_1", "Hi"))
    with WebsocketServer(script) as server:
        bare = seen()
    with WebsocketServer(script) as server, traced(capture_content=False) as (captured, _):
        hooked = seen()
        row = only(captured)
    assert hooked == bare
    assert [type(event) for event in hooked[0]] == [type(event) for event in bare[0]]
    assert not any(word in json.dumps(row) for word in ("llo", "Hi"))
