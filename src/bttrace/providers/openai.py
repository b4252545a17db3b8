"""The `openai` SDK. PURE."""

from __future__ import annotations

from ..model import Provider
from .openai_chat import CHAT
from .openai_responses import RESPONSES

PROVIDER = Provider(
    sdk="openai",
    name="openai",
    endpoints=(CHAT, RESPONSES),
    stream_helpers={
        "openai.lib.streaming.chat._completions": ("ChatCompletionStream", "AsyncChatCompletionStream"),
        "openai.lib.streaming.responses._responses": ("ResponseStream", "AsyncResponseStream"),
    },
)
