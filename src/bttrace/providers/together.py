"""The `together` SDK, from version 2: OpenAI's chat. PURE.

Source: together 3.1 (`types/chat`; `resources/chat/completions.py` for the path, which is
a whole address unless the client was given another base, and was shorter in version 2).
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Provider
from .openai.chat import CHAT

PROVIDER = Provider(
    sdk="together",
    name="together",
    endpoints=tuple(
        replace(
            CHAT,
            path=path,
            request_model="together.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="together.types.chat.ChatCompletion",
            chunk_model="together.types.chat.ChatCompletionChunk",
        )
        for path in ("/v1/chat/completions", "/chat/completions")
    ),
)
