"""Replies of OpenAI's /v1/threads/...: runs as they are polled, and as they are streamed.

Tool calls are given as (call id, name, arguments as JSON text).
"""

from collections.abc import Iterator, Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, pieces, sse, whole

Object = dict[str, object]
ToolCall = tuple[str, str, str]

_CREATED = 1767225600
_HEADERS = {"x-request-id": "req_loopback_runs"}
_ENDED = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})
RUN_USAGE: Object = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_token_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def run(status: str = "queued", tool_calls: Sequence[ToolCall] = (), error: str | None = None) -> Reply:
    """A run; only one that has ended has usage, and only one that waits has tool calls."""
    return whole(_run(status, tool_calls, error), _HEADERS)


def run_stream(
    parts: Sequence[str] | None = None, tool_calls: Sequence[ToolCall] = (), code: Sequence[str] = ()
) -> Reply:
    """A streamed run: code that the assistant runs, and then its message, or the tools that it asks for."""
    steps: list[tuple[str, Object]] = [
        ("run.created", _run("queued")),
        ("run.in_progress", _run("in_progress")),
    ]
    if code:
        steps += _code_steps(code)
    if tool_calls:
        steps += _tool_steps(tool_calls)
        steps.append(("run.requires_action", _run("requires_action", tool_calls)))
    else:
        steps += _message_steps(GREETING if parts is None else parts)
        steps.append(("run.completed", _run("completed")))
    events = [sse(data, f"thread.{kind}") for kind, data in steps]
    return Reply(headers={**STREAM, **_HEADERS}, events=(*events, sse("[DONE]", "done")))


def _run(status: str, tool_calls: Sequence[ToolCall] = (), error: str | None = None) -> Object:
    wanted = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [_called(*call) for call in tool_calls]},
    }
    return {
        "id": "run_loopback",
        "object": "thread.run",
        "created_at": _CREATED,
        "assistant_id": "asst_loopback",
        "thread_id": "thread_loopback",
        "status": status,
        "required_action": wanted if tool_calls else None,
        "last_error": None if error is None else {"code": error, "message": "It failed."},
        "model": "gpt-4o-mini",
        "instructions": "Be brief.",
        "tools": [],
        "parallel_tool_calls": True,
        "usage": RUN_USAGE if status in _ENDED else None,
    }


def _called(call_id: str, name: str, arguments: str) -> Object:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _step(identity: str, kind: str, details: Object, status: str) -> Object:
    step: Object = {"id": identity, "object": "thread.run.step", "created_at": _CREATED, "status": status}
    place = {"run_id": "run_loopback", "assistant_id": "asst_loopback", "thread_id": "thread_loopback"}
    return {**step, **place, "type": kind, "step_details": {"type": kind, **details}}


def _step_delta(identity: str, call: Object) -> tuple[str, Object]:
    details = {"type": "tool_calls", "tool_calls": [call]}
    delta: Object = {"id": identity, "object": "thread.run.step.delta", "delta": {"step_details": details}}
    return "run.step.delta", delta


def _code_steps(code: Sequence[str]) -> Iterator[tuple[str, Object]]:
    call: Object = {"id": "call_code", "type": "code_interpreter"}
    yield "run.step.created", _step("step_code", "tool_calls", {"tool_calls": []}, "in_progress")
    opening: Object = {"input": "", "outputs": []}
    yield _step_delta("step_code", {"index": 0, **call, "code_interpreter": opening})
    for piece in code:
        yield _step_delta(
            "step_code", {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": piece}}
        )
    logged: Object = {"outputs": [{"index": 0, "type": "logs", "logs": "4"}]}
    yield _step_delta("step_code", {"index": 0, "type": "code_interpreter", "code_interpreter": logged})
    ran = {"input": "".join(code), "outputs": [{"type": "logs", "logs": "4"}]}
    done: Object = {"tool_calls": [{**call, "code_interpreter": ran}]}
    yield "run.step.completed", _step("step_code", "tool_calls", done, "completed")


def _tool_steps(tool_calls: Sequence[ToolCall]) -> Iterator[tuple[str, Object]]:
    yield "run.step.created", _step("step_tools", "tool_calls", {"tool_calls": []}, "in_progress")
    for index, (call_id, name, arguments) in enumerate(tool_calls):
        yield _step_delta("step_tools", {"index": index, **_called(call_id, name, "")})
        for piece in pieces(arguments):
            function = {"arguments": piece}
            yield _step_delta("step_tools", {"index": index, "type": "function", "function": function})


def _message_steps(parts: Sequence[str]) -> Iterator[tuple[str, Object]]:
    yield "message.created", _message([], "in_progress")
    for position, piece in enumerate(parts):
        text: Object = {"value": piece, **({} if position else {"annotations": []})}
        content = [{"index": 0, "type": "text", "text": text}]
        yield (
            "message.delta",
            {"id": "msg_loopback", "object": "thread.message.delta", "delta": {"content": content}},
        )
    said: Object = {"type": "text", "text": {"value": "".join(parts), "annotations": []}}
    yield "message.completed", _message([said], "completed")


def _message(content: Sequence[Object], status: str) -> Object:
    return {
        "id": "msg_loopback",
        "object": "thread.message",
        "created_at": _CREATED,
        "thread_id": "thread_loopback",
        "run_id": "run_loopback",
        "role": "assistant",
        "content": list(content),
        "status": status,
    }
