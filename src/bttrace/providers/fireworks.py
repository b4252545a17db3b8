"""The `fireworks-ai` SDK, from version 1: OpenAI's chat and Anthropic's messages. PURE.

Source: fireworks-ai 1.2 (`types`). Its `messages` have no stream class: a streamed answer
is handed over as text.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Provider
from .anthropic.messages import MESSAGES
from .openai.chat import CHAT

PROVIDER = Provider(
    sdk="fireworks",
    name="fireworks",
    endpoints=(
        replace(
            CHAT,
            path="/v1/chat/completions",
            request_model="fireworks.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="fireworks.types.chat.CompletionCreateResponse",
            chunk_model="fireworks.types.chat.ChatCompletionChunk",
        ),
        replace(
            MESSAGES,
            request_model="fireworks.types.message_create_params.MessageCreateParams",
            response_model="fireworks.types.MessageCreateResponse",
            chunk_model=None,
        ),
    ),
)
