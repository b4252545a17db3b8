"""The scenarios of `test/llm_span` of `braintrustdata/braintrust-spec`, and its rules for tokens.

Each is told in words and data of our own, and held against rows that went over the wire.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loopback import replies
from tests.specification import (
    ASKED,
    CALL,
    WEATHER,
    Service,
    absent,
    count,
    faults,
    number,
    served,
    starts,
    text,
)

CACHING_BETA = "extended-cache-ttl-2025-04-11"
SYSTEM = "Answer in one word."
ORIGIN = {"span_origin": {"name": text, "version": text, "instrumentation": {"name": text}}}
TOKENS = {"tokens": count, "prompt_tokens": count, "completion_tokens": count}


def llm(provider: str, model: object, **fields: Any) -> dict[str, Any]:
    """What every `llm` span must have, and what this one must."""
    name = fields.pop("name", text)
    return {
        "span_attributes": {"type": "llm", "name": name},
        "metadata": {"provider": provider, "model": model, **fields.pop("metadata", {})},
        "metrics": {**TOKENS, "start": number, "end": number, **fields.pop("metrics", {})},
        "context": ORIGIN,
        **fields,
    }


@pytest.fixture
def service() -> Iterator[Service]:
    with served() as both:
        yield both


class TestScenarios:
    def test_a_chat_completion(self, service: Service) -> None:
        service.provider.reply(replies.chat("Rhine"))
        messages = [{"role": "system", "content": SYSTEM}, *ASKED]
        service.oai.chat.completions.create(model="gpt-4o-mini", temperature=0.0, messages=messages)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rhine"}}
        wanted = llm(
            "openai",
            starts("gpt-4o-mini"),
            name="Chat Completion",
            metadata={"temperature": 0.0},
            metrics={"prompt_cached_tokens": count, "time_to_first_token": absent},
            input=messages,
            output=[choice],
        )
        assert faults(service.row, wanted) == []

    def test_a_streamed_chat_completion(self, service: Service) -> None:
        service.provider.reply(replies.chat_stream(["one, ", "two"], usage=True))
        options = {"include_usage": True}
        stream = service.oai.chat.completions.create(
            model="gpt-4o-mini", max_tokens=80, messages=ASKED, stream=True, stream_options=options
        )
        for _ in stream:
            pass
        wanted = llm(
            "openai",
            starts("gpt-4o-mini"),
            name="Chat Completion",
            metadata={"max_tokens": 80},
            metrics={"prompt_cached_tokens": count, "time_to_first_token": number},
            input=ASKED,
            output=[{"index": 0, "message": {"role": "assistant", "content": "one, two"}}],
        )
        assert faults(service.row, wanted) == []

    def test_a_chat_completion_that_asks_for_a_tool(self, service: Service) -> None:
        service.provider.reply(replies.chat(tool_calls=[CALL], model="gpt-4o-2024-08-06"))
        tool = {"type": "function", "function": WEATHER}
        service.oai.chat.completions.create(model="gpt-4o", messages=ASKED, tools=[tool])
        called = {"id": "call_1", "type": "function", "function": {"name": "forecast", "arguments": CALL[2]}}
        message = {"role": "assistant", "content": absent, "tool_calls": [called]}
        wanted = llm(
            "openai",
            starts("gpt-4o"),
            name="Chat Completion",
            metadata={"tools": [tool]},
            input=ASKED,
            output=[{"index": 0, "finish_reason": "tool_calls", "message": message}],
        )
        assert faults(service.row, wanted) == []

    def test_reasoning_over_two_requests(self, service: Service) -> None:
        model = "o4-mini-2025-04-16"
        service.provider.reply(
            replies.response("n(n+1)", reasoning="Each is a product.", model=model),
            replies.response("440", reasoning="Add them up.", model=model),
        )
        given: dict[str, Any] = {"model": "o4-mini", "reasoning": {"effort": "high", "summary": "detailed"}}
        first = service.oai.responses.create(**given, input=ASKED)
        more = {"role": "user", "content": "And their sum?"}
        so_far = [item.model_dump(exclude_none=True) for item in first.output]
        service.oai.responses.create(**given, input=[*ASKED, *so_far, more])

        def answered(thought: str, said: str) -> list[dict[str, Any]]:
            part = {"type": "output_text", "annotations": [], "logprobs": [], "text": said}
            summary = [{"type": "summary_text", "text": thought}]
            message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
            return [{"type": "reasoning", "summary": summary}, message]

        before = answered("Each is a product.", "n(n+1)")
        inputs = [ASKED, [*ASKED, *before, more]]
        outputs = [before, answered("Add them up.", "440")]
        metrics = {"prompt_cached_tokens": count, "completion_reasoning_tokens": count}
        wanted = [
            llm("openai", starts("o4-mini"), metrics=metrics, input=asked, output=output)
            for asked, output in zip(inputs, outputs, strict=True)
        ]
        assert faults(service.rows, wanted) == []
        assert len(service.rows) == 2

    def test_a_message(self, service: Service) -> None:
        service.provider.reply(replies.message("Rhine"))
        service.ant.messages.create(model="claude-haiku-4-5", max_tokens=99, system=SYSTEM, messages=ASKED)
        wanted = llm(
            "anthropic",
            "claude-haiku-4-5-20251001",
            name="anthropic.messages.create",
            input=[*ASKED, {"role": "system", "content": SYSTEM}],
            output={"role": "assistant", "content": [{"type": "text", "text": "Rhine"}]},
        )
        assert faults(service.row, wanted) == []

    @pytest.mark.parametrize("helper", [False, True])
    def test_a_streamed_message(self, service: Service, *, helper: bool) -> None:
        service.provider.reply(replies.message_stream(["one, ", "two"]))
        given: dict[str, Any] = {
            "model": "claude-haiku-4-5",
            "max_tokens": 99,
            "messages": ASKED,
            "system": SYSTEM,
        }
        if helper:
            with service.ant.messages.stream(**given) as stream:
                stream.until_done()
        else:
            with service.ant.messages.create(**given, stream=True) as stream:
                assert len(list(stream)) > 1
        wanted = llm(
            "anthropic",
            "claude-haiku-4-5-20251001",
            name="anthropic.messages.stream",
            metrics={"time_to_first_token": number},
            input=[*ASKED, {"role": "system", "content": SYSTEM}],
            output={"role": "assistant", "content": [{"type": "text", "text": "one, two"}]},
        )
        assert faults(service.row, wanted) == []

    @pytest.mark.parametrize(("ttl", "other"), [("5m", "1h"), ("1h", "5m")])
    @pytest.mark.parametrize("streamed", [False, True])
    def test_prompt_caching(self, service: Service, ttl: str, other: str, *, streamed: bool) -> None:
        split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
        usage = {
            "input_tokens": 20,
            "cache_creation_input_tokens": 1500,
            "cache_read_input_tokens": 0,
            "cache_creation": {**split, f"ephemeral_{ttl}_input_tokens": 1500},
            "output_tokens": 7,
        }
        reply = replies.message_stream(usage=usage) if streamed else replies.message(usage=usage)
        service.provider.reply(reply)
        system = [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": ttl}}]
        headers = {"anthropic-beta": CACHING_BETA} if ttl == "1h" else {}
        answer = service.ant.messages.create(
            model="claude-haiku-4-5",
            max_tokens=99,
            system=system,
            messages=ASKED,
            stream=streamed,
            extra_headers=headers,
        )
        if streamed:
            list(answer)
        metrics = {
            "prompt_tokens": 1520,
            "completion_tokens": 7,
            "tokens": 1527,
            "prompt_cached_tokens": 0,
            f"prompt_cache_creation_{ttl}_tokens": 1500,
            f"prompt_cache_creation_{other}_tokens": 0,
            "prompt_cache_creation_tokens": absent,
            "cache_creation_tokens": absent,
        }
        output = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        wanted = llm(
            "anthropic", text, metrics=metrics, input=[*ASKED, {"role": "system", "content": system}]
        )
        assert faults(service.row, {**wanted, "output": output}) == []
        assert service.provider.requests[0].header("anthropic-beta") == headers.get("anthropic-beta")


class TestTokens:
    """Of `features/token-and-cost-metrics.md` and `features/prompt-cache.md`."""

    def test_the_split_of_cache_creation_is_never_made_up(self, service: Service) -> None:
        service.provider.reply(replies.message(usage={"cache_creation": None}))
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED)
        metrics = service.row["metrics"]
        assert metrics["prompt_cache_creation_tokens"] == 5
        assert not [name for name in metrics if "5m" in name or "1h" in name]

    def test_under_other_names_the_sum_stands_beside_its_parts(self, service: Service) -> None:
        service.enable(span_names="turn")
        service.provider.reply(replies.message())
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED)
        metrics = service.row["metrics"]
        assert metrics["prompt_cache_creation_tokens"] == metrics["cache_creation_tokens"] == 5
        assert metrics["prompt_cache_creation_5m_tokens"] + metrics["prompt_cache_creation_1h_tokens"] == 5

    @pytest.mark.parametrize("streamed", [False, True])
    def test_what_the_provider_does_not_report_is_left_out(self, service: Service, *, streamed: bool) -> None:
        service.provider.reply(replies.chat_stream() if streamed else replies.chat(usage=None))
        answer = service.oai.chat.completions.create(model="m", messages=ASKED, stream=streamed)
        if streamed:
            list(answer)
        row = service.row
        assert not [name for name in row["metrics"] if "tokens" in name]
        assert "estimated_cost" not in row["metrics"]

    @pytest.mark.parametrize("wrong", [None, "7", -1, True, math.inf, {"a": 1}, 7.5])
    def test_what_is_no_count_is_left_out(self, service: Service, wrong: object) -> None:
        service.provider.reply(replies.chat(usage={"prompt_tokens": 3, "completion_tokens": wrong}))
        service.oai.chat.completions.create(model="m", messages=ASKED)
        metrics = service.row["metrics"]
        assert metrics["prompt_tokens"] == 3
        assert "completion_tokens" not in metrics

    def test_counts_are_whole_numbers_and_parts_are_within_their_sums(self, service: Service) -> None:
        service.provider.route("/v1/chat/completions", replies.chat())
        service.provider.route("/v1/responses", replies.response())
        service.provider.route("/v1/messages", replies.message())
        service.oai.chat.completions.create(model="m", messages=ASKED)
        service.oai.responses.create(model="m", input=ASKED)
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED)
        for row in service.rows:
            metrics = row["metrics"]
            assert all(count(value) for name, value in metrics.items() if name.endswith("_tokens"))
            assert metrics["tokens"] == metrics["prompt_tokens"] + metrics["completion_tokens"]
            within = sum(
                metrics.get(f"prompt_{part}_tokens", 0)
                for part in ("cached", "cache_creation", "cache_creation_5m", "cache_creation_1h")
            )
            assert 0 < within <= metrics["prompt_tokens"]
            assert metrics.get("completion_reasoning_tokens", 0) <= metrics["completion_tokens"]
        assert len(service.rows) == 3

    def test_only_streams_have_a_time_to_the_first_token(self, service: Service) -> None:
        service.provider.reply(replies.response(), replies.response_stream())
        service.oai.responses.create(model="m", input=ASKED)
        list(service.oai.responses.create(model="m", input=ASKED, stream=True))
        whole, streamed = service.rows
        assert "time_to_first_token" not in whole["metrics"]
        elapsed = streamed["metrics"]["end"] - streamed["metrics"]["start"]
        assert 0 < streamed["metrics"]["time_to_first_token"] <= elapsed
