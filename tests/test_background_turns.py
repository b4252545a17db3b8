"""Turns whose responses run in the background: what a poll hears belongs to the iteration that began it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openai
import pytest

from bttrace.testing import capture
from tests.apis import RESPONSES, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, openai_error, response, response_stream
from tests.outlines import Row, named, outline

GIVEN: dict[str, Any] = {
    **RESPONSES.given,
    "background": True,
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
}
CALL = ("call_1", "weather", '{"city": "Oslo"}')
RESULT: dict[str, Any] = {"type": "function_call_output", "call_id": "call_1", "output": "4"}
SEARCH: dict[str, Any] = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"query": "Oslo"},
}
GENERATION = "llm.generation (gpt-5-mini-2025-08-07)"
FIRST = "/v1/responses/resp_1"
SECOND = "/v1/responses/resp_2"
LOOP = [
    "agent turn",
    "  reason (iteration 1)",
    f"    {GENERATION}",
    f"    {GENERATION}",
    "  act (iteration 1)",
    "    tool.call (weather)",
    "  reason (iteration 2)",
    f"    {GENERATION}",
    f"    {GENERATION}",
]


def queued(identity: str, status: str = "queued") -> Reply:
    return response(text="", usage=None, status=status, id=identity, background=True)


def asks(identity: str = "resp_1", **fields: Any) -> Reply:
    return response(tool_calls=[CALL], id=identity, background=True, **fields)


def answers(identity: str = "resp_2", **fields: Any) -> Reply:
    return response("4 degrees.", id=identity, background=True, **fields)


def polled(client: Any, identity: str) -> Any:
    """Asks until it is done, as the SDK's own documentation has it."""
    found = client.responses.retrieve(identity)
    while found.status in ("queued", "in_progress"):
        found = client.responses.retrieve(identity)
    return found


def rows_of(program: Callable[[Any], None], provider: ProviderServer, **options: Any) -> list[Row]:
    with traced(**options) as (captured, clock), RESPONSES.client(provider) as client:
        provider_clock = clock

        class Ticking:
            """The client, whose every call takes a second."""

            def __getattr__(self, name: str) -> Any:
                provider_clock.advance(1)
                return getattr(client, name)

        program(Ticking())
    return captured.rows


def loop(client: Any) -> None:
    """One question, one tool, one answer."""
    begun = client.responses.create(**GIVEN)
    done = polled(client, begun.id)
    assert [item.type for item in done.output] == ["function_call"]
    again = client.responses.create(**{**GIVEN, "input": [RESULT]}, previous_response_id=done.id)
    assert polled(client, again.id).output_text == "4 degrees."


def test_a_loop(provider: ProviderServer) -> None:
    provider.route("/v1/responses", queued("resp_1"), queued("resp_2"))
    provider.route(FIRST, queued("resp_1"), queued("resp_1", "in_progress"), asks())
    provider.route(SECOND, queued("resp_2", "in_progress"), answers())
    rows = rows_of(loop, provider)
    assert outline(rows) == LOOP
    [turn] = named(rows, "agent turn")
    assert turn["output"][0]["text"] == "4 degrees."
    assert (turn["metadata"]["iterations"], turn["metadata"]["turn_status"]) == (2, "completed")
    assert turn["metadata"]["usage"]["tokens"] == 36
    began, heard, *_ = named(rows, GENERATION)
    assert "tokens" not in began["metrics"]
    assert heard["metrics"]["tokens"] == 18
    [reason] = named(rows, "reason (iteration 1)")
    assert reason["metrics"] == {"start": began["metrics"]["start"], "end": heard["metrics"]["end"]}
    assert reason["output"]["tool_call_count"] == 1
    [tool] = named(rows, "tool.call (weather)")
    assert (tool["input"], tool["output"]) == ({"city": "Oslo"}, "4")
    assert tool["metrics"]["start"] == heard["metrics"]["end"]


def test_the_history_sent_again_instead(provider: ProviderServer) -> None:
    def program(client: Any) -> None:
        done = polled(client, client.responses.create(**GIVEN).id)
        call = done.output[0].model_dump(exclude_none=True)
        history = [*GIVEN["input"], call, RESULT]
        polled(client, client.responses.create(**{**GIVEN, "input": history}).id)

    provider.route("/v1/responses", queued("resp_1"), queued("resp_2"))
    provider.route(FIRST, asks())
    provider.route(SECOND, answers())
    assert outline(rows_of(program, provider)) == LOOP


def test_it_stays_open_until_it_is_heard_of(provider: ProviderServer) -> None:
    provider.route("/v1/responses", queued("resp_1"))
    provider.route(FIRST, queued("resp_1", "in_progress"), answers("resp_1"))
    with traced() as (captured, clock), RESPONSES.client(provider) as client:
        client.responses.create(**GIVEN)
        clock.advance(2)
        client.responses.retrieve("resp_1")
        early = {row["span_attributes"]["name"]: row["metrics"] for row in captured.rows}
        client.responses.retrieve("resp_1")
        rows = captured.rows
    assert "end" not in early["agent turn"]
    assert "end" not in early["reason (iteration 1)"]
    assert outline(rows) == LOOP[:4]
    assert named(rows, "agent turn")[0]["metadata"]["turn_status"] == "completed"


def test_a_second_poll_changes_nothing(provider: ProviderServer) -> None:
    def program(client: Any) -> None:
        client.responses.create(**GIVEN)
        for _ in range(3):
            polled(client, "resp_1")

    provider.route("/v1/responses", queued("resp_1"))
    provider.route(FIRST, answers("resp_1"))
    assert outline(rows_of(program, provider)) == LOOP[:4]


def test_one_that_is_cancelled(provider: ProviderServer) -> None:
    def program(client: Any) -> None:
        client.responses.create(**GIVEN)
        client.responses.cancel("resp_1")
        client.responses.retrieve("resp_1")

    provider.route("/v1/responses", queued("resp_1"))
    provider.route(f"{FIRST}/cancel", queued("resp_1", "cancelled"))
    provider.route(FIRST, queued("resp_1", "cancelled"))
    rows = rows_of(program, provider)
    assert outline(rows) == LOOP[:4]
    [turn] = named(rows, "agent turn")
    assert turn["metadata"]["turn_status"] == "cancelled"
    assert turn["output"] == {"status": "cancelled"}


def test_one_that_fails(provider: ProviderServer) -> None:
    def program(client: Any) -> None:
        client.responses.create(**GIVEN)
        client.responses.retrieve("resp_1")

    provider.route("/v1/responses", queued("resp_1"))
    provider.route(FIRST, response(text="", status="failed", id="resp_1", background=True))
    [turn] = named(rows_of(program, provider), "agent turn")
    assert turn["output"] == {"status": "failed"}


def test_a_poll_that_fails_leaves_the_turn_to_the_next(provider: ProviderServer) -> None:
    def program(client: Any) -> None:
        client.responses.create(**GIVEN)
        with pytest.raises(openai.InternalServerError):
            client.responses.retrieve("resp_1")
        client.responses.retrieve("resp_1")

    provider.route("/v1/responses", queued("resp_1"))
    provider.route(FIRST, openai_error(500, "Odd."), answers("resp_1"))
    rows = rows_of(program, provider)
    assert outline(rows)[:2] == LOOP[:2]
    assert len([row for row in rows if row["span_attributes"]["type"] == "llm"]) == 3
    assert len(named(rows, "agent turn")) == 1
    assert named(rows, "agent turn")[0]["metadata"]["turn_status"] == "completed"


class TestStreamed:
    STREAM = response_stream(tool_calls=[CALL], id="resp_1", background=True, hosted=[SEARCH])

    def test_one_that_is_left_and_polled(self, provider: ProviderServer) -> None:
        """The turn is not called off by leaving the stream; what both tell of is told once."""

        def program(client: Any) -> None:
            with client.responses.create(**GIVEN, stream=True) as stream:
                for event in stream:
                    if event.type == "response.output_item.done":
                        break
            polled(client, "resp_1")
            client.responses.create(
                **{**GIVEN, "background": False, "input": [RESULT]}, previous_response_id="resp_1"
            )

        provider.route("/v1/responses", self.STREAM, response(id="resp_2"))
        provider.route(FIRST, asks(hosted=[SEARCH]))
        rows = rows_of(program, provider)
        assert outline(rows) == [
            *LOOP[:3],
            "      tool.call (web_search)",
            *LOOP[3:8],
        ]
        assert named(rows, "agent turn")[0]["metadata"]["turn_status"] == "completed"
        assert named(rows, "agent turn")[0]["metadata"]["usage"]["tokens"] == 36

    def test_one_that_is_taken_up_again(self, provider: ProviderServer) -> None:
        """A tool of the provider's that was under way when the stream was left is completed by the next."""

        def program(client: Any) -> None:
            with client.responses.create(**GIVEN, stream=True) as stream:
                for event in stream:
                    if event.type == "response.output_item.added":
                        break
            for _ in client.responses.retrieve("resp_1", stream=True, starting_after=2):
                pass

        provider.route("/v1/responses", self.STREAM)
        provider.route(FIRST, replace(self.STREAM, events=self.STREAM.events[3:]))
        rows = rows_of(program, provider)
        assert outline(rows)[:5] == [*LOOP[:3], "      tool.call (web_search)", LOOP[3]]
        [tool] = named(rows, "tool.call (web_search)")
        assert tool["metadata"]["status"] == "success"
        first, second = named(rows, GENERATION)
        assert tool["metrics"]["start"] >= first["metrics"]["start"]
        assert tool["metrics"]["end"] == second["metrics"]["end"]

    def test_one_that_a_poll_told_of_while_it_was_read(self, provider: ProviderServer) -> None:
        def program(client: Any) -> None:
            stream = client.responses.create(**GIVEN, stream=True)
            next(stream)
            polled(client, "resp_1")
            list(stream)

        provider.route("/v1/responses", self.STREAM)
        provider.route(FIRST, asks(hosted=[SEARCH]))
        rows = rows_of(program, provider)
        assert [row["metadata"]["tool_call_id"] for row in named(rows, "tool.call (web_search)")] == ["ws_1"]
        assert len(named(rows, "act (iteration 1)")) == 1
        assert named(rows, "agent turn")[0]["metadata"]["usage"]["tokens"] == 18


def test_one_that_another_process_began_is_bare(provider: ProviderServer) -> None:
    provider.route(FIRST, asks())
    with capture() as captured, RESPONSES.client(provider) as client:
        client.responses.retrieve("resp_1")
        assert outline(captured.rows) == [GENERATION]
