"""OpenAI's Realtime over real websockets: each response is a span."""

import asyncio
import json

import openai

import bttrace
from tests.apis import BEGUN, line_here, only, traced
from tests.dialogues import (
    QUESTION,
    SOUND,
    added,
    answering,
    aread,
    audio_answer,
    audio_item,
    begun,
    client,
    created_session,
    done,
    event,
    opened,
    piece,
    read,
    said,
    text_answer,
)
from tests.loopback.websocket import Peer, WebsocketServer

SYSTEM = {"role": "system", "content": "Be brief."}


def test_a_response_of_text() -> None:
    with (
        WebsocketServer(answering(text_answer("resp_1", "Hel", "lo."))) as server,
        traced() as (captured, clock),
    ):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            read(connection, "conversation.item.added")
            line = line_here() + 1
            connection.response.create()
            read(connection, clock=clock)
        row = only(captured)
    assert row == {
        "id": "row-1",
        "span_id": "0000000000000001",
        "root_span_id": "00000000000000000000000000000001",
        "span_attributes": {"name": "llm.generation (gpt-realtime-2025-08-28)", "type": "llm"},
        "created": "2023-11-14T22:13:21+00:00",
        "input": [SYSTEM, QUESTION],
        "output": [said("resp_1_item", "Hello.", "assistant", "output_text")],
        "metadata": {
            "provider": "openai",
            "model": "gpt-realtime-2025-08-28",
            "api": "realtime",
            "max_tokens": "inf",
            "tool_choice": "auto",
            "response_id": "resp_1",
            "finish_reason": "completed",
            "stream_end": "exhausted",
        },
        "metrics": {
            "start": BEGUN,
            "end": BEGUN + 6,
            "duration_ms": 6000.0,
            "time_to_first_token": 3.0,
            "prompt_tokens": 30,
            "completion_tokens": 10,
            "tokens": 40,
            "prompt_cached_tokens": 6,
            "cache_read_tokens": 6,
            "prompt_audio_tokens": 12,
            "completion_audio_tokens": 7,
        },
        "context": {
            "span_origin": {
                "name": "bttrace",
                "version": bttrace.__version__,
                "instrumentation": {"name": "bttrace.openai"},
            },
            "caller_functionname": "test_a_response_of_text",
            "caller_filename": __file__,
            "caller_lineno": line,
        },
    }


def test_a_response_of_text_async() -> None:
    async def main(server: WebsocketServer) -> int:
        async with client(server, openai.AsyncOpenAI).realtime.connect(model="gpt-realtime") as connection:
            await connection.response.create()
            line = line_here() - 1
            await aread(connection)
            return line

    with WebsocketServer(answering(text_answer("resp_1", "Hel", "lo."))) as server, traced() as (captured, _):
        line = asyncio.run(main(server))
        row = only(captured)
    assert row["input"] == [SYSTEM, QUESTION]
    assert row["output"] == [said("resp_1_item", "Hello.", "assistant", "output_text")]
    assert row["metadata"]["stream_end"] == "exhausted"
    assert (row["context"]["caller_functionname"], row["context"]["caller_lineno"]) == ("main", line)


def test_the_beta_has_its_own_names() -> None:
    item = said("item_a", "", "assistant", "text")
    answer = [
        begun("resp_1"),
        *opened("resp_1", item),
        piece("resp_1", "response.text.delta", "Hel"),
        piece("resp_1", "response.audio_transcript.delta", "lo."),
    ]
    settings = {"temperature": 0.8, "max_response_output_tokens": 99, "max_output_tokens": None}

    def script(peer: Peer) -> None:
        peer.say(created_session(**settings), event("conversation.item.created", item=QUESTION))
        peer.hear()
        peer.say(*answer)

    with WebsocketServer(script) as server, traced() as (captured, clock):
        with client(server).beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
            read(connection, "conversation.item.created")
            connection.response.create(response={"instructions": "Shout."})
            read(connection, "response.audio_transcript.delta", clock)
        row = only(captured)
    assert row["input"] == [{"role": "system", "content": "Shout."}, QUESTION]
    assert row["output"][0]["content"] == [{"type": "text", "text": "Hel", "transcript": "lo."}]
    assert row["metrics"]["time_to_first_token"] == 2.0
    assert (row["metadata"]["temperature"], row["metadata"]["max_tokens"]) == (0.8, 99)


def test_a_spoken_response_keeps_its_words_and_not_its_sound() -> None:
    spoken = {
        "id": "item_q",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "audio": SOUND, "transcript": "Who?"}],
    }
    with (
        WebsocketServer(answering(audio_answer("resp_1", "It's ", "me."), before=[spoken])) as server,
        traced() as (captured, clock),
    ):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.input_audio_buffer.append(audio=SOUND)
            connection.response.create()
            read(connection, clock=clock)
        row = only(captured)
    assert row["input"][1]["content"] == [{"type": "input_audio", "transcript": "Who?"}]
    assert row["output"] == [audio_item("It's me.")]
    assert row["metrics"]["time_to_first_token"] == 5.0
    assert SOUND not in json.dumps(row)


def test_a_function_call_and_what_came_of_it() -> None:
    call = {
        "id": "item_f",
        "type": "function_call",
        "name": "weather",
        "call_id": "call_1",
        "arguments": '{"in": "Rome"}',
    }
    result = {"id": "item_r", "type": "function_call_output", "call_id": "call_1", "output": "sunny"}

    def script(peer: Peer) -> None:
        peer.say(created_session(), added(QUESTION))
        peer.hear()
        open_call = {**call, "arguments": "", "status": "in_progress"}
        peer.say(begun("resp_1"), added(open_call), *opened("resp_1", open_call))
        peer.say(
            *(
                piece("resp_1", "response.function_call_arguments.delta", part)
                for part in ('{"in": ', '"Rome"}')
            )
        )
        peer.say(event("conversation.item.done", item=call), done("resp_1", call))
        peer.say(added({**result, **peer.hear("conversation.item.create")["item"]}, "item_f"))
        peer.hear()
        peer.say(*text_answer("resp_2", "Sunny."))

    with WebsocketServer(script) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()
            (asked,) = read(connection)[-1].response.output
            connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": asked.call_id, "output": "sunny"}
            )
            connection.response.create()
            read(connection)
        first, second = captured.rows
    assert first["output"] == [call]
    assert first["metrics"]["time_to_first_token"] == 0.0
    assert second["input"] == [SYSTEM, QUESTION, call, result]


def test_responses_beside_each_other() -> None:
    def script(peer: Peer) -> None:
        peer.say(created_session(), added(QUESTION))
        marks = [peer.hear()["response"]["metadata"] for _ in range(2)]
        one, two = (text_answer(f"resp_{mark['n']}", mark["n"], metadata=mark) for mark in reversed(marks))
        for pair in zip(one, two, strict=True):
            peer.say(*pair)

    with WebsocketServer(script) as server, traced() as (captured, clock):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            read(connection, "conversation.item.added")
            connection.response.create(response={"metadata": {"n": "1"}})
            clock.advance(1)
            connection.response.create(
                response={
                    "conversation": "none",
                    "metadata": {"n": "2"},
                    "instructions": "Sum up.",
                    "input": [{"type": "item_reference", "id": "item_q"}, said("item_x", "And?")],
                }
            )
            read(connection)
            read(connection)
        rows = {row["metadata"]["response_id"]: row for row in captured.rows}
    assert rows["resp_1"]["input"] == [SYSTEM, QUESTION]
    assert rows["resp_2"]["input"] == [
        {"role": "system", "content": "Sum up."},
        QUESTION,
        said("item_x", "And?"),
    ]
    assert [rows[f"resp_{n}"]["output"][0]["content"][0]["text"] for n in "12"] == ["1", "2"]
    assert [rows[f"resp_{n}"]["metrics"]["start"] - BEGUN for n in "12"] == [0, 1]


def test_a_response_that_the_server_began_by_itself() -> None:
    heard = {"id": "item_q", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    begin, *rest = audio_answer("resp_1", "Yes.")
    transcript = {"item_id": "item_q", "content_index": 0, "transcript": "Is it on?"}

    def script(peer: Peer) -> None:
        peer.say(
            created_session(), event("input_audio_buffer.committed", item_id="item_q"), added(heard), begin
        )
        peer.say(event("conversation.item.input_audio_transcription.completed", **transcript), *rest)

    with WebsocketServer(script) as server, traced() as (captured, clock):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            read(connection, "conversation.item.added", clock)
            line = line_here() + 1
            created = connection.recv()
            read(connection, clock=clock)
        row = only(captured)
    assert created.type == "response.created"
    assert row["input"][1]["content"] == [{"type": "input_audio", "transcript": "Is it on?"}]
    assert row["metrics"]["start"] == BEGUN + 3
    assert row["context"]["caller_lineno"] == line


def test_a_transcript_that_comes_too_late_changes_nothing() -> None:
    heard = {"id": "item_q", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    transcript = {"item_id": "item_q", "content_index": 0, "transcript": "Is it on?"}
    late = event("conversation.item.input_audio_transcription.completed", **transcript)
    script = answering([*audio_answer("resp_1", "Yes."), late], text_answer("resp_2", "Yes."), before=[heard])
    with (
        WebsocketServer(script) as server,
        traced() as (captured, _),
        client(server).realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        read(connection)
        told = only(captured)
        read(connection, late["type"])
        connection.response.create()
        read(connection)
        first, second = captured.rows
    assert first == told
    assert first["input"][1]["content"] == [{"type": "input_audio"}]
    assert second["input"][1]["content"] == [{"type": "input_audio", "transcript": "Is it on?"}]


def test_a_cancelled_response() -> None:
    begin, *items, _, _ = text_answer("resp_1", "Once upon", " a time")

    def script(peer: Peer) -> None:
        peer.say(created_session())
        peer.hear()
        peer.say(begin, *items)
        peer.hear("response.cancel")
        details = {"type": "cancelled", "reason": "client_cancelled"}
        peer.say(done("resp_1", status="cancelled", status_details=details))

    with WebsocketServer(script) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()
            read(connection, "response.output_text.delta")
            connection.response.cancel()
            read(connection)
        row = only(captured)
    assert row["metadata"]["finish_reason"] == "client_cancelled"
    assert row["output"][0]["content"] == [{"type": "text", "text": "Once upon a time"}]
    assert "error" not in row


def test_a_response_that_failed() -> None:
    error = {"type": "server_error", "code": "overloaded", "message": "Too much."}
    failed = done("resp_1", status="failed", status_details={"type": "failed", "error": error})
    with WebsocketServer(answering([begun("resp_1"), failed])) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()
            read(connection)
        row = only(captured)
    assert row["error"] == "overloaded: Too much."
    assert row["metadata"]["finish_reason"] == "failed"


def test_recv_bytes_alone() -> None:
    with WebsocketServer(answering(text_answer("resp_1", "Hello."))) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.send_raw('{"response": {}, "type": "response.create"}')
            while b"response.done" not in connection.recv_bytes():
                pass
        assert only(captured)["output"] == [said("resp_1_item", "Hello.", "assistant", "output_text")]


def test_handlers() -> None:
    kinds: list[str] = []
    with WebsocketServer(answering(text_answer("resp_1", "Hello."))) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.on("event", lambda received: kinds.append(received.type))
            connection.on("response.done", lambda _: connection.close())
            connection.response.create()
            connection.dispatch_events()
        row = only(captured)
    assert kinds[0] == "session.created"
    assert row["metadata"]["stream_end"] == "exhausted"


def test_handlers_async() -> None:
    async def main(server: WebsocketServer) -> None:
        async with client(server, openai.AsyncOpenAI).realtime.connect(model="gpt-realtime") as connection:
            connection.on("response.done", lambda _: connection.close())
            await connection.response.create()
            await connection.dispatch_events()

    with WebsocketServer(answering(text_answer("resp_1", "Hello."))) as server, traced() as (captured, _):
        asyncio.run(main(server))
        assert only(captured)["metadata"]["stream_end"] == "exhausted"
