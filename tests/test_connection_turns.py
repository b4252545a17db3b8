"""Turns over websockets: what a Realtime session or Responses' own websocket says makes the same trees as HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.lib.responses_websocket import ResponsesWebSocketSession

from bttrace import session
from bttrace.testing import capture
from tests.apis import BEGUN, traced
from tests.dialogues import (
    QUESTION,
    added,
    aread,
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
from tests.loopback.websocket import Event, Peer, WebsocketServer
from tests.outlines import named, outline
from tests.test_responses_connections import LIMITS, answer, head

TOOLS: list[Any] = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
CALL = {
    "id": "item_f",
    "type": "function_call",
    "name": "weather",
    "call_id": "call_1",
    "arguments": '{"in": "Rome"}',
}
RESULT: dict[str, Any] = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
GENERATION = "llm.generation (gpt-realtime-2025-08-28)"
RESPONSES_GENERATION = "llm.generation (gpt-5-mini-2025-08-07)"
LOOP = [
    "agent turn",
    "  reason (iteration 1)",
    f"    {GENERATION}",
    "  act (iteration 1)",
    "    tool.call (weather)",
    "  reason (iteration 2)",
    f"    {GENERATION}",
]


def calling(identity: str, call: Event = CALL) -> list[Event]:
    """A response that asks for a function."""
    begun_call = {**call, "arguments": "", "status": "in_progress"}
    return [
        begun(identity),
        *opened(identity, begun_call),
        piece(identity, "response.function_call_arguments.delta", call["arguments"]),
        added(call),
        done(identity, call),
    ]


def loop(**settings: Any) -> Callable[[Peer], None]:
    """A server that asks for a function, and answers when its result has come."""

    def script(peer: Peer) -> None:
        peer.say(created_session(**settings), added(QUESTION))
        peer.hear()
        peer.say(*calling("resp_1"))
        peer.say(added({"id": "item_r", **peer.hear("conversation.item.create")["item"]}, "item_f"))
        peer.hear()
        peer.say(*text_answer("resp_2", "Sunny."))
        peer.say(added(said("resp_2_item", "Sunny.", "assistant", "output_text")))
        peer.say(added(said("item_q2", "And in Oslo?")))
        peer.hear()
        peer.say(*text_answer("resp_3", "Cold."))

    return script


def used(connection: Any, **asked: Any) -> None:
    """Has a function asked for, and sends what it gave."""
    connection.response.create(**asked)
    (call,) = read(connection)[-1].response.output
    connection.conversation.item.create(item={**RESULT, "call_id": call.call_id})
    connection.response.create(**asked)
    read(connection)


class TestRealtime:
    def test_a_loop(self) -> None:
        with WebsocketServer(loop(tools=TOOLS)) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                used(connection)
            rows = captured.rows
        assert outline(rows) == LOOP
        [turn] = named(rows, "agent turn")
        assert turn["input"] == QUESTION["content"]
        assert turn["output"] == [{"type": "output_text", "text": "Sunny."}]
        assert turn["metadata"]["session_id"] == "sess_1"
        assert (turn["metadata"]["iterations"], turn["metadata"]["turn_status"]) == (2, "completed")
        assert turn["metadata"]["usage"]["tokens"] == 80
        [tool] = named(rows, "tool.call (weather)")
        assert (tool["input"], tool["output"]) == ({"in": "Rome"}, "sunny")
        assert tool["metadata"]["tool_call_id"] == "call_1"
        first, _ = named(rows, GENERATION)
        assert first["metadata"]["tools"][0]["function"]["name"] == "weather"
        assert first["metrics"]["tokens"] == 40

    def test_what_is_asked_next_is_a_turn_of_the_same_session(self) -> None:
        with WebsocketServer(loop(tools=TOOLS)) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                used(connection)
                read(connection, "conversation.item.added")
                connection.response.create()
                read(connection)
            rows = captured.rows
        assert outline(rows) == [*LOOP, "agent turn", "  reason (iteration 1)", f"    {GENERATION}"]
        first, second = named(rows, "agent turn")
        assert second["input"] == [{"type": "input_text", "text": "And in Oslo?"}]
        assert second["metadata"]["session_id"] == first["metadata"]["session_id"] == "sess_1"

    def test_async(self) -> None:
        async def main(server: WebsocketServer) -> None:
            async with client(server, openai.AsyncOpenAI).realtime.connect(
                model="gpt-realtime"
            ) as connection:
                await connection.response.create()
                await aread(connection)
                await connection.conversation.item.create(item=RESULT)
                await connection.response.create()
                await aread(connection)

        with WebsocketServer(loop(tools=TOOLS)) as server, traced() as (captured, _):
            asyncio.run(main(server))
            assert outline(captured.rows) == LOOP

    def test_tools_that_only_the_response_offers(self) -> None:
        with WebsocketServer(loop()) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                used(connection, response={"tools": TOOLS})
            assert outline(captured.rows) == LOOP

    def test_tools_that_the_session_got_later(self) -> None:
        def script(peer: Peer) -> None:
            peer.say(created_session(), added(QUESTION))
            peer.hear("session.update")
            peer.say(event("session.updated", session={**created_session()["session"], "tools": TOOLS}))
            peer.hear()
            peer.say(*text_answer("resp_1", "Hi."))

        with WebsocketServer(script) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.session.update(session={"type": "realtime", "tools": TOOLS})
                connection.response.create()
                read(connection)
            assert outline(captured.rows) == ["agent turn", "  reason (iteration 1)", f"    {GENERATION}"]

    def test_without_tools_it_is_no_turn(self) -> None:
        with WebsocketServer(loop()) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create()
                read(connection)
            assert outline(captured.rows) == [GENERATION]

    def test_a_response_that_nobody_asked_for(self) -> None:
        """The server begins one when the user has spoken; its words come after that, and later requests have them."""
        spoken = {**said("item_q", ""), "content": [{"type": "input_audio", "transcript": "Hello?"}]}

        def script(peer: Peer) -> None:
            peer.say(created_session(tools=TOOLS), added(spoken), *text_answer("resp_1", "Hi."))

        with WebsocketServer(script) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                read(connection)
            rows = captured.rows
        assert outline(rows) == ["agent turn", "  reason (iteration 1)", f"    {GENERATION}"]
        assert rows[0]["input"] == [{"type": "input_audio", "transcript": "Hello?", "text": "Hello?"}]

    def test_one_that_is_interrupted(self) -> None:
        def script(peer: Peer) -> None:
            peer.say(created_session(tools=TOOLS), added(QUESTION))
            peer.hear()
            reason = {"type": "cancelled", "reason": "turn_detected"}
            peer.say(begun("resp_1"), done("resp_1", status="cancelled", status_details=reason))

        with WebsocketServer(script) as server, traced() as (captured, _):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create()
                read(connection)
            [turn] = named(captured.rows, "agent turn")
        assert turn["metadata"]["turn_status"] == "cancelled"
        assert turn["output"] == {"status": "cancelled"}

    def test_a_turn_is_told_of_while_it_is_open(self) -> None:
        def script(peer: Peer) -> None:
            peer.say(created_session(tools=TOOLS), added(QUESTION))
            peer.hear()
            first, *rest = text_answer("resp_1", "Hi.")
            peer.say(first)
            peer.hear("input_audio_buffer.clear")
            peer.say(*rest)

        with WebsocketServer(script) as server, traced() as (captured, clock):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create()
                read(connection, "response.created")
                clock.advance(2)
                early = captured.rows
                connection.input_audio_buffer.clear()
                read(connection)
            rows = captured.rows
        assert outline(early) == ["agent turn", "  reason (iteration 1)"]
        assert [row["metrics"] for row in early] == [{"start": BEGUN}] * 2
        assert outline(rows) == ["agent turn", "  reason (iteration 1)", f"    {GENERATION}"]
        assert all("end" in row["metrics"] for row in rows)

    def test_without_content(self) -> None:
        with WebsocketServer(loop(tools=TOOLS)) as server, capture(capture_content=False) as captured:
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                used(connection)
            rows = captured.rows
        assert outline(rows) == LOOP
        assert not any(word in str(rows) for word in ("sunny", "Sunny.", "Rome", "What is it?"))

    def test_a_tool_that_was_seen_to_run_and_asked_itself(self) -> None:
        """A response that is asked for within a tool is a task of that tool."""
        with (
            WebsocketServer(loop(tools=TOOLS)) as server,
            WebsocketServer(loop()) as other,
            capture() as captured,
        ):
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create()
                read(connection)

                def weather() -> str:
                    with client(other).realtime.connect(model="gpt-realtime") as inner:
                        inner.response.create()
                        read(inner)
                    return "sunny"

                observed("weather", {"in": "Rome"}, weather)
                connection.conversation.item.create(item=RESULT)
                connection.response.create()
                read(connection)
            rows = captured.rows
        assert outline(rows) == [*LOOP[:5], "      task:weather", f"        {GENERATION}", *LOOP[5:]]
        assert named(rows, "tool.call (weather)")[0]["metadata"]["timing"] == "observed"

    def test_a_tool_that_runs_before_the_response_is_done(self) -> None:
        def script(peer: Peer) -> None:
            peer.say(created_session(tools=TOOLS), added(QUESTION))
            peer.hear()
            *events, last = calling("resp_1")
            whole = {
                **piece("resp_1", "response.function_call_arguments.done", ""),
                "arguments": CALL["arguments"],
            }
            peer.say(*events, whole)
            peer.say(added({"id": "item_r", **peer.hear("conversation.item.create")["item"]}, "item_f"), last)
            peer.hear()
            peer.say(*text_answer("resp_2", "Sunny."))

        with WebsocketServer(script) as server, capture() as captured:
            with client(server).realtime.connect(model="gpt-realtime") as connection:
                connection.response.create()
                read(connection, "response.function_call_arguments.done")
                observed("weather", {"in": "Rome"}, lambda: "sunny")
                connection.conversation.item.create(item=RESULT)
                read(connection)
                connection.response.create()
                read(connection)
            rows = captured.rows
        assert outline(rows) == LOOP
        assert named(rows, "tool.call (weather)")[0]["metadata"]["timing"] == "observed"


def observed(name: str, arguments: dict[str, Any], function: Callable[[], str]) -> None:
    """Runs a function as what watches a registry of tools does."""
    wiring = session._session.wiring  # type: ignore[union-attr]
    assert wiring is not None
    wiring.executions.run(wiring.executions.begin("tool", name, arguments), function, (), {})


def asked(identity: str, call: Event) -> list[Event]:
    """A response over Responses' own websocket that asks for a function."""
    return [
        {"type": "response.created", "response": head(identity, "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "arguments": ""}},
        {"type": "response.output_item.done", "output_index": 0, "item": call},
        {"type": "response.completed", "response": head(identity, "completed", call)},
    ]


class TestResponses:
    OUTLINE = (
        "agent turn",
        "  reason (iteration 1)",
        f"    {RESPONSES_GENERATION}",
        "  act (iteration 1)",
        "    tool.call (weather)",
        "  reason (iteration 2)",
        f"    {RESPONSES_GENERATION}",
    )

    @staticmethod
    def answering(*answers: list[Event]) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            for events in answers:
                lane = peer.hear().get("stream_id")
                peer.say(*({**one, **({} if lane is None else {"stream_id": lane})} for one in events))

        return script

    @pytest.mark.parametrize("continued", [True, False])
    def test_a_loop(self, continued: bool) -> None:
        script = self.answering(asked("resp_1", CALL), answer("resp_2", "Ok"))
        with WebsocketServer(script) as server, traced() as (captured, clock):
            with client(server).responses.connect() as connection:
                given: Any = {"model": "gpt-5-mini", "tools": TOOLS}
                connection.response.create(input="How is Rome?", **given)
                read(connection, "response.completed", clock)
                if continued:
                    connection.response.create(input=[RESULT], previous_response_id="resp_1", **given)
                else:
                    question = {"role": "user", "content": "How is Rome?"}
                    connection.response.create(input=[question, CALL, RESULT], **given)
                read(connection, "response.completed", clock)
            rows = captured.rows
        assert outline(rows) == [*self.OUTLINE]
        [turn] = named(rows, "agent turn")
        assert turn["input"] == "How is Rome?"
        assert turn["metadata"]["turn_status"] == "completed"
        [tool] = named(rows, "tool.call (weather)")
        assert (tool["input"], tool["output"]) == ({"in": "Rome"}, "sunny")

    def test_lanes_are_turns_beside_each_other(self) -> None:
        def script(peer: Peer) -> None:
            for name in "12":
                lane = peer.hear()["stream_id"]
                call = {**CALL, "call_id": f"call_{lane}"}
                peer.say(*({**one, "stream_id": lane} for one in asked(f"resp_{name}", call)))
            for name in "34":
                lane = peer.hear()["stream_id"]
                peer.say(*answer(f"resp_{name}", "Ok", lane))

        with WebsocketServer(script) as server, capture() as captured:
            with (
                client(server).responses.connect() as connection,
                ResponsesWebSocketSession(connection, limits=LIMITS) as shared,
            ):
                lanes = {name: shared.lane(name) for name in "ab"}
                given: Any = {"type": "response.create", "model": "gpt-5-mini", "tools": TOOLS}
                asking: Any
                for name, lane in lanes.items():
                    asking = {**given, "input": f"ask {name}"}
                    lane.send(asking)
                first = {name: lane.get_final_response(timeout=5).id for name, lane in lanes.items()}
                for name, lane in lanes.items():
                    result = {**RESULT, "call_id": f"call_{name}"}
                    asking = {**given, "input": [result], "previous_response_id": first[name]}
                    lane.send(asking)
                for lane in lanes.values():
                    lane.get_final_response(timeout=5)
            rows = captured.rows
        assert outline(rows) == [*self.OUTLINE, *self.OUTLINE]
        assert [row["input"] for row in named(rows, "agent turn")] == ["ask a", "ask b"]

    def test_a_tool_of_the_providers_has_the_times_of_its_events(self) -> None:
        search: Event = {
            "id": "ws_1",
            "type": "web_search_call",
            "status": "completed",
            "action": {"query": "Rome"},
        }
        events: list[Event] = [
            {"type": "response.created", "response": head("resp_1", "in_progress")},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**search, "status": "in_progress"},
            },
            {"type": "response.web_search_call.completed", "output_index": 0, "item_id": "ws_1"},
            {"type": "response.output_item.done", "output_index": 0, "item": search},
            {"type": "response.completed", "response": head("resp_1", "completed", search)},
        ]
        with WebsocketServer(self.answering(events)) as server, traced() as (captured, clock):
            with client(server).responses.connect() as connection:
                connection.response.create(model="gpt-5-mini", input="How?", tools=[{"type": "web_search"}])
                read(connection, "response.completed", clock)
            [row] = named(captured.rows, "tool.call (web_search)")
        assert row["metrics"] == {"start": BEGUN + 1, "end": BEGUN + 2, "duration_ms": 1000.0}
