"""What a span of an Anthropic message says, and of a beta message."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

import bttrace
from tests.apis import ASKED, BEGUN, BETA, MESSAGES, SAID, Api, line_here, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import MESSAGE_USAGE, Reply, message, message_stream, sse
from tests.loopback.reply import whole

OSLO = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
ROME = ("call_2", "weather", '{"city": "Rome"}')
TIMES = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}
TOOL = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object"}}
COUNTS = {
    "prompt_tokens": 19,
    "completion_tokens": 7,
    "tokens": 26,
    "prompt_cached_tokens": 3,
    "cache_read_tokens": 3,
    "prompt_cache_creation_tokens": 5,
    "cache_creation_tokens": 5,
    "prompt_cache_creation_5m_tokens": 4,
    "prompt_cache_creation_1h_tokens": 1,
}

both = pytest.mark.parametrize("api", [MESSAGES, BETA], ids=repr)
both_ways = pytest.mark.parametrize("builder", [message, message_stream])


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with MESSAGES.client(provider) as client:
        yield client


def asked(
    client: Any,
    reply: Reply,
    provider: ProviderServer,
    api: Api = MESSAGES,
    *,
    chunks: int | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Gives the span of one call that is answered so; a stream is read to its end, or so many chunks of it."""
    provider.route("/v1/messages", reply)
    with traced() as (captured, _):
        answer = api.resource(client).create(**{**api.given, **given}, stream=bool(reply.events))
        if reply.events:
            with answer:
                for position, _chunk in enumerate(answer, 1):
                    if position == chunks:
                        break
        return only(captured)


def event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def spliced(reply: Reply, *middle: bytes) -> Reply:
    """Gives a stream whose content is these events."""
    return replace(reply, events=(reply.events[0], *middle, *reply.events[-2:]))


class TestTheWholeSpan:
    @both
    @pytest.mark.parametrize("streamed", [False, True])
    def test_of_a_call(self, api: Api, streamed: bool, provider: ProviderServer, client: Any) -> None:
        with traced() as (captured, clock):

            def slow(_: object) -> Reply:
                clock.advance(1.5)
                return message_stream() if streamed else message()

            provider.route("/v1/messages", slow)
            line = line_here() + 1
            answer = api.resource(client).create(**api.given, system="Be brief.", stream=streamed)
            if streamed:
                list(answer)
            row = only(captured)
        ending = {"stream_end": "exhausted"} if streamed else {}
        first = {"time_to_first_token": 1.5} if streamed else {}
        assert row == {
            "id": "row-1",
            "span_id": "0000000000000001",
            "root_span_id": "00000000000000000000000000000001",
            "span_attributes": {"name": "llm.generation (claude-haiku-4-5-20251001)", "type": "llm"},
            "created": "2023-11-14T22:13:21+00:00",
            "input": [{"role": "user", "content": "hi"}, {"role": "system", "content": "Be brief."}],
            "output": {
                "role": "assistant",
                "content": [{"type": "text", "text": SAID}],
                "stop_reason": "end_turn",
            },
            "metadata": {
                "provider": "anthropic",
                "model": "claude-haiku-4-5-20251001",
                "api": "messages",
                "max_tokens": 99,
                "service_tier": "standard",
                "stream": streamed,
                "response_id": "msg_loopback",
                "finish_reason": "end_turn",
                "request_id": "req_loopback_messages",
                **ending,
            },
            "metrics": {"start": BEGUN, "end": BEGUN + 1.5, "duration_ms": 1500.0, **first, **COUNTS},
            "context": {
                "span_origin": {
                    "name": "bttrace",
                    "version": bttrace.__version__,
                    "instrumentation": {"name": "bttrace.anthropic"},
                },
                "caller_functionname": "test_of_a_call",
                "caller_filename": __file__,
                "caller_lineno": line,
            },
        }


class TestInput:
    def test_the_system_prompt_follows(self, provider: ProviderServer, client: Any) -> None:
        blocks = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
        row = asked(client, message(), provider, system=blocks)
        assert row["input"] == [*ASKED, {"role": "system", "content": blocks}]

    def test_no_system_prompt(self, provider: ProviderServer, client: Any) -> None:
        assert asked(client, message(), provider)["input"] == ASKED


class TestOutput:
    @both
    @both_ways
    def test_parallel_tool_calls(self, api: Api, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(tool_calls=[OSLO, ROME]), provider, api, tools=[TOOL])
        assert row["output"] == {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo", "days": 3}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "Rome"}},
            ],
            "stop_reason": "tool_use",
        }

    def test_a_tool_call_without_arguments(self, provider: ProviderServer, client: Any) -> None:
        row = asked(client, message_stream(tool_calls=[("call_1", "now", "")]), provider)
        assert row["output"]["content"] == [{"type": "tool_use", "id": "call_1", "name": "now", "input": {}}]
        assert "time_to_first_token" in row["metrics"]

    def test_arguments_that_stop_in_the_middle_stay_as_they_came(
        self, provider: ProviderServer, client: Any
    ) -> None:
        row = asked(client, message_stream(tool_calls=[OSLO]), provider, chunks=5)
        assert row["output"]["content"][0]["input"] == '{"city": "'
        assert "stop_reason" not in row["output"]
        assert row["metadata"]["stream_end"] == "closed"

    @both_ways
    def test_thinking(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        thinking: Any = "2 and 2" if builder is message else ["2 and", " 2"]
        parts: Any = "4" if builder is message else ["4"]
        row = asked(client, builder(parts, thinking=thinking), provider)
        assert row["output"]["content"] == [
            {"type": "thinking", "thinking": "2 and 2", "signature": "c2lnbmF0dXJl"},
            {"type": "text", "text": "4"},
        ]

    def test_a_seal_on_thinking_that_is_not_shown_is_no_token(
        self, provider: ProviderServer, client: Any
    ) -> None:
        with traced() as (captured, clock):
            block = {"type": "thinking", "thinking": "", "signature": ""}
            provider.route(
                "/v1/messages",
                spliced(
                    message_stream(),
                    event("content_block_start", index=0, content_block=block),
                    event(
                        "content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}
                    ),
                    event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
                    event("content_block_delta", index=1, delta={"type": "text_delta", "text": "4"}),
                ),
            )
            for _ in client.messages.create(**MESSAGES.given, stream=True):
                clock.advance(1)
            row = only(captured)
        assert row["metrics"]["time_to_first_token"] == 4
        assert row["output"]["content"][0] == {**block, "signature": "c2ln"}

    def test_citations(self, provider: ProviderServer, client: Any) -> None:
        cited = [
            {"type": "char_location", "cited_text": text, "document_index": 0, "document_title": None}
            for text in ("one", "two")
        ]
        reply = spliced(
            message_stream(),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": cited[0]}),
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": "says"}),
            event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": cited[1]}),
        )
        (block,) = asked(client, reply, provider)["output"]["content"]
        assert block == {"type": "text", "text": "says", "citations": cited}

    def test_a_server_tool(self, provider: ProviderServer, client: Any) -> None:
        used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
        found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
        reply = spliced(
            message_stream(),
            event("content_block_start", index=0, content_block=used),
            event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": '{"query":'},
            ),
            event(
                "content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ' "x"}'}
            ),
            event("content_block_start", index=1, content_block=found),
        )
        assert asked(client, reply, provider)["output"]["content"] == [
            {**used, "input": {"query": "x"}},
            found,
        ]

    def test_compaction(self, provider: ProviderServer, client: Any) -> None:
        delta = {"type": "compaction_delta", "content": "So far.", "encrypted_content": "c2ln"}
        reply = spliced(
            message_stream(),
            event("content_block_start", index=0, content_block={"type": "compaction", "content": None}),
            event("content_block_delta", index=0, delta=delta),
        )
        assert asked(client, reply, provider, BETA)["output"]["content"] == [{**delta, "type": "compaction"}]

    def test_a_fallback_names_the_model_that_answered(self, provider: ProviderServer, client: Any) -> None:
        block = {"type": "fallback", "from": {"model": "claude-a"}, "to": {"model": "claude-b"}}
        begun = message_stream()
        reply = spliced(
            begun, event("content_block_start", index=0, content_block=block), *begun.events[1:-2]
        )
        row = asked(client, reply, provider, BETA)
        assert row["metadata"]["model"] == "claude-b"

    def test_structured_output(self, provider: ProviderServer, client: Any) -> None:
        class City(BaseModel):
            name: str

        provider.route("/v1/messages", message('{"name": "Oslo"}'))
        with traced() as (captured, _):
            parsed = client.messages.parse(**MESSAGES.given, output_format=City)
            row = only(captured)
        assert parsed.parsed_output == City(name="Oslo")
        assert row["output"]["content"] == [{"type": "text", "text": '{"name": "Oslo"}'}]
        assert row["metadata"]["response_format"]["type"] == "json_schema"

    @both_ways
    def test_a_stop_sequence(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(stop_reason="stop_sequence", stop_sequence="END"), provider)
        assert (row["output"]["stop_reason"], row["output"]["stop_sequence"]) == ("stop_sequence", "END")
        assert row["metadata"]["finish_reason"] == "stop_sequence"


class TestMetrics:
    """Anthropic counts cached tokens beside the input's; the bill is of their sum."""

    @both
    @both_ways
    def test_the_sum_of_a_bill(self, api: Api, builder: Any, provider: ProviderServer, client: Any) -> None:
        usage = {
            "input_tokens": 21,
            "cache_read_input_tokens": 1800,
            "cache_creation_input_tokens": 250,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 393,
            "output_tokens_details": {"thinking_tokens": 300},
        }
        metrics = asked(client, builder(usage=usage), provider, api)["metrics"]
        metrics.pop("time_to_first_token", None)
        assert metrics == {
            **TIMES,
            "prompt_tokens": 21 + 1800 + 250,
            "completion_tokens": 393,
            "tokens": 21 + 1800 + 250 + 393,
            "prompt_cached_tokens": 1800,
            "cache_read_tokens": 1800,
            "prompt_cache_creation_tokens": 250,
            "cache_creation_tokens": 250,
            "prompt_cache_creation_5m_tokens": 200,
            "prompt_cache_creation_1h_tokens": 50,
            "completion_reasoning_tokens": 300,
        }

    def test_without_a_cache(self, provider: ProviderServer, client: Any) -> None:
        usage = {"input_tokens": 10, "output_tokens": 5}
        head = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
        row = asked(client, whole({**head, "stop_reason": "end_turn", "usage": usage}, {}), provider)
        assert row["metrics"] == {**TIMES, "prompt_tokens": 10, "completion_tokens": 5, "tokens": 15}

    def test_no_usage(self, provider: ProviderServer, client: Any) -> None:
        head = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
        assert asked(client, whole(head, {}), provider)["metrics"] == TIMES

    def test_the_last_counts_of_a_stream_replace_the_first(
        self, provider: ProviderServer, client: Any
    ) -> None:
        begun = message_stream()
        last = event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 40, "input_tokens": 100, "cache_read_input_tokens": None},
        )
        reply = replace(begun, events=(*begun.events[:-2], last, begun.events[-1]))
        metrics = asked(client, reply, provider)["metrics"]
        assert MESSAGE_USAGE["cache_read_input_tokens"] == 3
        assert (metrics["prompt_tokens"], metrics["completion_tokens"], metrics["tokens"]) == (108, 40, 148)


class TestMetadata:
    def test_only_what_is_on_the_list(self, provider: ProviderServer, client: Any) -> None:
        row = asked(
            client,
            message(),
            provider,
            system="Be brief.",
            stop_sequences=["END"],
            tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
            tool_choice={"type": "auto"},
            thinking={"type": "enabled", "budget_tokens": 1024},
            service_tier="auto",
            metadata={"user_id": "u1"},
            # anthropic 2 has no arguments for these any more; older ones do.
            extra_body={"temperature": 0.0, "top_p": 0.9, "top_k": 5, "secret": "sk-body"},
            extra_headers={"x-secret": "sk-header"},
        )
        function = {"name": "weather", "description": "The weather.", "parameters": {"type": "object"}}
        assert row["metadata"] == {
            "provider": "anthropic",
            "model": "claude-haiku-4-5-20251001",
            "api": "messages",
            "temperature": 0.0,
            "top_p": 0.9,
            "max_tokens": 99,
            "stop": ["END"],
            "tools": [
                {"type": "function", "function": function},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": "auto",
            "reasoning": {"type": "enabled", "budget_tokens": 1024},
            "service_tier": "standard",
            "stream": False,
            "user_id": "u1",
            "response_id": "msg_loopback",
            "finish_reason": "end_turn",
            "request_id": "req_loopback_messages",
        }
        assert "sk-" not in repr(row)

    def test_braintrusts_own_name(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/messages", message())
        with traced(span_names="braintrust") as (captured, _):
            client.messages.create(**MESSAGES.given)
            assert only(captured)["span_attributes"]["name"] == "anthropic.messages.create"


class TestToolRunner:
    def test_each_request_of_a_loop_is_a_span(self, provider: ProviderServer, client: Any) -> None:
        def weather(city: str) -> str:
            """Gives the weather.

            Args:
                city: where
            """
            return f"4 degrees in {city}"

        provider.route("/v1/messages", message(tool_calls=[ROME]), message("It is 4 degrees."))
        with traced() as (captured, _):
            runner = client.beta.messages.tool_runner(**MESSAGES.given, tools=[anthropic.beta_tool(weather)])
            assert runner.until_done().content[0].text == "It is 4 degrees."
            rows = captured.generations
        assert [row["metadata"]["finish_reason"] for row in rows] == ["tool_use", "end_turn"]
        assert len(rows[0]["input"]) == 1
        assert rows[1]["input"][-1]["content"][0]["tool_use_id"] == "call_2"
