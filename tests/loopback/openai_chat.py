"""Replies of OpenAI's POST /v1/chat/completions, and of the providers that imitate it.

Tool calls are given as (id, name, arguments as JSON text).
"""

# ruff: noqa: A002 - arguments are called what the API calls its fields

from collections.abc import Iterator, Mapping, Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, pieces, sse, whole

ToolCall = tuple[str, str, str]
Object = dict[str, object]

_CREATED = 1767225600
_HEADERS = {"x-request-id": "req_loopback_chat", "openai-processing-ms": "12"}
_DETAILS: Object = {
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 2,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
USAGE: Object = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, **_DETAILS}


def chat(
    text: str | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, object] | None = USAGE,
    refusal: str | None = None,
    finish_reason: str | None = None,
    n: int = 1,
    model: str = "gpt-4o-mini-2024-07-18",
    *,
    id: str = "chatcmpl-loopback",
    reasoning: str | None = None,
    reasoning_field: str = "reasoning_content",
) -> Reply:
    """A whole completion with `n` equal choices. With `usage` None it says nothing of tokens.

    With `text` None it greets, or has null for its content beside tool calls or a refusal. `reasoning` goes into the field
    that compatible providers put it in.
    """
    content = "".join(GREETING) if text is None and not tool_calls and refusal is None else text
    message: Object = {"role": "assistant", "content": content, "refusal": refusal, "annotations": []}
    if reasoning is not None:
        message[reasoning_field] = reasoning
    if tool_calls:
        message["tool_calls"] = [_called(call_id, name, arguments) for call_id, name, arguments in tool_calls]
    reason = finish_reason or ("tool_calls" if tool_calls else "stop")
    choices = [{"index": i, "message": message, "logprobs": None, "finish_reason": reason} for i in range(n)]
    completion = {**_head(id, "chat.completion", model), "choices": choices}
    if usage is not None:
        completion["usage"] = dict(usage)
    return whole(completion, _HEADERS)


def chat_stream(
    parts: Sequence[str] | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: bool | Mapping[str, object] = False,
    role_chunk: bool = True,
    reasoning: Sequence[str] = (),
    *,
    finish_reason: str | None = None,
    refusal: Sequence[str] = (),
    n: int = 1,
    model: str = "gpt-4o-mini-2024-07-18",
    id: str = "chatcmpl-loopback",
    reasoning_field: str = "reasoning_content",
    done: bool = True,
) -> Reply:
    """A streamed completion.

    In this order: the role, the reasoning, the text, the refusal, the tool calls one after the other with their arguments in
    pieces, the finish reason, the usage if it is asked for, `[DONE]`.

    With `parts` None it greets, or has no text beside tool calls or a refusal. `n` choices come interleaved. Usage that is asked for makes
    every other chunk carry `"usage": null`, as `stream_options.include_usage` does.
    """
    texts = GREETING if parts is None and not tool_calls and not refusal else parts or ()
    deltas: list[Object] = [{"role": "assistant", "content": "", "refusal": None}] if role_chunk else []
    deltas += [{reasoning_field: piece} for piece in reasoning]
    deltas += [{"content": piece} for piece in texts]
    deltas += [{"refusal": piece} for piece in refusal]
    deltas += _call_deltas(tool_calls)
    reason = finish_reason or ("tool_calls" if tool_calls else "stop")
    head = _head(id, "chat.completion.chunk", model)
    absent: Object = {"usage": None} if usage else {}
    choices: list[tuple[int, Object, str | None]] = [(i, delta, None) for delta in deltas for i in range(n)]
    choices += [(i, {}, reason) for i in range(n)]
    events = [
        sse(
            {
                **head,
                "choices": [{"index": i, "delta": delta, "logprobs": None, "finish_reason": end}],
                **absent,
            }
        )
        for i, delta, end in choices
    ]
    if usage:
        counted = USAGE if usage is True else usage
        events.append(sse({**head, "choices": [], "usage": counted}))
    if done:
        events.append(sse("[DONE]"))
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))


def openai_error(
    status: int = 429,
    message: str = "Rate limit reached.",
    type: str = "rate_limit_error",
    code: str | None = "rate_limit_exceeded",
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error as OpenAI sends it on every path; `headers` for a retry-after and the like."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return whole({"error": error}, {"x-request-id": "req_loopback_error", **(headers or {})}, status)


def _head(id: str, kind: str, model: str) -> Object:
    head: Object = {"id": id, "object": kind, "created": _CREATED, "model": model}
    return {**head, "service_tier": "default", "system_fingerprint": "fp_loopback"}


def _called(call_id: str, name: str, arguments: str) -> Object:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _call_deltas(tool_calls: Sequence[ToolCall]) -> Iterator[Object]:
    for index, (call_id, name, arguments) in enumerate(tool_calls):
        yield {"tool_calls": [{"index": index, **_called(call_id, name, "")}]}
        for piece in pieces(arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
