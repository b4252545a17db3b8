"""The `openai` SDK. PURE."""

from __future__ import annotations

from ...model import Provider
from . import assistants, audio, batches, completions, embeddings, images, moderations, responses, videos
from .chat import CHAT
from .realtime import CONNECTIONS

PROVIDER = Provider(
    sdk="openai",
    name="openai",
    endpoints=(
        CHAT,
        *responses.ROWS,
        *completions.ROWS,
        *embeddings.ROWS,
        *moderations.ROWS,
        *images.ROWS,
        *audio.ROWS,
        *batches.ROWS,
        *videos.ROWS,
        *assistants.ROWS,
    ),
    connections=CONNECTIONS,
    stream_helpers={
        "openai.lib.streaming.chat._completions": ("ChatCompletionStream", "AsyncChatCompletionStream"),
        "openai.lib.streaming.responses._responses": ("ResponseStream", "AsyncResponseStream"),
    },
)
