"""The `groq` SDK: OpenAI's chat under a prefix of its own. PURE.

Source: groq 1.7 (`types/chat`). The last chunk has the usage under `x_groq` even when nobody
asked for it, and a failure in the middle of a stream comes as text there.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Json, Provider
from ..values import at, text
from .openai.chat import CHAT, ChatFold


class GroqFold:
    """Puts Groq's chunks together into a chat completion."""

    def __init__(self) -> None:
        self._chat = ChatFold()
        self._error: str | None = None

    def add(self, chunk: object) -> None:
        """Takes the next chunk."""
        self._chat.add(chunk)
        self._error = text(at(chunk, "x_groq.error")) or self._error

    def response(self) -> Json:
        """Gives the chat completion so far, with the error that ended it, if one did."""
        response = self._chat.response()
        return {**response, "error": {"message": self._error}} if self._error else response


PROVIDER = Provider(
    sdk="groq",
    name="groq",
    endpoints=(
        replace(
            CHAT,
            path="/openai/v1/chat/completions",
            request_model="groq.types.chat.completion_create_params.CompletionCreateParams",
            response_model="groq.types.chat.ChatCompletion",
            chunk_model="groq.types.chat.ChatCompletionChunk",
            fold=GroqFold,
        ),
    ),
)
