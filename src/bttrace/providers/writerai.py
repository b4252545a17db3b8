"""The `writer-sdk`: OpenAI's chat at a path of its own, and text completions of its own. PURE.

Source: writer-sdk 3.0 (`types`). Cached tokens stand under `prompt_token_details`, and a
completion is streamed as bare pieces of text.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Endpoint, Json, Provider
from ..values import field
from .openai.chat import CHAT
from .text import Text


class CompletionFold:
    """Puts pieces of text together into a completion."""

    def __init__(self) -> None:
        self._text = Text()

    def add(self, chunk: object) -> None:
        """Takes the next piece."""
        piece = field(chunk, "value")
        if isinstance(piece, str):
            self._text.add(piece)

    def response(self) -> Json:
        """Gives the completion so far; an empty object when no piece came."""
        return {"choices": [{"text": str(self._text)}]} if self._text else {}


COMPLETIONS = Endpoint(
    path="/v1/completions",
    api="completions",
    braintrust_name="Completion",
    request_model="writerai.types.completion_create_params.CompletionCreateParamsBase",
    response_model="writerai.types.Completion",
    chunk_model="writerai.types.CompletionChunk",
    input=lambda request: request.get("prompt"),
    output=("choices",),
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_tokens",),
        "stop": ("stop",),
        "stream": ("stream",),
    },
    is_first_token=lambda chunk: bool(field(chunk, "value")),
    fold=CompletionFold,
)

PROVIDER = Provider(
    sdk="writerai",
    name="writer",
    endpoints=(
        replace(
            CHAT,
            path="/v1/chat",
            request_model="writerai.types.chat_chat_params.ChatChatParamsBase",
            response_model="writerai.types.ChatCompletion",
            chunk_model="writerai.types.ChatCompletionChunk",
            usage={**CHAT.usage, "prompt_cached_tokens": ("usage.prompt_token_details.cached_tokens",)},
        ),
        COMPLETIONS,
    ),
)
