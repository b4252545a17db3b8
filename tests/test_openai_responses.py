"""What a span of an OpenAI response says."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import bttrace
from tests.apis import ASKED, BEGUN, RESPONSES, SAID, line_here, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import RESPONSE_USAGE, Reply, response, response_stream, sse

OSLO = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
ROME = ("call_2", "weather", '{"city": "Rome"}')
TIMES = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}, "strict": False},
}
COUNTS = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "tokens": 18,
    "prompt_cached_tokens": 3,
    "cache_read_tokens": 3,
    "prompt_cache_creation_tokens": 0,
    "cache_creation_tokens": 0,
    "completion_reasoning_tokens": 2,
}
SPOKEN: dict[str, Any] = {
    "id": "msg_loopback",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": SAID}],
}


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[openai.OpenAI]:
    with RESPONSES.client(provider) as client:
        yield client


def asked(
    client: Any, reply: Reply, provider: ProviderServer, *, chunks: int | None = None, **given: Any
) -> dict[str, Any]:
    """Gives the span of one call that is answered so; a stream is read to its end, or so many chunks of it."""
    provider.route("/v1/responses", reply)
    with traced() as (captured, _):
        answer = client.responses.create(**{**RESPONSES.given, **given}, stream=bool(reply.events))
        if reply.events:
            with answer:
                for position, _chunk in enumerate(answer, 1):
                    if position == chunks:
                        break
        return only(captured)


def position(reply: Reply, kind: str) -> int:
    """Gives the number of events up to the first of this type."""
    return next(
        number
        for number, event in enumerate(reply.events, 1)
        if event.startswith(f"event: {kind}\n".encode())
    )


class TestTheWholeSpan:
    @pytest.mark.parametrize("streamed", [False, True])
    def test_of_a_call(self, streamed: bool, provider: ProviderServer, client: openai.OpenAI) -> None:
        with traced() as (captured, clock):

            def slow(_: object) -> Reply:
                clock.advance(1.5)
                return response_stream() if streamed else response()

            provider.route("/v1/responses", slow)
            line = line_here() + 1
            answer = client.responses.create(model="gpt-5-mini", input="hi", stream=streamed)
            if isinstance(answer, openai.Stream):
                list(answer)
            row = only(captured)
        ending = {"stream_end": "exhausted"} if streamed else {}
        first = {"time_to_first_token": 1.5} if streamed else {}
        assert row == {
            "id": "row-1",
            "span_id": "0000000000000001",
            "root_span_id": "00000000000000000000000000000001",
            "span_attributes": {"name": "llm.generation (gpt-5-mini-2025-08-07)", "type": "llm"},
            "created": "2023-11-14T22:13:21+00:00",
            "input": "hi",
            "output": [SPOKEN],
            "metadata": {
                "provider": "openai",
                "model": "gpt-5-mini-2025-08-07",
                "api": "responses",
                "service_tier": "default",
                "stream": streamed,
                "response_id": "resp_loopback",
                "finish_reason": "completed",
                "request_id": "req_loopback_responses",
                **ending,
            },
            "metrics": {"start": BEGUN, "end": BEGUN + 1.5, "duration_ms": 1500.0, **first, **COUNTS},
            "context": {
                "span_origin": {
                    "name": "bttrace",
                    "version": bttrace.__version__,
                    "instrumentation": {"name": "bttrace.openai"},
                },
                "caller_functionname": "test_of_a_call",
                "caller_filename": __file__,
                "caller_lineno": line,
            },
        }


class TestInput:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"input": "hi"}, "hi"),
            ({"input": ASKED}, ASKED),
            (
                {"input": "hi", "instructions": "Be brief."},
                [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
            ),
            (
                {"input": ASKED, "instructions": "Be brief."},
                [{"role": "system", "content": "Be brief."}, *ASKED],
            ),
            ({"input": ASKED, "instructions": ""}, ASKED),
        ],
    )
    def test_instructions_lead(
        self, given: Any, expected: Any, provider: ProviderServer, client: Any
    ) -> None:
        assert asked(client, response(), provider, **given)["input"] == expected

    def test_results_of_tools(self, provider: ProviderServer, client: Any) -> None:
        results = [{"type": "function_call_output", "call_id": "call_1", "output": "4 degrees"}]
        row = asked(client, response(), provider, input=results, previous_response_id="resp_0")
        assert row["input"] == results


class TestOutput:
    @pytest.mark.parametrize("builder", [response, response_stream])
    def test_parallel_tool_calls(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(tool_calls=[OSLO, ROME]), provider, tools=[TOOL])
        assert [(item["call_id"], item["name"], item["arguments"]) for item in row["output"]] == [OSLO, ROME]
        assert row["metadata"]["tools"] == [CHAT_TOOL]

    @pytest.mark.parametrize(
        "reply", [response("4", reasoning="2 and 2"), response_stream(["4"], reasoning=["2 and", " 2"])]
    )
    def test_reasoning(self, reply: Reply, provider: ProviderServer, client: Any) -> None:
        thought, said = asked(client, reply, provider, reasoning={"effort": "low"})["output"]
        assert thought["summary"] == [{"type": "summary_text", "text": "2 and 2"}]
        assert said["content"][0]["text"] == "4"

    @pytest.mark.parametrize("reply", [response("", refusal="No."), response_stream(refusal=["N", "o."])])
    def test_a_refusal(self, reply: Reply, provider: ProviderServer, client: Any) -> None:
        (item,) = asked(client, reply, provider)["output"]
        assert item["content"] == [{"type": "refusal", "refusal": "No."}]

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("completed", "completed"), ("incomplete", "max_output_tokens"), ("failed", "failed")],
    )
    @pytest.mark.parametrize("builder", [response, response_stream])
    def test_the_reason_of_its_end(
        self, builder: Any, status: str, reason: str, provider: ProviderServer, client: Any
    ) -> None:
        row = asked(client, builder(status=status), provider)
        assert row["metadata"]["finish_reason"] == reason
        assert RESPONSES.text(row["output"]) == SAID

    def test_structured_output(self, provider: ProviderServer, client: openai.OpenAI) -> None:
        class City(BaseModel):
            name: str

        provider.route(
            "/v1/responses", response('{"name": "Oslo"}'), response_stream(['{"name":', ' "Oslo"}'])
        )
        with traced() as (captured, _):
            assert client.responses.parse(model="m", input="hi", text_format=City).output_parsed == City(
                name="Oslo"
            )
            with client.responses.stream(model="m", input="hi", text_format=City) as stream:
                assert stream.get_final_response().output_parsed == City(name="Oslo")
            rows = captured.rows
        assert [RESPONSES.text(row["output"]) for row in rows] == ['{"name": "Oslo"}'] * 2
        assert [row["metadata"]["response_format"]["type"] for row in rows] == ["json_schema"] * 2
        assert "parsed" not in repr(rows)


class TestPartialOutput:
    """What a stream shows that is left before the event that carries the whole response."""

    @pytest.mark.parametrize(
        ("given", "kind", "expected"),
        [
            ({}, "response.output_text.delta", [{**SPOKEN, "status": "in_progress", "content": ["Hello"]}]),
            ({"refusal": ["N", "o."]}, "response.refusal.delta", ["N"]),
            ({"reasoning": ["2 and", " 2"]}, "response.reasoning_summary_text.delta", ["2 and"]),
            ({"tool_calls": [OSLO]}, "response.function_call_arguments.delta", ['{"cit']),
            ({"tool_calls": [OSLO, ROME]}, "response.output_item.done", [OSLO[2]]),
        ],
    )
    def test_what_came(
        self, given: Any, kind: str, expected: Any, provider: ProviderServer, client: Any
    ) -> None:
        reply = response_stream(**given)
        row = asked(client, reply, provider, chunks=position(reply, kind))
        if given:
            shown = [
                part.get("text") or part.get("refusal") if isinstance(part, dict) else part
                for item in row["output"]
                for part in [
                    *item.get("content", ()),
                    *item.get("summary", ()),
                    *([item["arguments"]] if "arguments" in item else []),
                ]
            ]
            assert shown == expected
        else:
            part = {**SPOKEN["content"][0], "text": "Hello"}
            assert row["output"] == [{**expected[0], "content": [part]}]
        assert row["metadata"]["stream_end"] == "closed"
        assert "finish_reason" not in row["metadata"]
        assert row["metadata"]["response_id"] == "resp_loopback"
        assert "prompt_tokens" not in row["metrics"]

    def test_an_error_event_that_the_sdk_hands_over(self, provider: ProviderServer, client: Any) -> None:
        begun = response_stream()
        error = {"code": "server_error", "message": "Down.", "param": None}
        events = (*begun.events[:5], sse({"type": "error", "sequence_number": 5, **error}, "error"))
        row = asked(client, replace(begun, events=events), provider)
        assert RESPONSES.text(row["output"]) == "Hello"
        assert row["metadata"]["finish_reason"] == "failed"
        assert row["metadata"]["stream_end"] == "exhausted"

    @pytest.mark.parametrize("builder", [response, response_stream])
    def test_a_response_that_failed(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(status="failed"), provider)
        assert row["error"] == "server_error: The server had an error."

    @pytest.mark.parametrize("output", [None, []])
    def test_a_last_event_without_the_output(
        self, output: Any, provider: ProviderServer, client: Any
    ) -> None:
        """Some hosts leave out of the last event what came before; openai's own helper puts it back too."""
        reply = response_stream(tool_calls=[OSLO])
        *begun, last = reply.events
        told = {"id": "resp_loopback", "object": "response", "status": "completed", "output": output}
        ending = {
            "type": "response.completed",
            "sequence_number": 99,
            "response": {**told, "usage": RESPONSE_USAGE},
        }
        events = (*begun, sse(ending, "response.completed"))
        assert len(last) > len(events[-1])
        row = asked(client, replace(reply, events=events), provider)
        assert [(item["call_id"], item["arguments"]) for item in row["output"]] == [(OSLO[0], OSLO[2])]
        assert row["metrics"]["tokens"] == 18


class TestMetadata:
    def test_only_what_is_on_the_list(self, provider: ProviderServer, client: Any) -> None:
        listed: dict[str, Any] = {
            "temperature": 0.0,
            "top_p": 0.9,
            "tools": [TOOL],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low"},
            "service_tier": "flex",
        }
        unlisted: dict[str, Any] = {
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "extra_body": {"secret": "sk-body"},
            "extra_headers": {"x-secret": "sk-header"},
        }
        text = {"format": {"type": "json_object"}, "verbosity": "low"}
        row = asked(
            client,
            response(),
            provider,
            **listed,
            **unlisted,
            text=text,
            max_output_tokens=99,
            safety_identifier="u1",
        )
        assert row["metadata"] == {
            **listed,
            "tools": [CHAT_TOOL],
            "provider": "openai",
            "model": "gpt-5-mini-2025-08-07",
            "api": "responses",
            "max_tokens": 99,
            "response_format": {"type": "json_object"},
            "user_id": "u1",
            "service_tier": "default",
            "stream": False,
            "response_id": "resp_loopback",
            "finish_reason": "completed",
            "request_id": "req_loopback_responses",
        }
        assert "sk-" not in repr(row)


class TestMetrics:
    @pytest.mark.parametrize("builder", [response, response_stream])
    def test_details(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 150,
        }
        metrics = asked(client, builder(usage=usage), provider)["metrics"]
        metrics.pop("time_to_first_token", None)
        assert metrics == {
            **TIMES,
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "tokens": 150,
            "prompt_cached_tokens": 40,
            "cache_read_tokens": 40,
            "prompt_cache_creation_tokens": 10,
            "cache_creation_tokens": 10,
            "completion_reasoning_tokens": 20,
        }

    def test_no_usage(self, provider: ProviderServer, client: Any) -> None:
        assert asked(client, response(usage=None), provider)["metrics"] == TIMES
