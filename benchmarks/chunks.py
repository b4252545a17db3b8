"""Ready-made chunks of streams: the SDKs' own objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from anthropic.types import RawContentBlockDeltaEvent, RawContentBlockStartEvent, RawMessageStartEvent
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseOutputItemAddedEvent, ResponseTextDeltaEvent

from .bodies import chat_deltas, piece


@lru_cache(maxsize=8)
def chat_chunks(count: int) -> tuple[ChatCompletionChunk, ...]:
    """Gives chunks of a chat completion."""
    return tuple(ChatCompletionChunk.model_validate(delta) for delta in chat_deltas(count))


def chat_texts(count: int) -> Iterator[ChatCompletionChunk]:
    """Yields chunks of a chat completion, each with text of its own."""
    return (ChatCompletionChunk.model_validate(delta) for delta in chat_deltas(count))


def response_events(count: int) -> Iterator[object]:
    """Yields events of a response: an item, then its text."""
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    added = {"type": "response.output_item.added", "output_index": 0, "sequence_number": 0, "item": message}
    yield ResponseOutputItemAddedEvent.model_validate(added)
    for index in range(1, count):
        yield ResponseTextDeltaEvent.model_validate(
            {
                "type": "response.output_text.delta",
                "item_id": "msg_1",
                "output_index": 0,
                "content_index": 0,
                "sequence_number": index,
                "delta": piece(index),
                "logprobs": [],
            }
        )


def message_events(count: int) -> Iterator[object]:
    """Yields events of a message: its start, its block's start, then the block's text."""
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 211, "output_tokens": 1},
    }
    yield RawMessageStartEvent.model_validate({"type": "message_start", "message": message})
    block = {"type": "text", "text": ""}
    yield RawContentBlockStartEvent.model_validate(
        {"type": "content_block_start", "index": 0, "content_block": block}
    )
    for index in range(2, count):
        delta = {"type": "text_delta", "text": piece(index)}
        yield RawContentBlockDeltaEvent.model_validate(
            {"type": "content_block_delta", "index": 0, "delta": delta}
        )
