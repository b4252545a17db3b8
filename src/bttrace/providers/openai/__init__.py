"""The `openai` SDK. PURE."""

from __future__ import annotations

from ...model import Provider
from .chat import CHAT
from .realtime import CONNECTIONS
from .responses import RESPONSES

PROVIDER = Provider(
    sdk="openai",
    name="openai",
    endpoints=(CHAT, RESPONSES),
    connections=CONNECTIONS,
    stream_helpers={
        "openai.lib.streaming.chat._completions": ("ChatCompletionStream", "AsyncChatCompletionStream"),
        "openai.lib.streaming.responses._responses": ("ResponseStream", "AsyncResponseStream"),
    },
)
