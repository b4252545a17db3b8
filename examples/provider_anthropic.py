"""Anthropic's wire protocol: POST /v1/messages, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator

from provider_model import Json, Transcript, next_reply
from provider_protocols import (
    Endpoint,
    Refusal,
    check_required,
    compact,
    elements,
    frame,
    fresh_id,
    members,
    prompt_tokens,
    reply_tokens,
    slices,
    text_of,
    words,
)

_UNCACHED_TAIL = 3
"""Tokens after the last cache breakpoint: with caching on, only a few are ever charged in full."""
_ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def _transcript(request: Json) -> Transcript:
    transcript = Transcript(frozenset(str(tool.get("name")) for tool in elements(request.get("tools"))))
    for message in elements(request.get("messages")):
        blocks = elements(message.get("content"))
        results = [block for block in blocks if block.get("type") == "tool_result"]
        for block in blocks:
            if block.get("type") == "tool_use":
                arguments = members(block.get("input"))
                transcript.requests(str(block.get("id")), str(block.get("name")), arguments)
        for block in results:
            transcript.returns(str(block.get("tool_use_id")), text_of(block.get("content")))
        if message.get("role") == "user" and not results:
            transcript.asks(text_of(message.get("content")))
    return transcript


def _input_usage(request: Json) -> Json:
    history = elements(request.get("messages"))
    tokens = prompt_tokens([request.get("tools"), request.get("system")], history)
    cached = '"cache_control":{' in compact(request)
    written = tokens.total - tokens.seen if cached else 0
    return {
        "input_tokens": _UNCACHED_TAIL if cached else tokens.total,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": tokens.seen if cached else 0,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def _whole(request: Json) -> Json:
    check_required(request, "model", "max_tokens", "messages")
    if not elements(request.get("messages")):
        raise Refusal(400, "messages: a list of messages is required")
    reply = next_reply(_transcript(request))
    content: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
    for asked in reply.requests:
        block: Json = {"type": "tool_use", "id": fresh_id("toolu_01", 22)}
        content.append({**block, "name": asked.name, "input": asked.arguments})
    return {
        "id": fresh_id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": "tool_use" if reply.requests else "end_turn",
        "stop_sequence": None,
        "usage": {**_input_usage(request), "output_tokens": reply_tokens(reply)},
    }


def _frames(whole: Json, request: Json) -> Iterator[str]:
    del request
    for event in _events(whole):
        yield frame(event, str(event["type"]))


def _events(whole: Json) -> Iterator[Json]:
    usage = members(whole["usage"])
    opening: Json = {"content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": {**whole, **opening}}
    for index, block in enumerate(elements(whole["content"])):
        text = str(block.get("text", ""))
        is_text = block["type"] == "text"
        yield {
            "type": "content_block_start",
            "index": index,
            "content_block": {**block, "text": ""} if is_text else {**block, "input": {}},
        }
        if index == 0:
            yield {"type": "ping"}
        # Anthropic opens the arguments of every tool with an empty delta.
        for piece in words(text) if is_text else ["", *slices(compact(block["input"]))]:
            delta = {"type": "text_delta", "text": piece} if is_text else _input_delta(piece)
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    totals = {name: count for name, count in usage.items() if name.endswith("_tokens")}
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    yield {"type": "message_delta", "delta": ending, "usage": totals}
    yield {"type": "message_stop"}


def _input_delta(piece: str) -> Json:
    return {"type": "input_json_delta", "partial_json": piece}


def _error(status: int, message: str, request_id: str) -> Json:
    error = {"type": _ERROR_TYPES.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": request_id}


MESSAGES = Endpoint(_whole, _frames, _error, "request-id")
