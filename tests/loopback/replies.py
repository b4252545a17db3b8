"""Every builder of provider replies under one name; tests import from here."""

from tests.loopback.anthropic_batches import batch, batch_results, token_count
from tests.loopback.anthropic_blocks import content, content_stream
from tests.loopback.anthropic_completions import completion, completion_stream
from tests.loopback.anthropic_messages import (
    MESSAGE_USAGE,
    anthropic_error,
    anthropic_error_event,
    message,
    message_stream,
)
from tests.loopback.openai_chat import USAGE, chat, chat_stream, openai_error
from tests.loopback.openai_embeddings import embeddings
from tests.loopback.openai_responses import RESPONSE_USAGE, response, response_stream
from tests.loopback.reply import Reply, html, sse

__all__ = [
    "MESSAGE_USAGE",
    "RESPONSE_USAGE",
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
    "embeddings",
    "html",
    "message",
    "message_stream",
    "openai_error",
    "response",
    "response_stream",
    "sse",
    "token_count",
]
