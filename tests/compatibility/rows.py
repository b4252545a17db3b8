"""The rows that must come out, the same for every version of an SDK.

A call's reply is `whole`, a stream that was read to its end `exhausted`, and one that was left after its first word `left`.
"""

from __future__ import annotations

from typing import Any, Literal

import bttrace
from tests.compatibility.apis import ASKED, CHAT, MESSAGES, RESPONSES, Api

Read = Literal["whole", "exhausted", "left"]
BEGUN = 1_700_000_000.0
"""The time at which the clock of these tests stands, in seconds since the epoch."""

_OPENAI_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "tokens": 18,
    "prompt_cached_tokens": 3,
    "cache_read_tokens": 3,
    "completion_reasoning_tokens": 2,
}
_CHAT_USAGE = {**_OPENAI_USAGE, "prompt_audio_tokens": 0, "completion_audio_tokens": 0}
_RESPONSES_USAGE = {**_OPENAI_USAGE, "prompt_cache_creation_tokens": 0, "cache_creation_tokens": 0}
_MESSAGES_USAGE = {
    "prompt_tokens": 19,
    "prompt_cached_tokens": 3,
    "cache_read_tokens": 3,
    "prompt_cache_creation_tokens": 5,
    "cache_creation_tokens": 5,
    "prompt_cache_creation_5m_tokens": 4,
    "prompt_cache_creation_1h_tokens": 1,
}


def _choice(text: str, finish: str | None, **more: Any) -> list[dict[str, Any]]:
    said = {"role": "assistant", "content": text, "refusal": None, **more.pop("message", {})}
    return [{"index": 0, "message": said, "finish_reason": finish, **more}]


def _item(text: str, status: str) -> list[dict[str, Any]]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return [
        {"id": "msg_loopback", "type": "message", "role": "assistant", "status": status, "content": [part]}
    ]


def _blocks(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}], **more}


_SAID = "Hello from loopback."
# For each API: what its metadata always say; then, by how it was read, output, finish reason and usage.
_METADATA: dict[str, dict[str, Any]] = {
    CHAT.name: {
        "provider": "openai",
        "api": "chat.completions",
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "response_id": "chatcmpl-loopback",
        "request_id": "req_loopback_chat",
    },
    RESPONSES.name: {
        "provider": "openai",
        "api": "responses",
        "model": "gpt-5-mini-2025-08-07",
        "service_tier": "default",
        "response_id": "resp_loopback",
        "request_id": "req_loopback_responses",
    },
    MESSAGES.name: {
        "provider": "anthropic",
        "api": "messages",
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 99,
        "service_tier": "standard",
        "response_id": "msg_loopback",
        "request_id": "req_loopback_messages",
    },
}
_READ: dict[tuple[str, Read], tuple[Any, str | None, dict[str, int]]] = {
    (CHAT.name, "whole"): (
        _choice(_SAID, "stop", logprobs=None, message={"annotations": []}),
        "stop",
        _CHAT_USAGE,
    ),
    (CHAT.name, "exhausted"): (_choice(_SAID, "stop"), "stop", _CHAT_USAGE),
    (CHAT.name, "left"): (_choice("Hello", None), None, {}),
    (RESPONSES.name, "whole"): (_item(_SAID, "completed"), "completed", _RESPONSES_USAGE),
    (RESPONSES.name, "exhausted"): (_item(_SAID, "completed"), "completed", _RESPONSES_USAGE),
    (RESPONSES.name, "left"): (_item("Hello", "in_progress"), None, {}),
    (MESSAGES.name, "whole"): (
        _blocks(_SAID, stop_reason="end_turn"),
        "end_turn",
        {**_MESSAGES_USAGE, "completion_tokens": 7, "tokens": 26},
    ),
    (MESSAGES.name, "exhausted"): (
        _blocks(_SAID, stop_reason="end_turn"),
        "end_turn",
        {**_MESSAGES_USAGE, "completion_tokens": 7, "tokens": 26},
    ),
    (MESSAGES.name, "left"): (
        _blocks("Hello"),
        None,
        {**_MESSAGES_USAGE, "completion_tokens": 1, "tokens": 20},
    ),
}


def row(api: Api, read: Read, caller: str, file: str, stream_end: str | None = None) -> dict[str, Any]:
    """The whole row of a session's first span, but for the line of the caller."""
    output, finish, usage = _READ[api.name, read]
    metadata = dict(_METADATA[api.name])
    if finish is not None:
        metadata["finish_reason"] = finish
    metrics: dict[str, float] = {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0, **usage}
    if read != "whole":
        metadata.update(stream=True, stream_end=stream_end or "exhausted")
        metrics["time_to_first_token"] = 0.0
    instrumentation = {"name": f"bttrace.{api.sdk}"}
    return {
        "id": "row-1",
        "span_id": f"{1:016x}",
        "root_span_id": f"{1:032x}",
        "span_attributes": {"name": f"llm.generation ({metadata['model']})", "type": "llm"},
        "created": "2023-11-14T22:13:20+00:00",
        "input": ASKED,
        "output": output,
        "metadata": metadata,
        "metrics": metrics,
        "context": {
            "span_origin": {
                "name": "bttrace",
                "version": bttrace.__version__,
                "instrumentation": instrumentation,
            },
            "caller_functionname": caller,
            "caller_filename": file,
        },
    }
