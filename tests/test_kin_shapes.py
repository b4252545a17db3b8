"""Where the other SDKs of the family differ from OpenAI's: their own endpoints, fields and failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.apis import ASKED, BEGUN, only, traced
from tests.kin import BY_PACKAGE, COUNTS
from tests.loopback import kin as replies
from tests.loopback.openai_chat import chat_stream
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    MESSAGE_USAGE,
    Reply,
    message,
    message_stream,
    response,
    response_stream,
    sse,
)
from tests.loopback.reply import JSON, STREAM

SAID = "Hello from loopback."
SAMBANOVA, FIREWORKS, WRITER = (BY_PACKAGE[name] for name in ("sambanova", "fireworks", "writerai"))
PERPLEXITY, LLAMA, GROQ = (BY_PACKAGE[name] for name in ("perplexity", "llama_api_client", "groq"))


@pytest.fixture(name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as provider:
        yield provider


def counts(row: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row["metrics"].items() if "token" in name and "time" not in name}


class TestGroq:
    def test_a_failure_within_a_stream_is_the_spans_error(self, provider: ProviderServer) -> None:
        failed = replies.with_last(chat_stream(), {"x_groq": {"id": "req_1", "error": "over capacity"}})
        provider.route(GROQ.path, failed)
        with traced() as (captured, _), GROQ.client(provider) as client:
            assert len(list(GROQ.ask(client, stream=True))) == 5
            row = only(captured)
        assert row["error"] == "error: over capacity"
        assert row["output"][0]["message"]["content"] == SAID
        assert counts(row) == {}


class TestPerplexity:
    @pytest.mark.parametrize("stream", [False, True])
    def test_what_was_cited_stands_beside_the_message(self, provider: ProviderServer, stream: bool) -> None:
        provider.route(PERPLEXITY.path, PERPLEXITY.streamed(()) if stream else PERPLEXITY.whole(()))
        with traced() as (captured, _), PERPLEXITY.client(provider) as client:
            list(PERPLEXITY.ask(client, stream=stream))
            row = only(captured)
        (choice,) = row["output"]
        assert {name: choice[name] for name in replies.CITED} == replies.CITED
        assert row["metrics"]["estimated_cost"] == 0.008

    def test_a_response(self, provider: ProviderServer) -> None:
        usage = {
            "input_tokens": 11,
            "output_tokens": 7,
            "total_tokens": 18,
            "input_tokens_details": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 1},
            "cost": {"currency": "USD", "input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3},
        }
        provider.route("/v1/responses", response(usage=usage))
        with traced() as (captured, _), PERPLEXITY.client(provider) as client:
            client.responses.create(model="openai/gpt-5-mini", input="hi", instructions="Be brief.")
            row = only(captured)
        assert row["input"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ]
        assert row["output"][-1]["content"][0]["text"] == SAID
        assert row["metadata"]["provider"] == "perplexity"
        assert row["metrics"]["estimated_cost"] == 0.3
        cached = {"prompt_cached_tokens": 4, "cache_read_tokens": 4}
        created = {"prompt_cache_creation_tokens": 1, "cache_creation_tokens": 1}
        assert counts(row) == {**COUNTS, **cached, **created}

    def test_a_response_that_fails_within_its_stream(self, provider: ProviderServer) -> None:
        head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
        failed = {"type": "response.failed", "sequence_number": 1, "error": {"message": "no", "code": "busy"}}
        events = (
            {"type": "response.created", "sequence_number": 0, "response": {**head, "status": "in_progress"}},
            failed,
        )
        provider.route("/v1/responses", Reply(headers=STREAM, events=tuple(sse(event) for event in events)))
        with traced() as (captured, _), PERPLEXITY.client(provider) as client:
            assert len(list(client.responses.create(model="m", input="hi", stream=True))) == 2
            row = only(captured)
        assert (row["error"], row["metadata"]["finish_reason"]) == ("busy: no", "failed")
        assert row["metadata"]["response_id"] == "resp_1"


@pytest.mark.parametrize("stream", [False, True])
class TestOtherShapesOfSambanova:
    def test_messages(self, provider: ProviderServer, stream: bool) -> None:
        provider.route("/v1/messages", message_stream() if stream else message())
        with traced() as (captured, clock), SAMBANOVA.client(provider) as client:
            answer = client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=stream)
            for _ in answer if stream else ():
                clock.advance(0.25)
            row = only(captured)
        assert row["output"]["content"] == [{"type": "text", "text": SAID}]
        assert (row["metadata"]["provider"], row["metadata"]["api"]) == ("sambanova", "messages")
        assert row["metrics"]["completion_tokens"] == MESSAGE_USAGE["output_tokens"]
        assert ("time_to_first_token" in row["metrics"]) is stream

    def test_responses(self, provider: ProviderServer, stream: bool) -> None:
        provider.route("/v1/responses", response_stream() if stream else response())
        with traced() as (captured, clock), SAMBANOVA.client(provider) as client:
            answer = client.responses.create(model="m", input="hi", stream=stream)
            for _ in answer if stream else ():
                clock.advance(0.25)
            row = only(captured)
        assert row["output"][-1]["content"][0]["text"] == SAID
        assert (row["metadata"]["provider"], row["metadata"]["api"]) == ("sambanova", "responses")
        assert row["metrics"]["prompt_tokens"] > 0
        assert ("time_to_first_token" in row["metrics"]) is stream


def test_messages_of_fireworks(provider: ProviderServer) -> None:
    provider.route("/v1/messages", message())
    with traced() as (captured, _), FIREWORKS.client(provider) as client:
        client.messages.create(model="m", max_tokens=9, messages=ASKED)
        row = only(captured)
    assert row["output"]["content"][0]["text"] == SAID
    assert row["metadata"]["provider"] == "fireworks"
    assert row["metrics"]["completion_tokens"] == MESSAGE_USAGE["output_tokens"]


class TestCompletionsOfWriter:
    def test_whole(self, provider: ProviderServer) -> None:
        body = {"choices": [{"text": SAID, "log_probs": None}], "model": "palmyra-x5"}
        provider.route("/v1/completions", Reply(headers=JSON, body=json.dumps(body).encode()))
        with traced() as (captured, _), WRITER.client(provider) as client:
            client.completions.create(model="m", prompt="Once", max_tokens=9)
            row = only(captured)
        assert (row["input"], row["output"]) == ("Once", [{"text": SAID, "log_probs": None}])
        told = {"provider": "writer", "model": "palmyra-x5", "api": "completions", "max_tokens": 9}
        assert row["metadata"] == told
        assert row["metrics"] == {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}

    def test_streamed(self, provider: ProviderServer) -> None:
        events = tuple(sse({"value": piece}) for piece in ("", "Hello", " from", " loopback."))
        provider.route("/v1/completions", Reply(headers=STREAM, events=(*events, sse("[DONE]"))))
        with traced() as (captured, clock), WRITER.client(provider) as client:
            for _ in client.completions.create(model="m", prompt="Once", stream=True):
                clock.advance(0.25)
            row = only(captured)
        assert row["output"] == [{"text": SAID}]
        assert row["metrics"]["time_to_first_token"] == 0.25
        assert row["metadata"]["stream_end"] == "exhausted"


def test_a_conversation_with_llama_is_told_as_openai_has_it(provider: ProviderServer) -> None:
    provider.route(LLAMA.path, LLAMA.whole(()))
    call = {"id": "call_1", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Sun?"}]},
        {"role": "assistant", "content": "", "stop_reason": "tool_calls", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": {"type": "text", "text": "Yes."}, "stop_reason": "stop"},
    ]
    with traced() as (captured, _), LLAMA.client(provider) as client:
        client.chat.completions.create(model="m", messages=messages)
        row = only(captured)
    assert row["input"] == [
        messages[0],
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", **call}]},
        messages[2],
        {"role": "assistant", "content": "Yes."},
    ]
    assert provider.requests[0].json["messages"] == messages


def test_a_stream_of_llama_that_says_nothing_has_no_output(provider: ProviderServer) -> None:
    silent = replace(LLAMA.streamed(()), events=())
    provider.route(LLAMA.path, replace(silent, events=(b": nothing\n\n",)))
    with traced() as (captured, _), LLAMA.client(provider) as client:
        assert list(LLAMA.ask(client, stream=True)) == []
        row = only(captured)
    assert "output" not in row
    assert counts(row) == {}


def test_the_path_of_an_older_together(provider: ProviderServer) -> None:
    """Version 2.36 asks for a path below the version of the API, which its base URL has."""
    kin = BY_PACKAGE["together"]
    provider.route("/v1/chat/completions", kin.whole(()))
    with traced() as (captured, _), kin.client(provider) as client:
        older = client.with_options(base_url=f"{provider.url}/v1")
        older.post("/chat/completions", cast_to=object, body={"model": "m", "messages": ASKED})
        row = only(captured)
    assert row["output"][0]["message"]["content"] == SAID
    assert counts(row) == COUNTS
