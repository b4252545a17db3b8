"""The `perplexityai` SDK: OpenAI's chat and Responses, with what was searched and what it cost. PURE.

Source: perplexityai 0.46 (`types`, `generated/api.py`). What the answer cites stands beside
the choices, in a stream on any chunk; a cost is an object with its `total_cost`.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Json, Provider
from ..values import field, json_object, objects, plain, text
from .openai.chat import CHAT, ChatFold
from .openai.response_events import ResponseFold
from .openai.responses import RESPONSES

_CITED = ("citations", "search_results")


def cited_choices(response: Json) -> object:
    """Gives the choices, what was cited beside the message of the first."""
    cited = {name: response[name] for name in _CITED if response.get(name)}
    choices = list(objects(response.get("choices")))
    return [{**choice, **(cited if position == 0 else {})} for position, choice in enumerate(choices)]


class CitedFold:
    """Puts chunks together into a chat completion with the latest of what they cite."""

    def __init__(self) -> None:
        self._chat = ChatFold()
        self._cited: Json = {}

    def add(self, chunk: object) -> None:
        """Takes the next chunk."""
        self._chat.add(chunk)
        for name in _CITED:
            given = field(chunk, name)
            if given:
                self._cited[name] = plain(given)

    def response(self) -> Json:
        """Gives the chat completion so far; an empty object when no chunk came."""
        return {**self._chat.response(), **self._cited}


class AgentFold:
    """Puts events together into a response; the one that says it failed has no response in it."""

    def __init__(self) -> None:
        self._response = ResponseFold()
        self._failure: Json = {}

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        if text(field(chunk, "type")) == "response.failed" and field(chunk, "response") is None:
            self._failure = {"status": "failed", "error": json_object(plain(field(chunk, "error")))}
        else:
            self._response.add(chunk)

    def response(self) -> Json:
        """Gives the response so far; an empty object when no event came."""
        return {**self._response.response(), **self._failure}


PROVIDER = Provider(
    sdk="perplexity",
    name="perplexity",
    endpoints=(
        replace(
            CHAT,
            request_model="perplexity.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="perplexity.types.StreamChunk",
            chunk_model="perplexity.types.StreamChunk",
            output=cited_choices,
            usage={
                "prompt_tokens": ("usage.prompt_tokens",),
                "completion_tokens": ("usage.completion_tokens",),
                "tokens": ("usage.total_tokens",),
                "completion_reasoning_tokens": ("usage.reasoning_tokens",),
                "estimated_cost": ("usage.cost.total_cost",),
            },
            fold=CitedFold,
        ),
        replace(
            RESPONSES,
            path="/v1/responses",
            request_model="perplexity.types.response_create_params.ResponseCreateParamsBase",
            response_model="perplexity.types.ResponseCreateResponse",
            chunk_model="perplexity.types.ResponseStreamChunk",
            usage={
                "prompt_tokens": ("usage.input_tokens",),
                "completion_tokens": ("usage.output_tokens",),
                "tokens": ("usage.total_tokens",),
                "prompt_cached_tokens": ("usage.input_tokens_details.cache_read_input_tokens",),
                "prompt_cache_creation_tokens": ("usage.input_tokens_details.cache_creation_input_tokens",),
                "estimated_cost": ("usage.cost.total_cost",),
            },
            parameters={**RESPONSES.parameters, "response_format": ("response_format",)},
            fold=AgentFold,
        ),
    ),
)
