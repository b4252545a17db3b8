"""OpenAI's Realtime over real websockets: however a response ends, and whatever goes wrong, the application sees what it would without us."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.resources.realtime import realtime
from websockets.exceptions import ConnectionClosedError

from bttrace.testing import Captured, capture
from tests.apis import BEGUN, only, traced
from tests.dialogues import (
    QUESTION,
    SOUND,
    answering,
    aread,
    audio_answer,
    client,
    done,
    event,
    read,
    text_answer,
)
from tests.loopback.websocket import Event, Peer, WebsocketServer

HALF = text_answer("resp_1", "Hel", "lo.")[:4]
PARTIAL = [{"type": "text", "text": "Hel"}]
ERROR = {"type": "invalid_request_error", "code": "bad_value", "message": "No.", "param": None}


class TestWaysOut:
    """Where a response does not come to its end: what came until then is kept."""

    def rows(self, script: Callable[[Peer], None], leave: Callable[[Any], object]) -> list[dict[str, Any]]:
        with WebsocketServer(script) as server, traced() as (captured, clock):
            connection = client(server).realtime.connect(model="gpt-realtime").enter()
            socket = connection._connection
            connection.response.create()
            clock.advance(1)
            read(connection, "response.output_text.delta")
            clock.advance(1)
            leave(connection)
            del connection
            gc.collect()
            rows = captured.rows
            socket.close()
            return rows

    def half(self, end: Callable[[Peer], None] = Peer.wait) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            answering(HALF)(peer)
            end(peer)

        return script

    @pytest.mark.parametrize(
        ("leave", "stream_end"), [(lambda one: one.close(), "closed"), (lambda _: None, "dropped")]
    )
    def test_left(self, leave: Callable[[Any], None], stream_end: str) -> None:
        (row,) = self.rows(self.half(), leave)
        assert row["metadata"]["stream_end"] == stream_end
        assert row["output"][0]["content"] == PARTIAL
        assert (row["metrics"]["time_to_first_token"], row["metrics"]["end"]) == (1.0, BEGUN + 2)
        assert "error" not in row
        assert "prompt_tokens" not in row["metrics"]

    def test_broken(self) -> None:
        def leave(connection: Any) -> None:
            with pytest.raises(ConnectionClosedError):
                read(connection)

        (row,) = self.rows(self.half(Peer.cut), leave)
        assert row["metadata"]["stream_end"] == "failed"
        assert row["error"].startswith("ConnectionClosedError: ")
        assert row["output"][0]["content"] == PARTIAL

    def test_closed_by_the_server(self) -> None:
        (row,) = self.rows(self.half(Peer.close), read)
        assert row["metadata"]["stream_end"] == "failed"
        assert row["error"].startswith("ConnectionClosedOK: ")

    def test_never_read(self) -> None:
        with WebsocketServer(answering(HALF)) as server, traced() as (captured, clock):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create(response={"input": [QUESTION]})
                clock.advance(1)
            row = only(captured)
        assert row["input"] == [QUESTION]
        assert "output" not in row
        assert (row["metadata"]["model"], row["metadata"]["stream_end"]) == ("gpt-realtime", "closed")

    def test_never_sent(self) -> None:
        with WebsocketServer(answering()) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                pass
            with pytest.raises(Exception, match="1000") as raised:
                connection.response.create()
            row = only(captured)
        assert row["error"] == f"{type(raised.value).__name__}: {raised.value}"

    def test_a_cancelled_wait_ends_nothing(self) -> None:
        def script(peer: Peer) -> None:
            answering(HALF)(peer)
            peer.hear("response.cancel")
            peer.say(done("resp_1", status="cancelled"))

        async def main(server: WebsocketServer) -> None:
            async with client(server, openai.AsyncOpenAI).realtime.connect(
                model="gpt-realtime"
            ) as connection:
                await connection.response.create()
                await aread(connection, "response.output_text.delta")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(connection.recv(), 0.05)
                await connection.response.cancel()
                await aread(connection)

        with WebsocketServer(script) as server, traced() as (captured, _):
            asyncio.run(main(server))
            assert only(captured)["metadata"]["finish_reason"] == "cancelled"


class TestErrors:
    """An `error` event goes to the response that it is about, if to any."""

    def rows(self, *answers: list[Event], ask: Callable[[Any], None]) -> list[dict[str, Any]]:
        with WebsocketServer(answering(*answers)) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                ask(connection)
            return captured.rows

    def test_one_that_names_what_asked(self) -> None:
        def ask(connection: Any) -> None:
            connection.response.create(event_id="mine")
            assert read(connection, "error")[-1].error.message == "No."
            connection.response.create()
            read(connection)

        refused, answered = self.rows(
            [event("error", error={**ERROR, "event_id": "mine"})], text_answer("resp_1", "Yes."), ask=ask
        )
        assert refused["error"] == "bad_value: No."
        assert refused["metadata"]["stream_end"] == "failed"
        assert "error" not in answered

    @pytest.mark.parametrize("named", [None, "another"])
    @pytest.mark.parametrize("before", [0, 3])
    def test_one_about_something_else(self, named: str | None, before: int) -> None:
        def ask(connection: Any) -> None:
            connection.response.create()
            read(connection)

        answer = text_answer("resp_1", "Yes.")
        answer.insert(before, event("error", error={**ERROR, "event_id": named}))
        (row,) = self.rows(answer, ask=ask)
        assert "error" not in row
        assert row["metadata"]["stream_end"] == "exhausted"

    def test_one_after_which_nothing_comes(self) -> None:
        def ask(connection: Any) -> None:
            connection.response.create()
            read(connection, "error")

        (row,) = self.rows([event("error", error=ERROR)], ask=ask)
        assert row["error"] == "bad_value: No."


class TestUnseen:
    """The application sees the same events, and the server the same messages, as without us."""

    ANSWERS = (audio_answer("resp_1", "It's ", "me."), text_answer("resp_2", "Hel", "lo."))

    def run(self) -> tuple[list[Any], list[Any]]:
        with WebsocketServer(answering(*self.ANSWERS)) as server:
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
                connection.input_audio_buffer.append(audio=SOUND)
                connection.response.create(response={"metadata": {"ünï": "cødé"}})
                events = read(connection)
                connection.send_raw(b'{"type": "response.create"}')
                events += read(connection)
            return events, server.messages

    async def arun(self) -> tuple[list[Any], list[Any]]:
        with WebsocketServer(answering(*self.ANSWERS)) as server:
            async with client(server, openai.AsyncOpenAI).realtime.connect(
                model="gpt-realtime"
            ) as connection:
                await connection.input_audio_buffer.append(audio=SOUND)
                for _ in self.ANSWERS:
                    await connection.response.create()
                    events = await aread(connection)
            return events, server.messages

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_events_and_messages(self, asynchronous: bool) -> None:
        def run() -> tuple[list[Any], list[Any]]:
            return asyncio.run(self.arun()) if asynchronous else self.run()

        events, messages = run()
        with traced() as (captured, _):
            seen_events, seen_messages = run()
            assert len(captured.rows) == 2
        assert seen_messages == messages
        assert [type(one) for one in seen_events] == [type(one) for one in events]
        assert seen_events == events

    def test_without_content(self) -> None:
        with capture(capture_content=False) as captured:
            self.run()
            rows = captured.rows
        assert [row["metadata"]["response_id"] for row in rows] == ["resp_1", "resp_2"]
        assert not any(
            word in json.dumps(rows) for word in ("Be brief", "What is it", "It's", "Hello", "cødé")
        )

    def test_disabled_in_the_middle(self) -> None:
        before = self.members()
        answers = [text_answer("resp_1", "One."), text_answer("resp_2", "Two.")]
        with WebsocketServer(answering(*answers)) as server:
            with traced() as (captured, _):
                connection = client(server).realtime.connect(model="gpt-realtime").enter()
                connection.response.create()
                read(connection)
                assert self.members() != before
                assert len(captured.rows) == 1
            connection.response.create()
            assert read(connection)[-1].response.id == "resp_2"
            connection.close()
        assert self.members() == before

    @staticmethod
    def members() -> list[tuple[type, str, int]]:
        """Which object stands under each name of the classes."""
        classes = realtime.RealtimeConnection.__mro__
        return [(cls, name, id(member)) for cls in classes for name, member in list(vars(cls).items())]


def test_a_captured_connection_is_let_go() -> None:
    def one(captured: Captured) -> None:
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            read(connection, "conversation.item.added")
        assert captured.rows == []

    with WebsocketServer(answering()) as server, traced() as (captured, _):
        one(captured)
        gc.collect()
        assert not [found for found in gc.get_objects() if type(found) is realtime.RealtimeConnection]
