"""The rows of the other SDKs of the family against those SDKs' own models, so that drift fails here."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import pytest

from bttrace.model import Endpoint, Provider
from bttrace.providers import SDKS
from tests.kin import BY_PACKAGE
from tests.test_rows_resolve import fields, model, resolves, shapes

_OPENAI_REQUEST = {"safety_identifier", "stream"}
_OPENAI_RESPONSE = {
    "usage.completion_tokens_details.audio_tokens",
    "usage.cost",
    "usage.prompt_tokens_details.audio_tokens",
    "usage.prompt_tokens_details.cache_write_tokens",
}
_CACHE = {f"usage.cache_creation.ephemeral_{age}_input_tokens" for age in ("5m", "1h")}
_THINKING = {"usage.output_tokens_details.thinking_tokens"}
# What OpenAI's and Anthropic's rows name that these SDKs' models lack; all else in a row must be there. The models are
# narrower than what the APIs take and send, so the paths stay. (`stream` stands beside the models of each kind of call.)
LACKED: dict[tuple[str, str], set[str]] = {
    ("cerebras.cloud.sdk", "chat.completions"): {
        "reasoning",
        "safety_identifier",
        *_OPENAI_RESPONSE,
    },
    ("fireworks", "chat.completions"): {
        *_OPENAI_REQUEST,
        *_OPENAI_RESPONSE,
        "reasoning",
        "service_tier (answered)",
        "usage.completion_tokens_details.reasoning_tokens",
    },
    ("fireworks", "messages"): {
        *_CACHE,
        *_THINKING,
        "service_tier",
        "usage.service_tier",
        *(f"usage.{name}_tokens" for name in ("input", "output", "cache_creation_input", "cache_read_input")),
    },
    ("groq", "chat.completions"): {"reasoning", "safety_identifier", *_OPENAI_RESPONSE},
    ("llama_api_client", "chat.completions"): {
        *_OPENAI_REQUEST,
        "frequency_penalty",
        "max_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "service_tier",
        "stop",
    },
    ("perplexity", "chat.completions"): {
        *_OPENAI_REQUEST,
        "max_completion_tokens",
        "reasoning",
        "service_tier",
        "service_tier (answered)",
        "user",
    },
    ("perplexity", "responses"): {
        *_OPENAI_REQUEST,
        "parallel_tool_calls",
        "service_tier",
        "temperature",
        "tool_choice",
        "top_p",
        "user",
    },
    ("sambanova", "chat.completions"): {
        *_OPENAI_REQUEST,
        *_OPENAI_RESPONSE,
        "reasoning",
        "service_tier",
        "service_tier (answered)",
        "user",
    },
    ("sambanova", "responses"): {
        *_OPENAI_REQUEST,
        "usage.cost",
        "usage.input_tokens_details.cache_write_tokens",
    },
    ("sambanova", "messages"): {*_CACHE, *_THINKING, "output_config.format", "stream"},
    ("together", "chat.completions"): {
        *_OPENAI_REQUEST,
        *_OPENAI_RESPONSE,
        "max_completion_tokens",
        "parallel_tool_calls",
        "service_tier",
        "service_tier (answered)",
        "usage.completion_tokens_details.reasoning_tokens",
        "usage.prompt_tokens_details.cached_tokens",
        "user",
    },
    ("writerai", "chat.completions"): {
        *_OPENAI_REQUEST,
        *_OPENAI_RESPONSE,
        "frequency_penalty",
        "max_completion_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "service_tier",
        "user",
    },
    ("writerai", "completions"): {"stream"},
}


def provider_of(package: str) -> Provider:
    found: Provider = importlib.import_module(SDKS[package]).PROVIDER
    return found


ROWS = [
    pytest.param(package, endpoint, id=f"{package}-{endpoint.path}")
    for package in BY_PACKAGE
    for endpoint in provider_of(package).endpoints
]
each_row = pytest.mark.parametrize(("package", "endpoint"), ROWS)


def lacked(endpoint: Endpoint) -> Iterator[str]:
    """Yields the paths of a row that lead nowhere in the SDK's models."""
    request, response = model(str(endpoint.request_model)), model(str(endpoint.response_model))
    own = endpoint.normal is Endpoint.__dataclass_fields__["normal"].default
    if not own:  # the paths lead into what it is converted to
        response = model("openai.types.chat.ChatCompletion")
    for paths in endpoint.parameters.values():
        yield from (path for path in paths if not resolves(request, path))
    answered = [*(() if callable(endpoint.output) else endpoint.output)]
    answered += [path for paths in endpoint.usage.values() for path in paths]
    yield from (path for path in answered if not resolves(response, path))
    for path in endpoint.details.values():
        if not resolves(response, path):
            yield f"{path} (answered)" if path in endpoint.parameters else path


@each_row
def test_a_row_leads_to_fields_but_for_what_its_sdk_lacks(package: str, endpoint: Endpoint) -> None:
    assert BY_PACKAGE[package].sdk
    assert set(lacked(endpoint)) == LACKED[package, endpoint.api]
    assert endpoint.chunk_model is None or model(endpoint.chunk_model)


def test_every_sdk_of_the_index_is_described_by_its_module_and_tested() -> None:
    assert {*BY_PACKAGE, "openai", "anthropic"} == set(SDKS)
    assert all(provider_of(package).sdk == package for package in SDKS)


def listed(annotation: Any) -> Iterator[Any]:
    """Yields the classes that a list of this kind may hold."""
    if get_origin(annotation) in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from listed(choice)
    elif get_origin(annotation) is list:
        yield from shapes(get_args(annotation)[0])


CHUNKS = {
    (package, endpoint.chunk_model)
    for package in BY_PACKAGE.keys() - {"llama_api_client"}
    for endpoint in provider_of(package).endpoints
    if endpoint.api == "chat.completions"
}


@pytest.mark.parametrize(("package", "chunk_model"), sorted(CHUNKS))
def test_a_chunk_of_chat_has_what_its_fold_reads(package: str, chunk_model: str) -> None:
    assert BY_PACKAGE[package].sdk
    chunk = fields(model(chunk_model))
    assert chunk.keys() >= {"id", "model", "choices", "usage"}
    (choice,) = listed(chunk["choices"])
    assert fields(choice).keys() >= {"index", "finish_reason", "delta"}
    (delta,) = (shape for shape in shapes(fields(choice)["delta"]) if fields(shape))
    assert fields(delta).keys() >= {"role", "content", "tool_calls"}
    (call,) = listed(fields(delta)["tool_calls"])
    assert resolves(call, "function.arguments")
    assert resolves(call, "function.name")
    assert resolves(call, "id")


READ = [
    ("groq", "types.chat.ChatCompletionChunk", "x_groq.usage.prompt_tokens"),
    ("groq", "types.chat.ChatCompletionChunk", "x_groq.error"),
    ("perplexity", "types.StreamChunk", "citations"),
    ("perplexity", "types.StreamChunk", "search_results"),
    ("perplexity", "types.response_stream_chunk.ResponseFailedEvent", "error"),
    ("writerai", "types.CompletionChunk", "value"),
    ("llama_api_client", "types.CreateChatCompletionResponse", "completion_message.stop_reason"),
    ("llama_api_client", "types.CreateChatCompletionResponse", "completion_message.tool_calls"),
    ("llama_api_client", "types.CreateChatCompletionResponse", "completion_message.content.text"),
    ("llama_api_client", "types.CreateChatCompletionResponse", "metrics"),
    ("llama_api_client", "types.create_chat_completion_response.Metric", "metric"),
    ("llama_api_client", "types.create_chat_completion_response.Metric", "value"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "id"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.stop_reason"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.metrics"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.delta.text"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.delta.id"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.delta.function.name"),
    ("llama_api_client", "types.CreateChatCompletionResponseStreamChunk", "event.delta.function.arguments"),
]


@pytest.mark.parametrize(("package", "root", "path"), READ)
def test_a_name_in_the_code_is_a_field(package: str, root: str, path: str) -> None:
    assert BY_PACKAGE[package].sdk
    assert resolves(model(f"{package}.{root}"), path)
