"""The rows of the other SDKs of the family against those SDKs' own models, so that drift fails here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest

from bttrace.model import Endpoint, Provider
from bttrace.providers import SDKS
from tests.kin import BY_PACKAGE
from tests.sdk_models import fields, model, resolves, shapes

_CHAT = {
    *("temperature", "top_p", "response_format", "tool_choice"),
    *("choices", "id", "usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens"),
}
_RESPONSES = {"id", "output", "usage.input_tokens", "usage.output_tokens", "usage.total_tokens"}
_MESSAGES = {
    "temperature",
    "top_p",
    "max_tokens",
    "stop_sequences",
    "tool_choice",
    "thinking",
    "id",
    "content",
}
_CACHED, _REASONED = (
    "usage.prompt_tokens_details.cached_tokens",
    "usage.completion_tokens_details.reasoning_tokens",
)
# What must be in the models of each SDK. OpenAI's and Anthropic's rows name more, which these SDKs' models lack, though
# the APIs may well take and send it: those paths may lead nowhere. What a row has of its own must always be there.
NEEDED: dict[tuple[str, str], set[str]] = {
    ("cerebras.cloud.sdk", "chat.completions"): {*_CHAT, "max_tokens", "stop", _CACHED, _REASONED},
    ("fireworks", "chat.completions"): {*_CHAT, "max_tokens", "stop", _CACHED, "reasoning_effort"},
    ("fireworks", "messages"): _MESSAGES,
    ("groq", "chat.completions"): {*_CHAT, "max_tokens", "stop", _CACHED, _REASONED, "service_tier"},
    ("llama_api_client", "chat.completions"): {*_CHAT, "max_completion_tokens"},
    ("perplexity", "chat.completions"): {*_CHAT, "max_tokens", "stop", "reasoning_effort"},
    ("perplexity", "responses"): {*_RESPONSES, "max_output_tokens", "reasoning"},
    ("sambanova", "chat.completions"): {*_CHAT, "max_tokens", "stop", _CACHED, _REASONED, "reasoning_effort"},
    ("sambanova", "responses"): {*_RESPONSES, "temperature", "max_output_tokens", "reasoning", "text.format"},
    ("sambanova", "messages"): {*_MESSAGES, "usage.input_tokens", "usage.output_tokens"},
    ("together", "chat.completions"): {*_CHAT, "max_tokens", "stop", "reasoning", "reasoning_effort"},
    ("writerai", "chat.completions"): {*_CHAT, "max_tokens", "stop", _REASONED},
    ("writerai", "completions"): {"temperature", "top_p", "max_tokens", "stop", "choices"},
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


def named(endpoint: Endpoint) -> set[str]:
    """Gives the paths that a row names."""
    paths = {path for paths in [*endpoint.parameters.values(), *endpoint.usage.values()] for path in paths}
    return paths | {*(() if callable(endpoint.output) else endpoint.output), *endpoint.details.values()}


_KNOWN = {
    path
    for package in ("openai", "anthropic")
    for endpoint in provider_of(package).endpoints
    for path in named(endpoint)
}
_BESIDE = {"stream"}  # in the models of the two kinds of call, not in what they share


@each_row
def test_what_a_row_needs_and_what_is_its_own_leads_to_fields(package: str, endpoint: Endpoint) -> None:
    assert BY_PACKAGE[package].sdk
    roots = [model(str(endpoint.request_model)), model(str(endpoint.response_model))]
    if endpoint.normal is not Endpoint.__dataclass_fields__["normal"].default:
        roots.append(model("openai.types.chat.ChatCompletion"))  # what it is converted to
    needed = NEEDED[package, endpoint.api]
    assert needed <= named(endpoint) | {"choices", "content", "output"}
    wanted = needed | (named(endpoint) - _KNOWN - _BESIDE)
    assert {path for path in wanted if not any(resolves(root, path) for root in roots)} == set()
    assert endpoint.chunk_model is None or model(endpoint.chunk_model)


def test_every_sdk_of_the_index_is_described_by_its_module_and_tested() -> None:
    assert {*BY_PACKAGE, "openai", "anthropic"} == set(SDKS)
    assert all(provider_of(package).sdk == package for package in SDKS)


def listed(holder: Any, name: str) -> Iterator[Any]:
    """Yields the classes that a field's list may hold."""
    for choice in [fields(holder)[name], *get_args(fields(holder)[name])]:
        if get_origin(choice) is list:
            (held,) = get_args(choice)
            # Python 3.10 leaves names within a plain `list[...]` as they are written.
            yield from shapes(
                getattr(sys.modules[holder.__module__], held) if isinstance(held, str) else held
            )


CHUNKS = {
    (package, endpoint.chunk_model)
    for package in BY_PACKAGE.keys() - {"llama_api_client"}
    for endpoint in provider_of(package).endpoints
    if endpoint.api == "chat.completions"
}


@pytest.mark.parametrize(("package", "chunk_model"), sorted(CHUNKS))
def test_a_chunk_of_chat_has_what_its_fold_reads(package: str, chunk_model: str) -> None:
    assert BY_PACKAGE[package].sdk
    chunk = model(chunk_model)
    assert fields(chunk).keys() >= {"id", "model", "choices", "usage"}
    (choice,) = listed(chunk, "choices")
    assert fields(choice).keys() >= {"index", "finish_reason", "delta"}
    (delta,) = (shape for shape in shapes(fields(choice)["delta"]) if fields(shape))
    assert fields(delta).keys() >= {"role", "content", "tool_calls"}
    (call,) = listed(delta, "tool_calls")
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
