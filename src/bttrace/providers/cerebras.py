"""The `cerebras-cloud-sdk`: OpenAI's chat. PURE.

Source: cerebras-cloud-sdk 1.91 (`types/chat`). The last chunk has usage and times, and
may have no choices at all.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Provider
from .openai.chat import CHAT

PROVIDER = Provider(
    sdk="cerebras.cloud.sdk",
    name="cerebras",
    endpoints=(
        replace(
            CHAT,
            path="/v1/chat/completions",
            request_model="cerebras.cloud.sdk.types.chat.completion_create_params.CompletionCreateParams",
            response_model="cerebras.cloud.sdk.types.chat.chat_completion.ChatCompletionResponse",
            chunk_model="cerebras.cloud.sdk.types.chat.chat_completion.ChatChunkResponse",
        ),
    ),
)
