"""Every path of every row of knowledge leads somewhere in the SDK's own models, so that drift fails here."""

import importlib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

import bttrace.providers.anthropic
import bttrace.providers.openai
from bttrace.model import Endpoint, Metric

ENDPOINTS = [
    *bttrace.providers.openai.PROVIDER.endpoints,
    *bttrace.providers.anthropic.PROVIDER.endpoints,
]

# What no model of the SDK has, and why a row names it all the same.
EXTENSIONS = {
    ("chat.completions", "usage.cost"): "OpenRouter gives what a call cost",
    ("responses", "usage.cost"): "OpenRouter gives what a call cost",
    ("chat.completions", "reasoning"): "OpenRouter takes Responses' object here too",
    ("messages", "temperature"): "anthropic 2 dropped the argument; the API and anthropic 0.20 to 1 have it",
    ("messages", "top_p"): "anthropic 2 dropped the argument; the API and anthropic 0.20 to 1 have it",
    ("chat.completions", "stream"): "in the models of the two kinds of call, not in what they share",
    ("responses", "stream"): "in the models of the two kinds of call, not in what they share",
    ("messages", "stream"): "in the models of the two kinds of call, not in what they share",
}

# Rows of which the newest SDK has no models.
GONE = {
    "complete": "anthropic 2 dropped the method; 0.20 to 1 have it, and a client's `post` still leads there"
}


def model(dotted: str) -> Any:
    """Gives what a dotted name leads to."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def shapes(annotation: Any) -> Iterator[Any]:
    """Yields the classes that a value may have, inside whatever wraps them."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from shapes(choice)
    elif origin is Annotated or getattr(origin, "__name__", "") in ("Required", "NotRequired", "ReadOnly"):
        yield from shapes(get_args(annotation)[0])
    elif getattr(annotation, "__value__", None) is not None:
        yield from shapes(annotation.__value__)
    elif origin is not Literal:
        yield origin or annotation


def fields(shape: Any) -> dict[str, Any]:
    """Gives the annotated fields of a model or a TypedDict by name; a free-form mapping has none."""
    if not isinstance(shape, type) or shape.__module__ == "builtins":
        return {}
    if issubclass(shape, BaseModel):
        return {name: field.annotation for name, field in shape.model_fields.items()}
    return get_type_hints(shape, include_extras=True)


def resolves(root: Any, path: str) -> bool:
    """Tells whether a path leads to a field."""
    places = list(shapes(root))
    for name in path.split("."):
        places = [
            shape
            for place in places
            if name in fields(place)
            for shape in [*shapes(fields(place)[name]), None]
        ]
        if not places:
            return False
    return True


def cases() -> Iterator[Any]:
    for endpoint in ENDPOINTS:
        if endpoint.api in GONE:
            continue
        for paths in endpoint.parameters.values():
            for path in paths:
                yield pytest.param(
                    endpoint, endpoint.request_model, path, id=f"{endpoint.api}-request-{path}"
                )
        answered = {
            *(() if callable(endpoint.output) else endpoint.output),
            *endpoint.details.values(),
            *(path for paths in endpoint.usage.values() for path in paths),
        }
        for path in sorted(answered):
            yield pytest.param(endpoint, endpoint.response_model, path, id=f"{endpoint.api}-response-{path}")


@pytest.mark.parametrize(("endpoint", "root", "path"), list(cases()))
def test_a_path_leads_to_a_field(endpoint: Endpoint, root: str, path: str) -> None:
    known_as_extension = (endpoint.api, path) in EXTENSIONS
    assert resolves(model(root), path) is not known_as_extension


# What the code of the rows reads by name: the folds, the first-token rules, the inputs and the reasons of the end.
READ = [
    ("openai.types.chat.ChatCompletionChunk", "choices"),
    ("openai.types.chat.ChatCompletionChunk", "usage"),
    ("openai.types.chat.ChatCompletionChunk", "id"),
    ("openai.types.chat.ChatCompletionChunk", "model"),
    ("openai.types.chat.chat_completion_chunk.Choice", "index"),
    ("openai.types.chat.chat_completion_chunk.Choice", "finish_reason"),
    ("openai.types.chat.chat_completion_chunk.Choice", "logprobs.content"),
    ("openai.types.chat.chat_completion_chunk.Choice", "logprobs.refusal"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.content"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.refusal"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.function_call.arguments"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.tool_calls"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.audio.data"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.audio.transcript"),
    ("openai.types.chat.chat_completion_chunk.ChoiceDeltaToolCall", "index"),
    ("openai.types.chat.chat_completion_chunk.ChoiceDeltaToolCall", "function.arguments"),
    ("openai.types.chat.completion_create_params.CompletionCreateParamsBase", "messages"),
    ("openai.types.chat.completion_create_params.CompletionCreateParamsBase", "tools"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "input"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "instructions"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "tools"),
    ("openai.types.responses.Response", "incomplete_details.reason"),
    ("openai.types.responses.Response", "status"),
    ("openai.types.responses.Response", "error.code"),
    ("openai.types.responses.Response", "error.message"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "messages"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "system"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "tools"),
    ("anthropic.types.ToolParam", "input_schema"),
    ("anthropic.types.ToolParam", "description"),
    ("anthropic.types.ToolParam", "name"),
    ("anthropic.types.RawMessageStartEvent", "message.usage.input_tokens"),
    ("anthropic.types.RawContentBlockStartEvent", "content_block"),
    ("anthropic.types.RawContentBlockStartEvent", "index"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.text"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.partial_json"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.thinking"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.signature"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.citation"),
    ("anthropic.types.beta.BetaRawContentBlockDeltaEvent", "delta.content"),
    ("anthropic.types.beta.BetaRawContentBlockDeltaEvent", "delta.encrypted_content"),
    ("anthropic.types.beta.BetaFallbackBlock", "to.model"),
    ("anthropic.types.RawMessageDeltaEvent", "delta.stop_reason"),
    ("anthropic.types.RawMessageDeltaEvent", "usage.output_tokens"),
]


@pytest.mark.parametrize(("root", "path"), READ)
def test_a_name_in_the_code_is_a_field(root: str, path: str) -> None:
    assert resolves(model(root), path)


# The event types of the Responses API that its fold knows, with the fields that it reads of each.
def responses_events() -> Iterator[tuple[str, tuple[str, ...]]]:
    from bttrace.providers.openai import responses as known

    for kind in known._WHOLE | known._HEADS:
        yield kind, ("response",)
    for kind, (_, index, _) in known._PART_DELTAS.items():
        yield kind, ("output_index", index, "delta")
    for kind in known._ITEM_DELTAS:
        yield kind, ("output_index", "delta")
    for kind, (_, index) in known._PARTS_ADDED.items():
        yield kind, ("output_index", index, "part")
    for kind in ("response.output_item.added", "response.output_item.done"):
        yield kind, ("output_index", "item")
    yield "error", ("code", "message", "param")


@pytest.mark.parametrize(("kind", "names"), sorted(responses_events()))
def test_an_event_of_responses_has_the_fields_that_are_read(kind: str, names: tuple[str, ...]) -> None:
    def is_of_this_kind(shape: Any) -> bool:
        return kind in get_args(fields(shape).get("type"))

    (event,) = filter(is_of_this_kind, shapes(model("openai.types.responses.ResponseStreamEvent")))
    assert fields(event).keys() >= set(names)


def anthropic_deltas() -> Iterator[tuple[str, tuple[str, ...]]]:
    from bttrace.providers.anthropic import messages as known

    for kind, (source, _) in known._PIECES.items():
        yield kind, (source,)
    yield from known._WHOLE.items()
    yield "citations_delta", ("citation",)


@pytest.mark.parametrize(("kind", "names"), sorted(anthropic_deltas()))
def test_a_delta_of_messages_has_the_fields_that_are_read(kind: str, names: tuple[str, ...]) -> None:
    deltas = fields(model("anthropic.types.beta.BetaRawContentBlockDeltaEvent"))["delta"]
    (delta,) = (shape for shape in shapes(deltas) if kind in get_args(fields(shape)["type"]))
    assert fields(delta).keys() >= set(names)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: str(endpoint.api))
def test_a_row_names_models_that_exist_and_metrics_that_have_a_name(endpoint: Endpoint) -> None:
    assert endpoint.chunk_model is None or model(endpoint.chunk_model) is not None
    assert set(endpoint.usage) <= set(get_args(Metric))
    assert all(paths for paths in endpoint.usage.values())


def test_each_extension_is_still_in_a_row() -> None:
    named = {
        (endpoint.api, path)
        for endpoint in ENDPOINTS
        for paths in [*endpoint.parameters.values(), *endpoint.usage.values()]
        for path in paths
    }
    assert EXTENSIONS.keys() <= named


class TestTheWalk:
    """That a path which leads nowhere is found."""

    @pytest.mark.parametrize(
        ("root", "path", "expected"),
        [
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens_details.cached_tokens", True),
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens_details.cached_tokenz", False),
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens.more", False),
            ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "text.format", True),
            ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "text.formats", False),
        ],
    )
    def test_finds_what_is_there_and_nothing_else(self, root: str, path: str, expected: bool) -> None:
        assert resolves(model(root), path) is expected
