"""Tools that the provider runs while it answers: spans within the generation, with times from the stream where it tells."""

import asyncio
from typing import Any

import pytest

from bttrace.testing import Attachment, CountedIds, capture
from tests.apis import BEGUN, BETA, MESSAGES, RESPONSES, Api, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, content, content_stream, response, response_stream
from tests.outlines import Row, named, outline
from tests.test_anthropic_blocks import SEARCH, result, said, used

SEARCHING = used("web_search", query="Oslo")
FOUND = result("web_search", [SEARCH])
ANSWER = said("4 degrees.")
OFFER: dict[str, Any] = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
WEATHER: dict[str, Any] = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ACTION = {"type": "search", "query": "Oslo", "sources": [{"type": "url", "url": "https://example.org/oslo"}]}


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"{kind}_1", "type": kind, "status": "completed", **fields}


def mcp(**fields: Any) -> dict[str, Any]:
    call = {"name": "weather", "server_label": "w", "arguments": '{"city": "Oslo"}', "output": None}
    return item("mcp_call", **{**call, "error": None, **fields})


SHELL = {"call_id": "call_sh", "action": {"commands": ["ls"]}, "environment": {"type": "container_reference"}}
RAN = [{"stdout": "a.py", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
ITEMS: dict[str, tuple[list[dict[str, Any]], tuple[str, str, Any, Any]]] = {
    "web search": (
        [item("web_search_call", action=ACTION)],
        ("web_search", "web_search_call_1", ACTION, ACTION["sources"]),
    ),
    "file search": (
        [item("file_search_call", queries=["Oslo"], results=[{"file_id": "f"}])],
        ("file_search", "file_search_call_1", ["Oslo"], [{"file_id": "f"}]),
    ),
    "code interpreter": (
        [item("code_interpreter_call", code="4", container_id="c", outputs=[{"type": "logs", "logs": "4"}])],
        ("code_interpreter", "code_interpreter_call_1", "4", [{"type": "logs", "logs": "4"}]),
    ),
    "mcp": (
        [mcp(output="4 degrees")],
        ("weather", "mcp_call_1", {"city": "Oslo"}, "4 degrees"),
    ),
    "image": (
        [item("image_generation_call", result=PIXEL, output_format="png", revised_prompt="A fjord.")],
        (
            "image_generation",
            "image_generation_call_1",
            "A fjord.",
            {"type": "image_generation_call", "output_format": "png", "result": Attachment},
        ),
    ),
    "shell": (
        [item("shell_call", **SHELL), item("shell_call_output", call_id="call_sh", output=RAN)],
        ("shell", "call_sh", SHELL["action"], RAN),
    ),
    "tool search": (
        [
            item("tool_search_call", call_id=None, execution="server", arguments={"paths": ["w"]}),
            item("tool_search_output", call_id=None, execution="server", tools=[{"name": "w"}]),
        ],
        ("tool_search", "tool_search_call_1", {"paths": ["w"]}, [{"name": "w"}]),
    ),
    "program": (
        [
            {"id": "p_1", "type": "program", "call_id": "call_p", "code": "1", "fingerprint": "f"},
            item("program_output", call_id="call_p", result="1"),
        ],
        ("program", "call_p", "1", "1"),
    ),
}
each_way = pytest.mark.parametrize("how", ["whole", "streamed", "helper", "raw", "async"])


def tools(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["span_attributes"]["type"] == "tool"]


def called(
    provider: ProviderServer, api: Api, how: str, whole: Reply, stream: Reply, **given: Any
) -> list[Row]:
    """Gives the rows of one call, whose stream, if it is one, is read an event a second."""
    provider.route(api.path, whole if how == "whole" else stream)
    given = {**api.given, **given}
    with traced() as (captured, clock):
        if how == "async":

            async def main() -> None:
                async with api.aclient(provider) as client:
                    async for _ in await api.resource(client).create(**given, stream=True):
                        clock.advance(1)

            asyncio.run(main())
            return captured.rows
        with api.client(provider) as client:
            resource = api.resource(client)
            if how == "whole":
                resource.create(**given)
            elif how == "raw":
                with resource.with_streaming_response.create(**given, stream=True) as raw:
                    for line in raw.iter_lines():
                        clock.advance(0 if line else 1)
            elif how == "helper":
                with resource.stream(**given) as helper:
                    helper.until_done()
            else:
                for _ in resource.create(**given, stream=True):
                    clock.advance(1)
        return captured.rows


class TestAnthropic:
    @each_way
    def test_a_search(self, how: str, provider: ProviderServer) -> None:
        blocks = [SEARCHING, FOUND, ANSWER]
        rows = called(provider, MESSAGES, how, content(blocks), content_stream(blocks), **OFFER)
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            "    llm.generation (claude-haiku-4-5-20251001)",
            "      tool.call (web_search)",
        ]
        assert [row["span_attributes"]["type"] for row in rows] == ["task", "task", "llm", "tool"]
        [row] = tools(rows)
        deltas = len(content_stream([SEARCHING]).events) - 5
        start, end = (BEGUN + 1, BEGUN + 3 + deltas) if how not in ("whole", "helper") else (BEGUN, BEGUN)
        assert row["metrics"] == {"start": start, "end": end, "duration_ms": (end - start) * 1000}
        assert row["input"] == {"query": "Oslo"}
        assert row["output"] == [SEARCH]
        assert row["metadata"] == {
            "tool_name": "web_search",
            "tool_call_id": "srvtoolu_1",
            "timing": "inferred",
            "status": "success",
            "server_side": True,
        }
        assert "error" not in row

    def test_two_at_once(self, provider: ProviderServer) -> None:
        other = {**SEARCHING, "id": "srvtoolu_2", "input": {"query": "Rome"}}
        blocks = [SEARCHING, other, {**FOUND, "tool_use_id": "srvtoolu_2"}, FOUND]
        rows = tools(called(provider, MESSAGES, "streamed", content(blocks), content_stream(blocks), **OFFER))
        first, second = rows
        assert (first["input"], second["input"]) == ({"query": "Oslo"}, {"query": "Rome"})
        assert first["metrics"]["start"] < second["metrics"]["start"]
        assert second["metrics"]["end"] < first["metrics"]["end"]

    @pytest.mark.parametrize("how", ["whole", "streamed"])
    def test_without_tools_on_offer(self, how: str, provider: ProviderServer) -> None:
        blocks = [SEARCHING, FOUND, ANSWER]
        rows = called(provider, MESSAGES, how, content(blocks), content_stream(blocks))
        generation, row = rows
        assert outline(rows) == ["llm.generation (claude-haiku-4-5-20251001)", "  tool.call (web_search)"]
        around, bounds = ([one["metrics"][bound] for bound in ("start", "end")] for one in (generation, row))
        if how == "whole":
            assert bounds == around
        else:
            assert around[0] < bounds[0] < bounds[1] < around[1]

    def test_one_that_failed(self, provider: ProviderServer) -> None:
        error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
        provider.route("/v1/messages", content([SEARCHING, result("web_search", error)]))
        [row] = self.rows(provider)
        assert (row["error"], row["metadata"]["status"]) == ("max_uses_exceeded", "error")
        assert row["output"] == error

    def test_an_mcp_tool_that_failed(self, provider: ProviderServer) -> None:
        call = {**used("weather", "mcp_tool_use", city="Oslo"), "server_name": "w"}
        failed = {**result("mcp", [said("No such city.")]), "is_error": True}
        provider.route("/v1/messages", content([call, failed]))
        servers = [{"type": "url", "name": "w", "url": "https://example.org/mcp"}]
        with traced() as (captured, _), BETA.client(provider) as client:
            client.beta.messages.create(**BETA.given, mcp_servers=servers)
            rows = captured.rows
        assert outline(rows)[0] == "agent turn"
        [row] = tools(rows)
        assert row["span_attributes"]["name"] == "tool.call (weather)"
        assert row["metadata"]["status"] == "error"
        assert "error" not in row

    def rows(self, provider: ProviderServer, **options: Any) -> list[Row]:
        with capture(**options) as captured, MESSAGES.client(provider) as client:
            client.messages.create(**MESSAGES.given, **OFFER)
            return tools(captured.rows)

    def test_without_content(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([SEARCHING, FOUND]))
        [row] = self.rows(provider, capture_content=False)
        assert "input" not in row
        assert "output" not in row
        assert row["metadata"]["status"] == "success"

    def test_an_answer_that_was_cut_says_nothing_of_how_it_went(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([SEARCHING], beside={"stop_reason": "max_tokens"}))
        [row] = self.rows(provider)
        assert "status" not in row["metadata"]
        assert "output" not in row
        assert row["metrics"]["end"] >= row["metrics"]["start"]


class TestAcrossAnswers:
    """A result that comes in a later answer belongs to the one span of its tool."""

    def test_a_turn_that_is_paused(self, provider: ProviderServer) -> None:
        paused = [said("Let me see."), SEARCHING]
        provider.route(
            "/v1/messages",
            content_stream(paused, beside={"stop_reason": "pause_turn"}),
            content_stream([FOUND, ANSWER]),
        )
        asked = MESSAGES.given["messages"]
        with traced() as (captured, clock), MESSAGES.client(provider) as client:
            first = self.read(client, clock, asked)
            assert [row["metrics"].get("end") for row in tools(captured.rows)] == [None]
            self.read(client, clock, [*asked, {"role": "assistant", "content": first}])
            rows = captured.rows
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            "    llm.generation (claude-haiku-4-5-20251001)",
            "      tool.call (web_search)",
            "    llm.generation (claude-haiku-4-5-20251001)",
        ]
        [row] = tools(rows)
        _, second = named(rows, "llm.generation (claude-haiku-4-5-20251001)")
        assert row["output"] == [SEARCH]
        assert row["metadata"]["status"] == "success"
        assert row["metrics"]["end"] == second["metrics"]["start"] + 1
        assert named(rows, "agent turn")[0]["metadata"]["turn_status"] == "completed"

    def read(self, client: Any, clock: Any, messages: Any) -> list[Any]:
        with client.messages.stream(**{**MESSAGES.given, "messages": messages}, **OFFER) as stream:
            for event in stream:
                clock.advance(event.type in ("content_block_start", "message_start"))
            return list(stream.get_final_message().content)

    def test_code_that_calls_a_tool_of_the_application(self, provider: ProviderServer) -> None:
        code = used("code_execution", code="weather('Oslo')")
        asks: dict[str, Any] = {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "weather",
            "input": {"city": "Oslo"},
        }
        done = result("code_execution", {"type": "code_execution_result", "stdout": "4", "return_code": 0})
        provider.route(
            "/v1/messages", content([code, asks], beside={"stop_reason": "tool_use"}), content([done, ANSWER])
        )
        given = {**MESSAGES.given, "tools": [WEATHER]}
        with traced() as (captured, clock), MESSAGES.client(provider) as client:
            first = client.messages.create(**given)
            clock.advance(1)
            brought = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "4"}]
            history = [{"role": "assistant", "content": first.content}, {"role": "user", "content": brought}]
            client.messages.create(**{**given, "messages": [*given["messages"], *history]})
            rows = captured.rows
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            "    llm.generation (claude-haiku-4-5-20251001)",
            "      tool.call (code_execution)",
            "  act (iteration 1)",
            "    tool.call (weather)",
            "  reason (iteration 2)",
            "    llm.generation (claude-haiku-4-5-20251001)",
        ]
        [row] = named(rows, "tool.call (code_execution)")
        assert row["metrics"] == {"start": BEGUN, "end": BEGUN + 1, "duration_ms": 1000.0}
        assert row["output"]["stdout"] == "4"

    def test_one_whose_result_never_comes(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([SEARCHING], beside={"stop_reason": "pause_turn"}))
        with capture() as captured, MESSAGES.client(provider) as client:
            client.messages.create(**MESSAGES.given, **OFFER)
        [row] = tools(captured.rows)
        assert row["metadata"]["status"] == "abandoned"
        assert "end" in row["metrics"]

    def test_a_result_of_what_was_never_asked_is_none(self, provider: ProviderServer) -> None:
        provider.route("/v1/messages", content([FOUND, ANSWER]))
        with capture() as captured, MESSAGES.client(provider) as client:
            client.messages.create(**MESSAGES.given, **OFFER)
            assert tools(captured.rows) == []


class TestOpenAI:
    @each_way
    @pytest.mark.parametrize("name", ITEMS)
    def test_each(self, name: str, how: str, provider: ProviderServer) -> None:
        items, (tool, call_id, given, found) = ITEMS[name]
        offered = [{"type": "web_search"}]
        whole, stream = response(hosted=items), response_stream(hosted=items)
        rows = called(provider, RESPONSES, how, whole, stream, tools=offered)
        assert outline(rows) == [
            "agent turn",
            "  reason (iteration 1)",
            "    llm.generation (gpt-5-mini-2025-08-07)",
            f"      tool.call ({tool})",
        ]
        [row] = tools(rows)
        assert row["input"] == given
        output = row["output"]
        if found is not None and name == "image":
            assert output["result"].content_type == "image/png"
            output, found = ({**told, "result": None} for told in (output, found))
        assert output == found
        assert row["metadata"] == {
            "tool_name": tool,
            "tool_call_id": call_id,
            "timing": "inferred",
            "status": "success",
            "server_side": True,
        }
        generation = rows[2]["metrics"]
        if how in ("whole", "helper"):
            assert (row["metrics"]["start"], row["metrics"]["end"]) == (
                generation["start"],
                generation["end"],
            )
        else:
            assert row["metrics"]["start"] == BEGUN + 2
            assert BEGUN + 2 < row["metrics"]["end"] < generation["end"]

    def test_times_are_those_of_the_items_own_events(self, provider: ProviderServer) -> None:
        """Of two searches, each from its `added` to its `completed`."""
        items = [item("web_search_call", id=f"ws_{n}", action=ACTION) for n in "12"]
        stream = response_stream(hosted=items)
        rows = called(provider, RESPONSES, "streamed", stream, stream, tools=[{"type": "web_search"}])
        bounds = [(row["metrics"]["start"] - BEGUN, row["metrics"]["end"] - BEGUN) for row in tools(rows)]
        assert bounds == [(2, 5), (7, 10)]

    def test_a_real_clock(self, provider: ProviderServer) -> None:
        stream = response_stream(hosted=[item("web_search_call", action=ACTION)])
        provider.route("/v1/responses", Reply(headers=stream.headers, events=stream.events, gap=0.03))
        with capture() as captured, RESPONSES.client(provider) as client:
            for _ in client.responses.create(**RESPONSES.given, tools=[{"type": "web_search"}], stream=True):
                pass
            [row] = tools(captured.rows)
        [request] = provider.requests
        added, completed = request.sent_ns[2], request.sent_ns[5]
        assert row["metrics"]["end"] - row["metrics"]["start"] == pytest.approx(
            (completed - added) / 1e9, abs=0.02
        )

    def test_one_that_failed(self, provider: ProviderServer) -> None:
        error = {"type": "mcp_tool_execution_error", "message": "No such city."}
        provider.route("/v1/responses", response(hosted=[mcp(status="failed", error=error)]))
        [row] = self.rows(provider)
        assert row["error"] == "mcp_tool_execution_error: No such city."
        assert row["metadata"]["status"] == "error"

    def test_one_that_failed_without_content(self, provider: ProviderServer) -> None:
        error = {"type": "mcp_tool_execution_error", "message": "No such city."}
        provider.route("/v1/responses", response(hosted=[mcp(status="failed", error=error)]))
        [row] = self.rows(provider, capture_content=False)
        assert row["error"] == "mcp_tool_execution_error"

    def test_one_that_was_not_finished(self, provider: ProviderServer) -> None:
        search = item("web_search_call", status="searching", action=ACTION)
        provider.route("/v1/responses", response(hosted=[search], status="incomplete"))
        [row] = self.rows(provider)
        assert "status" not in row["metadata"]

    def rows(self, provider: ProviderServer, **options: Any) -> list[Row]:
        with capture(ids=CountedIds(), **options) as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, tools=[{"type": "web_search"}])
            return tools(captured.rows)

    def test_beside_a_function_that_the_application_runs(self, provider: ProviderServer) -> None:
        shell, _ = ITEMS["shell"]
        call = ("call_1", "weather", '{"city": "Oslo"}')
        provider.route("/v1/responses", response(tool_calls=[call], hosted=shell))
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, tools=[{"type": "shell"}])
        rows = captured.rows
        [act] = named(rows, "act (iteration 1)")
        assert act["input"] == [{"id": "call_1", "name": "weather"}]
        assert [row["metadata"]["tool_call_id"] for row in tools(rows)] == ["call_sh"]

    def test_a_local_shell_is_the_applications(self, provider: ProviderServer) -> None:
        call = item("shell_call", **{**SHELL, "environment": {"type": "local"}})
        provider.route("/v1/responses", response(hosted=[call]))
        with capture() as captured, RESPONSES.client(provider) as client:
            client.responses.create(**RESPONSES.given, tools=[{"type": "shell"}])
        rows = captured.rows
        assert named(rows, "act (iteration 1)")[0]["input"] == [{"id": "call_sh", "name": "shell"}]
        assert tools(rows) == []
