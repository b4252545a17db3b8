"""Every builder of provider replies under one name; tests import from here."""

from tests.loopback.anthropic_batches import batch, batch_results, token_count
from tests.loopback.anthropic_blocks import content, content_stream
from tests.loopback.anthropic_completions import text_completion, text_completion_stream
from tests.loopback.anthropic_messages import (
    MESSAGE_USAGE,
    anthropic_error,
    anthropic_error_event,
    message,
    message_stream,
)
from tests.loopback.openai_assistants import RUN_USAGE, run, run_stream
from tests.loopback.openai_audio import (
    AUDIO,
    SPEECH_USAGE,
    TRANSCRIPT_USAGE,
    speech,
    speech_events,
    transcript,
    transcript_stream,
    transcript_text,
)
from tests.loopback.openai_chat import USAGE, chat, chat_stream, openai_error
from tests.loopback.openai_completions import COMPLETION_USAGE, completion, completion_stream
from tests.loopback.openai_embeddings import embeddings
from tests.loopback.openai_images import IMAGE_USAGE, images, images_stream
from tests.loopback.openai_jobs import openai_batch, video
from tests.loopback.openai_judgements import decision, moderation
from tests.loopback.openai_responses import RESPONSE_USAGE, response, response_stream
from tests.loopback.reply import Reply, html, sse

__all__ = [
    "AUDIO",
    "COMPLETION_USAGE",
    "IMAGE_USAGE",
    "MESSAGE_USAGE",
    "RESPONSE_USAGE",
    "RUN_USAGE",
    "SPEECH_USAGE",
    "TRANSCRIPT_USAGE",
    "USAGE",
    "Reply",
    "anthropic_error",
    "anthropic_error_event",
    "batch",
    "batch_results",
    "chat",
    "chat_stream",
    "completion",
    "completion_stream",
    "content",
    "content_stream",
    "decision",
    "embeddings",
    "html",
    "images",
    "images_stream",
    "message",
    "message_stream",
    "moderation",
    "openai_batch",
    "openai_error",
    "response",
    "response_stream",
    "run",
    "run_stream",
    "speech",
    "speech_events",
    "sse",
    "text_completion",
    "text_completion_stream",
    "token_count",
    "transcript",
    "transcript_stream",
    "transcript_text",
    "video",
]
