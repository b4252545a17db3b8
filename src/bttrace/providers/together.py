"""The `together` SDK, from version 2: OpenAI's chat. PURE.

Source: together 3.1 (`types/chat`).
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Provider
from .openai.chat import CHAT

PROVIDER = Provider(
    sdk="together",
    name="together",
    endpoints=(
        replace(
            CHAT,
            request_model="together.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="together.types.chat.ChatCompletion",
            chunk_model="together.types.chat.ChatCompletionChunk",
        ),
    ),
)
