"""The same keys where requests go over a websocket."""

from __future__ import annotations

from tests.apis import only, traced
from tests.dialogues import client, created_session, read, text_answer
from tests.loopback.websocket import Peer, WebsocketServer
from tests.nested import named, nested
from tests.test_responses_connections import answer, answering
from tests.test_trace_keys import KEYS, SAID, custom


def test_over_websockets() -> None:
    events = answer("resp_1", "Hi")
    with WebsocketServer(answering(events, events)) as server, traced() as (captured, clock):
        with client(server).responses.connect(
            extra_headers={"x-session-id": "of the connection"}
        ) as connection:
            connection.response.create(input="hello", metadata={"m": "1"}, safety_identifier="u")
            read(connection, "response.completed")
            clock.advance(1)
            connection.send({**KEYS, "type": "response.create", "input": "again"})
            read(connection, "response.completed")
        rows = captured.rows
    first = next(row for row in rows if row["metadata"].get("m"))
    assert custom(first) == {"m": "1", "user_id": "u", "session_id": "of the connection"}
    assert nested(rows) == [first["span_attributes"]["name"], ["Summaries", ["Step", "A summary"]]]
    assert custom(named(rows, "A summary")) == SAID


def test_in_realtime_a_conversation_is_no_session() -> None:
    def script(peer: Peer) -> None:
        peer.say(created_session())
        peer.hear()
        peer.say(*text_answer("resp_1", "Hi"))

    with WebsocketServer(script) as server, traced() as (captured, _):
        with client(server).realtime.connect(model="gpt-realtime") as connection:
            connection.response.create(response={"conversation": "none", "metadata": {"m": "1"}})
            read(connection)
        assert custom(only(captured)) == {"m": "1", "tool_choice": "auto"}
