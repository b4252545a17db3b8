"""OpenAI's wire protocol for POST /v1/responses, whole and streamed.

The only protocol with a memory: a request may name the response that it continues, instead of repeating the
conversation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from provider_model import Json, Reply, Transcript, next_reply
from provider_openai import CACHE_STEP, error
from provider_protocols import (
    Endpoint,
    Refusal,
    check_required,
    compact,
    elements,
    frame,
    fresh_id,
    parsed_arguments,
    prompt_tokens,
    reply_tokens,
    slices,
    text_of,
    words,
)

_REMEMBERED = 1000
"""Responses kept for `previous_response_id`; the oldest is forgotten first."""
_conversations: dict[str, list[Json]] = {}


def _history(request: Json) -> list[Json]:
    """The conversation so far, with what an earlier response stands for written out."""
    given = request.get("input")
    items: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else elements(given)
    previous = request.get("previous_response_id")
    if previous is None:
        return items
    earlier = _conversations.get(str(previous))
    if earlier is None:
        raise Refusal(400, f"Previous response with id '{previous}' not found.")
    return earlier + items


def _transcript(request: Json, history: list[Json]) -> Transcript:
    transcript = Transcript(frozenset(str(tool.get("name")) for tool in elements(request.get("tools"))))
    for item in history:
        call_id = str(item.get("call_id"))
        if item.get("type") == "function_call":
            transcript.requests(call_id, str(item.get("name")), parsed_arguments(item.get("arguments")))
        elif item.get("type") == "function_call_output":
            transcript.returns(call_id, text_of(item.get("output")))
        elif item.get("role") == "user":
            transcript.asks(text_of(item.get("content")))
    return transcript


def _usage(request: Json, history: list[Json], reply: Reply) -> Json:
    prompt = prompt_tokens([request.get("tools"), request.get("instructions")], history)
    completion = reply_tokens(reply)
    cached = prompt.seen // CACHE_STEP * CACHE_STEP
    return {
        "input_tokens": prompt.total,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt.total + completion,
    }


def _output(reply: Reply) -> list[Json]:
    output: list[Json] = []
    if reply.text:
        part: Json = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        message: Json = {"id": fresh_id("msg_", 48), "type": "message", "role": "assistant"}
        output.append({**message, "status": "completed", "content": [part]})
    for asked in reply.requests:
        output.append(
            {
                "id": fresh_id("fc_", 48),
                "type": "function_call",
                "status": "completed",
                "call_id": fresh_id("call_", 24),
                "name": asked.name,
                "arguments": compact(asked.arguments),
            }
        )
    return output


def _whole(request: Json) -> Json:
    check_required(request, "model", "input")
    history = _history(request)
    reply = next_reply(_transcript(request, history))
    output = _output(reply)
    response_id = fresh_id("resp_", 48)
    if request.get("store") is not False:
        _conversations[response_id] = history + output
        while len(_conversations) > _REMEMBERED:
            _conversations.pop(next(iter(_conversations)), None)
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "metadata": {},
        "model": request["model"],
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": request.get("previous_response_id"),
        "service_tier": "default",
        "store": request.get("store") is not False,
        "temperature": 1.0,
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools", []),
        "top_p": 1.0,
        "usage": _usage(request, history, reply),
    }


def _frames(whole: Json, request: Json) -> Iterator[str]:
    del request
    for number, event in enumerate(_events(whole)):
        yield frame({**event, "sequence_number": number}, str(event["type"]))


def _events(whole: Json) -> Iterator[Json]:
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, item in enumerate(elements(whole["output"])):
        place = {"output_index": index}
        is_message = item["type"] == "message"
        empty: Json = {"content": []} if is_message else {"arguments": ""}
        opening = {**item, **empty, "status": "in_progress"}
        yield {"type": "response.output_item.added", **place, "item": opening}
        inner = _message_events(item) if is_message else _call_events(item)
        yield from ({**event, **place, "item_id": item["id"]} for event in inner)
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": "response.completed", "response": whole}


def _message_events(item: Json) -> Iterator[Json]:
    for index, part in enumerate(elements(item["content"])):
        place: Json = {"content_index": index}
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        for piece in words(str(part["text"])):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}


def _call_events(item: Json) -> Iterator[Json]:
    arguments = str(item["arguments"])
    for piece in slices(arguments):
        yield {"type": "response.function_call_arguments.delta", "delta": piece}
    yield {"type": "response.function_call_arguments.done", "name": item["name"], "arguments": arguments}


RESPONSES = Endpoint(_whole, _frames, error, "x-request-id")
