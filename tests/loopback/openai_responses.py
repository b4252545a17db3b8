"""Replies of OpenAI's POST /v1/responses.

Item: one element of a response's output: reasoning, a message, a function call.
Tool calls are given as (call id, name, arguments as JSON text).
"""

# ruff: noqa: A002 - arguments are called what the API calls its fields

from collections.abc import Iterator, Mapping, Sequence

from tests.loopback.openai_hosted import hosted_steps
from tests.loopback.reply import GREETING, STREAM, Reply, pieces, sse, whole

ToolCall = tuple[str, str, str]
Object = dict[str, object]
Steps = Iterator[tuple[str, Object]]

_HEADERS = {"x-request-id": "req_loopback_responses"}
_CREATED = 1767225600
RESPONSE_USAGE: Object = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


def response(
    text: str | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, object] | None = RESPONSE_USAGE,
    refusal: str | None = None,
    *,
    reasoning: str | None = None,
    status: str = "completed",
    model: str = "gpt-5-mini-2025-08-07",
    id: str = "resp_loopback",
    previous_response_id: str | None = None,
    hosted: Sequence[Object] = (),
    background: bool = False,
) -> Reply:
    """A whole response: items of tools that OpenAI ran, the reasoning's summary, the message, the function calls.

    With `text` None it greets, or has no message beside function calls. `status` is completed, incomplete or failed,
    or queued, in_progress or cancelled of one in the background.
    """
    summary = [] if reasoning is None else [reasoning]
    said = list(GREETING) if text is None and not tool_calls else [] if text is None else [text]
    items = [*hosted, *_items(summary, said, [] if refusal is None else [refusal], tool_calls)]
    made = _response(id, model, previous_response_id, status, items, usage)
    return whole({**made, "background": background}, _HEADERS)


def response_stream(
    parts: Sequence[str] | None = None,
    tool_calls: Sequence[ToolCall] = (),
    usage: Mapping[str, object] | None = RESPONSE_USAGE,
    reasoning: Sequence[str] = (),
    *,
    refusal: Sequence[str] = (),
    status: str = "completed",
    model: str = "gpt-5-mini-2025-08-07",
    id: str = "resp_loopback",
    previous_response_id: str | None = None,
    hosted: Sequence[Object] = (),
    background: bool = False,
) -> Reply:
    """A streamed response, with every event that OpenAI sends for such items, numbered from 0.

    With `parts` None it greets, or has no message beside function calls. The last event is `response.STATUS` and carries
    the whole response. There is no `[DONE]`.
    """
    said = GREETING if parts is None and not tool_calls else parts or ()
    items = [*hosted, *_items(reasoning, said, refusal, tool_calls)]
    opening = {
        **_response(id, model, previous_response_id, "in_progress", [], None),
        "background": background,
    }
    ending = {**_response(id, model, previous_response_id, status, items, usage), "background": background}
    steps: list[tuple[str, Object]] = [
        ("created", {"response": opening}),
        ("in_progress", {"response": opening}),
    ]
    for index, item in enumerate(items):
        steps += _item_steps(index, item, reasoning, refusal or said)
    steps.append((status, {"response": ending}))
    events = []
    for number, (name, fields) in enumerate(steps):
        kind = f"response.{name}"
        events.append(sse({"type": kind, "sequence_number": number, **fields}, kind))
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))


def _items(
    reasoning: Sequence[str], said: Sequence[str], refusal: Sequence[str], tool_calls: Sequence[ToolCall]
) -> list[Object]:
    items: list[Object] = []
    if reasoning:
        summary = [{"type": "summary_text", "text": "".join(reasoning)}]
        items.append({"id": "rs_loopback", "type": "reasoning", "summary": summary})
    if refusal or said:
        content = _refused("".join(refusal)) if refusal else _said("".join(said))
        item: Object = {"id": "msg_loopback", "type": "message", "status": "completed", "role": "assistant"}
        items.append({**item, "content": [content]})
    for position, (call_id, name, arguments) in enumerate(tool_calls):
        call: Object = {"id": f"fc_loopback_{position}", "type": "function_call", "status": "completed"}
        items.append({**call, "arguments": arguments, "call_id": call_id, "name": name})
    return items


def _said(text: str) -> Object:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _refused(text: str) -> Object:
    return {"type": "refusal", "refusal": text}


def _item_steps(index: int, item: Object, reasoning: Sequence[str], spoken: Sequence[str]) -> Steps:
    if item["type"] not in ("reasoning", "message", "function_call"):
        for name, fields in hosted_steps(item):
            told: Object = (
                {"output_index": index}
                if "item" in fields
                else {"item_id": item["id"], "output_index": index}
            )
            yield name, {**told, **fields}
        return
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    place: Object = {"item_id": item["id"], "output_index": index}
    if item["type"] == "reasoning":
        begun["summary"] = []
        steps = _summary_steps(place, reasoning)
    elif item["type"] == "message":
        content = item["content"]
        assert isinstance(content, list)
        begun["content"] = []
        steps = _content_steps(place, content[0], spoken)
    else:
        begun["arguments"] = ""
        steps = _argument_steps(place, str(item["arguments"]))
    yield "output_item.added", {"output_index": index, "item": begun}
    yield from steps
    yield "output_item.done", {"output_index": index, "item": item}


def _summary_steps(place: Object, reasoning: Sequence[str]) -> Steps:
    here: Object = {**place, "summary_index": 0}
    text = "".join(reasoning)
    yield "reasoning_summary_part.added", {**here, "part": {"type": "summary_text", "text": ""}}
    for piece in reasoning:
        yield "reasoning_summary_text.delta", {**here, "delta": piece}
    yield "reasoning_summary_text.done", {**here, "text": text}
    yield "reasoning_summary_part.done", {**here, "part": {"type": "summary_text", "text": text}}


def _content_steps(place: Object, content: Object, spoken: Sequence[str]) -> Steps:
    here: Object = {**place, "content_index": 0}
    refused = content["type"] == "refusal"
    kind, word = ("refusal", "refusal") if refused else ("output_text", "text")
    logged: Object = {} if refused else {"logprobs": []}
    yield "content_part.added", {**here, "part": {**content, word: ""}}
    for piece in spoken:
        yield f"{kind}.delta", {**here, "delta": piece, **logged}
    yield f"{kind}.done", {**here, word: content[word], **logged}
    yield "content_part.done", {**here, "part": content}


def _argument_steps(place: Object, arguments: str) -> Steps:
    for piece in pieces(arguments):
        yield "function_call_arguments.delta", {**place, "delta": piece}
    yield "function_call_arguments.done", {**place, "arguments": arguments}


def _response(
    id: str,
    model: str,
    previous: str | None,
    status: str,
    output: Sequence[Object],
    usage: Mapping[str, object] | None,
) -> Object:
    error = {"code": "server_error", "message": "The server had an error."} if status == "failed" else None
    cause = {"reason": "max_output_tokens"} if status == "incomplete" else None
    head: Object = {
        "id": id,
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "background": False,
    }
    asked: Object = {
        "instructions": None,
        "max_output_tokens": None,
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
    }
    told: Object = {"error": error, "incomplete_details": cause, "model": model, "output": list(output)}
    told.update(previous_response_id=previous, service_tier="default", usage=usage, user=None, metadata={})
    return {**head, **asked, **told}
