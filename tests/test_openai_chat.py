"""What a span of an OpenAI chat completion says."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import bttrace
from bttrace.providers.hosts import provider_name
from tests import clients
from tests.apis import ASKED, BEGUN, CHAT, SAID, line_here, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat, chat_stream, openai_error, sse
from tests.loopback.reply import STREAM, whole

OSLO = ("call_1", "weather", '{"city": "Oslo", "days": 3}')
ROME = ("call_2", "weather", '{"city": "Rome"}')
TIMES = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[openai.OpenAI]:
    with CHAT.client(provider) as client:
        yield client


def asked(client: Any, reply: Reply, provider: ProviderServer, **given: Any) -> dict[str, Any]:
    """Gives the span of one call that is answered so; a stream is read to its end."""
    provider.route("/v1/chat/completions", reply)
    with traced() as (captured, _):
        answer = client.chat.completions.create(**{**CHAT.given, **given}, stream=bool(reply.events))
        if reply.events:
            list(answer)
        return only(captured)


def chunks(*deltas: dict[str, Any], **more: Any) -> Reply:
    """Gives a stream of these deltas of the first choice."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    events = [sse({**head, "choices": [choice]}) for choice in choices]
    return Reply(headers=STREAM, events=(*events, sse("[DONE]")))


class TestTheWholeSpan:
    def test_of_a_call(self, provider: ProviderServer, client: openai.OpenAI) -> None:
        with traced() as (captured, clock):

            def slow(_: object) -> Reply:
                clock.advance(1.5)
                return chat()

            provider.route("/v1/chat/completions", slow)
            line = line_here() + 1
            client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, temperature=0.5)
            row = only(captured)
        message: Any = {"role": "assistant", "content": SAID, "refusal": None, "annotations": []}
        assert row == {
            "id": "row-1",
            "span_id": "0000000000000001",
            "root_span_id": "00000000000000000000000000000001",
            "span_attributes": {"name": "llm.generation (gpt-4o-mini-2024-07-18)", "type": "llm"},
            "created": "2023-11-14T22:13:21+00:00",
            "input": [{"role": "user", "content": "hi"}],
            "output": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "metadata": {
                "provider": "openai",
                "model": "gpt-4o-mini-2024-07-18",
                "api": "chat.completions",
                "temperature": 0.5,
                "service_tier": "default",
                "response_id": "chatcmpl-loopback",
                "finish_reason": "stop",
                "request_id": "req_loopback_chat",
            },
            "metrics": {
                "start": BEGUN,
                "end": BEGUN + 1.5,
                "duration_ms": 1500.0,
                "prompt_tokens": 11,
                "completion_tokens": 7,
                "tokens": 18,
                "prompt_cached_tokens": 3,
                "cache_read_tokens": 3,
                "prompt_audio_tokens": 0,
                "completion_reasoning_tokens": 2,
                "completion_audio_tokens": 0,
            },
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

    def test_of_a_stream(self, provider: ProviderServer, client: openai.OpenAI) -> None:
        row = asked(client, chat_stream(usage=True), provider, stream_options={"include_usage": True})
        message = {"role": "assistant", "content": SAID, "refusal": None}
        assert row["output"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
        assert row["metadata"] == {
            "provider": "openai",
            "model": "gpt-4o-mini-2024-07-18",
            "api": "chat.completions",
            "service_tier": "default",
            "stream": True,
            "response_id": "chatcmpl-loopback",
            "finish_reason": "stop",
            "request_id": "req_loopback_chat",
            "stream_end": "exhausted",
        }
        assert row["metrics"] == {
            **TIMES,
            "time_to_first_token": 0.0,
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "tokens": 18,
            "prompt_cached_tokens": 3,
            "cache_read_tokens": 3,
            "prompt_audio_tokens": 0,
            "completion_reasoning_tokens": 2,
            "completion_audio_tokens": 0,
        }

    def test_the_client_of_the_module(
        self, provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider.route("/v1/chat/completions", chat(), chat_stream())
        module = clients.module_of_openai()
        monkeypatch.setattr(module, "api_key", "k")
        monkeypatch.setattr(module, "base_url", provider.openai_url + "/")
        with traced() as (captured, _):
            openai.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
            list(openai.chat.completions.create(model="gpt-4o-mini", messages=ASKED, stream=True))
            rows = captured.rows
        assert [CHAT.text(row["output"]) for row in rows] == [SAID, SAID]


class TestOutput:
    @pytest.mark.parametrize("builder", [chat, chat_stream])
    def test_parallel_tool_calls(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(tool_calls=[OSLO, ROME]), provider, tools=[TOOL])
        (choice,) = row["output"]
        assert choice["message"]["tool_calls"] == [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in (OSLO, ROME)
        ]
        assert row["metadata"]["finish_reason"] == "tool_calls"
        assert row["metadata"]["tools"] == [TOOL]

    def test_several_tool_calls_in_one_delta(self, provider: ProviderServer, client: Any) -> None:
        def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
            return {"index": index, **more, "function": {"arguments": arguments}}

        named = [
            {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": "f"}}
            for index in range(3)
        ]
        row = asked(
            client,
            chunks(
                {"role": "assistant", "tool_calls": named},
                {"tool_calls": [call(0, "[1"), call(2, "[3")]},
                {"tool_calls": [call(2, "]"), call(1, "[2]"), call(0, "]")]},
            ),
            provider,
        )
        assert row["output"][0]["message"]["tool_calls"] == [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": "f", "arguments": f"[{index + 1}]"},
            }
            for index in range(3)
        ]

    def test_a_name_that_is_repeated_empty_stays(self, provider: ProviderServer, client: Any) -> None:
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
        again = {"index": 0, "id": "", "type": "function", "function": {"name": "", "arguments": "{}"}}
        row = asked(client, chunks({"tool_calls": [first]}, {"tool_calls": [again]}), provider)
        assert row["output"][0]["message"]["tool_calls"] == [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]

    def test_whole_tool_calls_without_an_index_stay_apart(
        self, provider: ProviderServer, client: Any
    ) -> None:
        """Gemini's compatible host sends them so."""
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": f"[{n}]"}}
            for n in (1, 2)
        ]
        row = asked(client, chunks({"tool_calls": calls[:1]}, {"tool_calls": calls[1:]}), provider)
        assert row["output"][0]["message"]["tool_calls"] == calls

    @pytest.mark.parametrize("reply", [chat(refusal="I will not."), chat_stream(refusal=["I will", " not."])])
    def test_a_refusal(self, reply: Reply, provider: ProviderServer, client: Any) -> None:
        message = asked(client, reply, provider)["output"][0]["message"]
        assert message["refusal"] == "I will not."
        assert not message["content"]

    @pytest.mark.parametrize("builder", [chat, chat_stream])
    def test_several_choices(self, builder: Any, provider: ProviderServer, client: Any) -> None:
        row = asked(client, builder(n=12), provider, n=12)
        assert [choice["index"] for choice in row["output"]] == list(range(12))
        assert [choice["message"]["content"] for choice in row["output"]] == [SAID] * 12

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
    def test_reasoning_of_compatible_hosts(self, name: str, provider: ProviderServer, client: Any) -> None:
        row = asked(
            client, chat_stream(["4"], reasoning=["2 and 2", " is 4"], reasoning_field=name), provider
        )
        message = row["output"][0]["message"]
        assert (message[name], message["content"]) == ("2 and 2 is 4", "4")

    def test_reasoning_details(self, provider: ProviderServer, client: Any) -> None:
        def detail(**fields: Any) -> dict[str, Any]:
            entry = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", **fields}
            return {"reasoning_details": [entry]}

        row = asked(
            client,
            chunks(detail(text="2 and"), detail(text=" 2"), detail(signature="c2ln"), {"content": "4"}),
            provider,
        )
        expected = {"text": "2 and 2", "signature": "c2ln", "format": "anthropic-claude-v1"}
        assert row["output"][0]["message"]["reasoning_details"] == [
            {"type": "reasoning.text", "index": 0, **expected}
        ]
        assert row["metrics"]["time_to_first_token"] == 0.0

    def test_thinking_in_a_list_and_then_text(self, provider: ProviderServer, client: Any) -> None:
        """Mistral's compatible host sends both under one name."""
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        row = asked(client, chunks({"content": ""}, {"content": [thought]}, {"content": "4"}), provider)
        assert row["output"][0]["message"]["content"] == [thought, {"type": "text", "text": "4"}]

    def test_log_probabilities(self, provider: ProviderServer, client: Any) -> None:
        tokens: list[Any] = [
            {"token": word, "logprob": -0.5, "bytes": None, "top_logprobs": []} for word in "ab"
        ]
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [
            sse(
                {
                    **head,
                    "choices": [
                        {
                            "index": 0,
                            "delta": {"content": token["token"]},
                            "logprobs": {"content": [token], "refusal": None},
                            "finish_reason": None,
                        }
                    ],
                }
            )
            for token in tokens
        ]
        row = asked(client, Reply(headers=STREAM, events=tuple(events)), provider, logprobs=True)
        assert row["output"][0]["logprobs"] == {"content": tokens, "refusal": None}

    def test_audio(self, provider: ProviderServer, client: Any) -> None:
        row = asked(
            client,
            chunks(
                {"role": "assistant", "audio": {"id": "audio_1", "transcript": ""}},
                {"audio": {"id": "audio_1", "transcript": "hel"}},
                {"audio": {"transcript": "lo"}},
                {"audio": {"data": "AAAA"}},
                {"audio": {"expires_at": 99}},
            ),
            provider,
        )
        audio = {"id": "audio_1", "transcript": "hello", "data": "AAAA", "expires_at": 99}
        assert row["output"][0]["message"]["audio"] == audio

    def test_structured_output(self, provider: ProviderServer, client: openai.OpenAI) -> None:
        class City(BaseModel):
            name: str

        provider.route("/v1/chat/completions", chat('{"name": "Oslo"}'))
        with traced() as (captured, _):
            parsed = client.chat.completions.parse(model="m", messages=ASKED, response_format=City)
            row = only(captured)
        assert parsed.choices[0].message.parsed == City(name="Oslo")
        assert row["output"][0]["message"]["content"] == '{"name": "Oslo"}'
        assert "parsed" not in row["output"][0]["message"]
        assert row["metadata"]["response_format"]["json_schema"]["name"] == "City"


class TestInput:
    def test_the_system_prompt_stays_where_it_is(self, provider: ProviderServer, client: Any) -> None:
        conversation = [{"role": "system", "content": "Be brief."}, *ASKED]
        assert asked(client, chat(), provider, messages=conversation)["input"] == conversation


class TestMetrics:
    def test_every_detail(self, provider: ProviderServer, client: Any) -> None:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 5, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 7, "image_tokens": 3},
            "cost": 0.0125,
        }
        expected = {
            **TIMES,
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "tokens": 150,
            "prompt_cached_tokens": 40,
            "cache_read_tokens": 40,
            "prompt_cache_creation_tokens": 10,
            "cache_creation_tokens": 10,
            "prompt_audio_tokens": 5,
            "completion_image_tokens": 3,
            "completion_reasoning_tokens": 20,
            "completion_audio_tokens": 7,
            "estimated_cost": 0.0125,
        }
        assert asked(client, chat(usage=usage), provider)["metrics"] == expected

    def test_missing_is_not_zero(self, provider: ProviderServer, client: Any) -> None:
        usage = {
            "prompt_tokens": 1,
            "completion_tokens": None,
            "total_tokens": "3",
            "prompt_tokens_details": None,
        }
        assert asked(client, chat(usage=usage), provider)["metrics"] == {**TIMES, "prompt_tokens": 1}

    def test_no_usage(self, provider: ProviderServer, client: Any) -> None:
        assert asked(client, chat(usage=None), provider)["metrics"] == TIMES

    def test_a_stream_that_was_not_asked_for_usage(self, provider: ProviderServer, client: Any) -> None:
        row = asked(client, chat_stream(), provider)
        assert row["metrics"] == {**TIMES, "time_to_first_token": 0.0}
        assert provider.requests[0].json == {**CHAT.given, "stream": True}

    def test_usage_as_groq_streams_it(self, provider: ProviderServer, client: Any) -> None:
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        row = asked(client, chunks({"content": "a"}, x_groq={"id": "req", "usage": usage}), provider)
        assert row["metrics"] == {**TIMES, "time_to_first_token": 0.0, **tokens(1, 2, 3)}

    def test_usage_in_every_chunk_counts_once(self, provider: ProviderServer, client: Any) -> None:
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        row = asked(client, chunks({"content": "a"}, {"content": "b"}, usage=usage), provider)
        assert row["metrics"] == {**TIMES, "time_to_first_token": 0.0, **tokens(1, 2, 3)}


def tokens(prompt: int, completion: int, total: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "tokens": total}


class TestMetadata:
    def test_only_what_is_on_the_list(self, provider: ProviderServer, client: Any) -> None:
        listed = {
            "temperature": 0.0,
            "top_p": 0.9,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "stop": ["\n"],
            "response_format": {"type": "json_object"},
            "tools": [TOOL],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "service_tier": "flex",
        }
        unlisted = {
            "seed": 7,
            "logit_bias": {"50256": -100},
            "store": True,
            "n": 1,
            "extra_body": {"secret": "sk-body"},
            "extra_headers": {"x-secret": "sk-header"},
            "extra_query": {"secret": "sk-query"},
        }
        row = asked(
            client,
            chat(),
            provider,
            **listed,
            **unlisted,
            max_completion_tokens=9,
            reasoning_effort="low",
            user="u1",
        )
        assert row["metadata"] == {
            **listed,
            "provider": "openai",
            "model": "gpt-4o-mini-2024-07-18",
            "api": "chat.completions",
            "max_tokens": 9,
            "reasoning": "low",
            "user_id": "u1",
            "service_tier": "default",
            "stream": False,
            "response_id": "chatcmpl-loopback",
            "finish_reason": "stop",
            "request_id": "req_loopback_chat",
        }
        assert "sk-" not in repr(row)

    def test_the_model_that_was_asked_for_when_there_is_no_answer(
        self, provider: ProviderServer, client: Any
    ) -> None:
        provider.route("/v1/chat/completions", openai_error(400))
        with traced() as (captured, _):
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(**CHAT.given)
            row = only(captured)
        assert row["metadata"]["model"] == "gpt-4o-mini"
        assert row["span_attributes"]["name"] == "llm.generation (gpt-4o-mini)"

    def test_braintrusts_own_name(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/chat/completions", chat())
        with traced(span_names="braintrust") as (captured, _):
            client.chat.completions.create(**CHAT.given)
            assert only(captured)["span_attributes"]["name"] == "Chat Completion"

    def test_nothing_that_was_said(self, provider: ProviderServer, client: Any) -> None:
        provider.route("/v1/chat/completions", chat("a secret", [OSLO]))
        with traced(capture_content=False) as (captured, _):
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "a secret"}], tools=[TOOL]
            )
            row = only(captured)
        assert "secret" not in repr(row)
        assert "Oslo" not in repr(row)
        assert row["metadata"]["tools"] == ["weather"]
        assert row["metrics"]["tokens"] == 18


class TestAzure:
    def test_its_client_and_its_odd_first_chunk(self, provider: ProviderServer) -> None:
        filtered = {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "choices": [],
            "prompt_filter_results": [],
        }
        odd = {"index": 0, "delta": None, "finish_reason": None}
        rest = chat_stream()
        events = (sse(filtered), sse({**filtered, "choices": [odd]}), *rest.events)
        path = "/openai/deployments/gpt-4o-mini/chat/completions"
        provider.route(path, Reply(headers=rest.headers, events=events))
        client = openai.AzureOpenAI(
            azure_endpoint=provider.url, api_key="k", api_version="2024-10-21", max_retries=0
        )
        with client, traced() as (captured, _):
            list(client.chat.completions.create(**CHAT.given, stream=True))
            row = only(captured)
        assert provider.requests[0].route == path
        assert CHAT.text(row["output"]) == SAID
        told = {name: row["metadata"][name] for name in ("provider", "model", "api", "response_id")}
        assert told == {
            "provider": "azure",
            "model": "gpt-4o-mini-2024-07-18",
            "api": "chat.completions",
            "response_id": "chatcmpl-loopback",
        }

    def test_an_asynchronous_client_is_told_by_its_class(self) -> None:
        assert provider_name("AsyncAzureOpenAI", "127.0.0.1", "openai") == "azure"


class TestProviderName:
    @pytest.mark.parametrize(
        ("client", "host", "expected"),
        [
            ("OpenAI", "api.openai.com", "openai"),
            ("OpenAI", "eu.api.openai.com", "openai"),
            ("AsyncOpenAI", "openrouter.ai", "openrouter"),
            ("OpenAI", "OpenRouter.AI", "openrouter"),
            ("OpenAI", "api.groq.com", "groq"),
            ("OpenAI", "api.deepseek.com", "deepseek"),
            ("OpenAI", "myresource.openai.azure.com", "azure"),
            ("OpenAI", "myresource.services.ai.azure.com", "azure"),
            ("OpenAI", "generativelanguage.googleapis.com", "google"),
            ("AnthropicBedrock", "bedrock-runtime.us-east-1.amazonaws.com", "bedrock"),
            ("AsyncAnthropicVertex", "us-east5-aiplatform.googleapis.com", "vertex"),
            ("AnthropicFoundry", "r.services.ai.azure.com", "azure"),
            # None of these is the host that its end looks like.
            ("OpenAI", "notopenrouter.ai", "openai"),
            ("OpenAI", "openrouter.ai.example.com", "openai"),
            ("OpenAI", "openai.azure.com.example.com", "openai"),
            # A proxy or a local server counts as the SDK's own.
            ("OpenAI", "127.0.0.1", "openai"),
            ("OpenAI", "", "openai"),
        ],
    )
    def test_is_told_from_the_clients_class_or_the_host(self, client: str, host: str, expected: str) -> None:
        assert provider_name(client, host, "openai") == expected

    def test_falls_back_to_the_sdks_own(self) -> None:
        assert provider_name("Anthropic", "gateway.example.com", "anthropic") == "anthropic"


def test_an_error_that_comes_as_an_answer(provider: ProviderServer, client: openai.OpenAI) -> None:
    """OpenRouter answers so, with status 200, when the provider behind it fails."""
    row = asked(client, whole({"error": {"code": 502, "message": "Provider returned error"}}, {}), provider)
    assert row["error"] == "502: Provider returned error"


def test_a_body_with_another_shape_costs_only_what_it_lacks(
    provider: ProviderServer, client: openai.OpenAI
) -> None:
    odd = {"id": 7, "choices": "none", "usage": [1], "model": {"name": "m"}}
    row = asked(client, whole(odd, {}), provider)
    assert row["output"] == "none"
    assert row["metrics"] == TIMES
    assert row["metadata"]["model"] == "gpt-4o-mini"
