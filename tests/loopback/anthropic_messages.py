"""Replies of Anthropic's POST /v1/messages, with and without ?beta=true.

Tool calls are given as (id, name, arguments as JSON text).
"""

# ruff: noqa: A002 - arguments are called what the API calls its fields

import json
from collections.abc import Mapping, Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, pieces, sse, whole

ToolCall = tuple[str, str, str]
Object = dict[str, object]

_HEADERS = {"request-id": "req_loopback_messages"}
MESSAGE_USAGE: Object = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 1},
    "output_tokens": 7,
    "service_tier": "standard",
    "inference_geo": "not_available",
}
_AT_START = frozenset({"cache_creation", "service_tier", "inference_geo"})


def message(
    text: str | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, object] | None = None,
    thinking: str | None = None,
    *,
    signature: str = "c2lnbmF0dXJl",
    stop_reason: str | None = None,
    stop_sequence: str | None = None,
    model: str = "claude-haiku-4-5-20251001",
    id: str = "msg_loopback",
) -> Reply:
    """A whole message: thinking, text, tool use.

    With `text` None it greets, or has no text beside tool calls. `usage` replaces single fields of `MESSAGE_USAGE`.
    """
    said = "".join(GREETING) if text is None and not tool_calls else text
    blocks = [_thinking(thinking, signature)] if thinking is not None else []
    blocks += [{"type": "text", "text": said}] if said is not None else []
    blocks += [
        {**_tool_use(call_id, name), "input": json.loads(given)} for call_id, name, given in tool_calls
    ]
    counted = {**MESSAGE_USAGE, **(usage or {})}
    reason = stop_reason or ("tool_use" if tool_calls else "end_turn")
    ending = {"stop_reason": reason, "stop_sequence": stop_sequence}
    return whole({**_head(id, model), "content": blocks, **ending, "usage": counted}, _HEADERS)


def message_stream(
    parts: Sequence[str] | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, object] | None = None,
    thinking: Sequence[str] = (),
    *,
    signature: str = "c2lnbmF0dXJl",
    stop_reason: str | None = None,
    stop_sequence: str | None = None,
    ping: bool = True,
    model: str = "claude-haiku-4-5-20251001",
    id: str = "msg_loopback",
) -> Reply:
    """A streamed message: message_start, ping, each block with its deltas, message_delta, message_stop.

    With `parts` None it greets, or has no text beside tool calls. `usage` replaces single fields of `MESSAGE_USAGE`. At the
    start the output counts one token, as Anthropic does; the message_delta carries the sums.
    """
    said = GREETING if parts is None and not tool_calls else parts or ()
    counted = {**MESSAGE_USAGE, **(usage or {})}
    opening = {**_head(id, model), "content": [], "stop_reason": None, "stop_sequence": None}
    start: Object = {"message": {**opening, "usage": {**counted, "output_tokens": 1}}}
    blocks: list[tuple[Object, list[Object]]] = []
    if thinking:
        deltas: list[Object] = [{"type": "thinking_delta", "thinking": piece} for piece in thinking]
        blocks.append((_thinking("", ""), [*deltas, {"type": "signature_delta", "signature": signature}]))
    if said:
        blocks.append(
            ({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said])
        )
    for call_id, name, arguments in tool_calls:
        blocks.append(({**_tool_use(call_id, name), "input": {}}, _input_deltas(arguments)))
    events = [_event("message_start", start)]
    for index, (block, changes) in enumerate(blocks):
        events.append(_event("content_block_start", {"index": index, "content_block": block}))
        if ping and index == 0:
            events.append(_event("ping", {}))
        events += [_event("content_block_delta", {"index": index, "delta": change}) for change in changes]
        events.append(_event("content_block_stop", {"index": index}))
    reason = stop_reason or ("tool_use" if tool_calls else "end_turn")
    sums = {name: value for name, value in counted.items() if name not in _AT_START}
    ending = {"delta": {"stop_reason": reason, "stop_sequence": stop_sequence}, "usage": sums}
    events += [_event("message_delta", ending), _event("message_stop", {})]
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))


def anthropic_error(
    status: int = 529,
    message: str = "Overloaded",
    type: str = "overloaded_error",
    *,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error as Anthropic sends it on every path; `headers` for a retry-after and the like."""
    body = {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_loopback_error"}
    return whole(body, {"request-id": "req_loopback_error", **(headers or {})}, status)


def anthropic_error_event(message: str = "Overloaded", type: str = "overloaded_error") -> bytes:
    """The event with which Anthropic breaks off a stream that has begun."""
    return _event("error", {"error": {"type": type, "message": message}})


def _head(id: str, model: str) -> Object:
    return {"id": id, "type": "message", "role": "assistant", "model": model}


def _event(name: str, fields: Object) -> bytes:
    return sse({"type": name, **fields}, name)


def _thinking(text: str, signature: str) -> Object:
    return {"type": "thinking", "thinking": text, "signature": signature}


def _tool_use(call_id: str, name: str) -> Object:
    return {"type": "tool_use", "id": call_id, "name": name}


def _input_deltas(arguments: str) -> list[Object]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(arguments)]]
