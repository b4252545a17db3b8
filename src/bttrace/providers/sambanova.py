"""The `sambanova` SDK: OpenAI's chat and Responses, and Anthropic's messages. PURE.

Source: sambanova 1.13 (`types`).
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Provider
from .anthropic.messages import MESSAGES
from .openai.chat import CHAT
from .openai.responses import RESPONSES

PROVIDER = Provider(
    sdk="sambanova",
    name="sambanova",
    endpoints=(
        replace(
            CHAT,
            request_model="sambanova.types.chat.completion_create_params.CompletionCreateParamsBase",
            response_model="sambanova.types.chat.ChatCompletionResponse",
            chunk_model="sambanova.types.chat.ChatCompletionStreamResponse",
        ),
        replace(
            RESPONSES,
            request_model="sambanova.types.response_create_params.ResponseCreateParamsBase",
            response_model="sambanova.types.ResponseResponse",
            chunk_model="sambanova.types.ResponseStreamEvent",
        ),
        replace(
            MESSAGES,
            path="/messages",
            request_model="sambanova.types.message_create_params.MessageCreateParamsBase",
            response_model="sambanova.types.Message",
            chunk_model="sambanova.types.MessageStreamEvent",
        ),
    ),
)
