"""OpenAI's wire protocol for POST /v1/chat/completions, whole and streamed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from provider_model import Json, Reply, Transcript, next_reply
from provider_protocols import (
    Endpoint,
    Refusal,
    check_required,
    compact,
    elements,
    frame,
    fresh_id,
    members,
    parsed_arguments,
    prompt_tokens,
    reply_tokens,
    slices,
    text_of,
    words,
)

CACHE_STEP = 128
"""OpenAI caches prompts in steps of so many tokens, from 1024 on: a floor that no example would reach."""


def _transcript(request: Json) -> Transcript:
    tools = elements(request.get("tools"))
    transcript = Transcript(frozenset(str(members(tool.get("function")).get("name")) for tool in tools))
    for message in elements(request.get("messages")):
        for call in elements(message.get("tool_calls")):
            function = members(call.get("function"))
            arguments = parsed_arguments(function.get("arguments"))
            transcript.requests(str(call.get("id")), str(function.get("name")), arguments)
        if message.get("role") == "tool":
            transcript.returns(str(message.get("tool_call_id")), text_of(message.get("content")))
        elif message.get("role") == "user":
            transcript.asks(text_of(message.get("content")))
    return transcript


def _usage(request: Json, reply: Reply) -> Json:
    prompt = prompt_tokens(request.get("tools"), elements(request.get("messages")))
    completion = reply_tokens(reply)
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": completion,
        "total_tokens": prompt.total + completion,
        "prompt_tokens_details": {"cached_tokens": prompt.seen // CACHE_STEP * CACHE_STEP, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _whole(request: Json) -> Json:
    check_required(request, "model", "messages")
    if not elements(request.get("messages")):
        raise Refusal(400, "messages: a list of messages is required")
    reply = next_reply(_transcript(request))
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None, "annotations": []}
    if reply.requests:
        message["tool_calls"] = [
            {
                "id": fresh_id("call_", 24),
                "type": "function",
                "function": {"name": asked.name, "arguments": compact(asked.arguments)},
            }
            for asked in reply.requests
        ]
    finish_reason = "tool_calls" if reply.requests else "stop"
    return {
        "id": fresh_id("chatcmpl-", 29),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": _usage(request, reply),
        "service_tier": "default",
        "system_fingerprint": "fp_4c1f0a27d9",
    }


def _frames(whole: Json, request: Json) -> Iterator[str]:
    (choice,) = elements(whole["choices"])
    chunk = {name: value for name, value in whole.items() if name not in ("choices", "usage")}
    chunk["object"] = "chat.completion.chunk"
    with_usage = members(request.get("stream_options")).get("include_usage") is True
    if with_usage:
        chunk["usage"] = None
    part: Json = {"index": 0, "logprobs": None, "finish_reason": None}
    for delta in _deltas(members(choice["message"])):
        yield frame({**chunk, "choices": [{**part, "delta": delta}]})
    ending = {**part, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield frame({**chunk, "choices": [ending]})
    if with_usage:
        yield frame({**chunk, "choices": [], "usage": whole["usage"]})
    yield frame("[DONE]")


def _deltas(message: Json) -> Iterator[Json]:
    """The role alone, the text by words, then for each tool call its name, and its arguments in pieces."""
    text = message["content"]
    calls = elements(message.get("tool_calls"))
    yield {"role": "assistant", "content": None if text is None else "", "refusal": None}
    for piece in words(str(text or "")):
        yield {"content": piece}
    for index, call in enumerate(calls):
        function = members(call["function"])
        opening = {"index": index, **call, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [opening]}
        for piece in slices(str(function["arguments"])):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def error(status: int, message: str, request_id: str) -> Json:
    del status, request_id
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


CHAT_COMPLETIONS = Endpoint(_whole, _frames, error, "x-request-id")
