"""HTTP bodies of one ordinary chat call: some turns of talk and two tools in, a short answer out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_TALK = [
    {"role": "system", "content": "You are a careful assistant who answers in a few plain sentences. " * 4},
    *(
        {"role": ("user", "assistant")[turn % 2], "content": "What is the weather in Lisbon this week? " * 3}
        for turn in range(5)
    ),
]
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks something up.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    for name in ("weather", "forecast")
]
_USAGE = {
    "prompt_tokens": 211,
    "completion_tokens": 37,
    "total_tokens": 248,
    "prompt_tokens_details": {"cached_tokens": 128},
}
_HEAD = {"id": "chatcmpl-bench", "created": 1767225600, "model": "gpt-4o-mini"}
_MESSAGE = {"role": "assistant", "content": "Mild and mostly dry, with some wind from the sea. " * 3}

# What the content of a call is known by, also within a stream's.
ASKED = (b"What is the weather in Lisbon",)
ANSWERED = (b"Mild and mostly dry", b"w001 w002 w003")

EACH = 64  # events that a connection hands on at once
QUESTION = json.dumps({"model": "gpt-4o-mini", "messages": _TALK, "tools": _TOOLS}).encode()


def answer(*asked: str) -> dict[str, object]:
    """Gives an answer in words, or one that asks for tools."""
    function = {"arguments": '{"city": "Lisbon", "days": 3}'}
    calls = [
        {"id": f"call_{index}", "type": "function", "function": {**function, "name": name}}
        for index, name in enumerate(asked)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls} if calls else _MESSAGE
    reason = "tool_calls" if calls else "stop"
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}]
    return {**_HEAD, "object": "chat.completion", "choices": choices, "usage": _USAGE}


ANSWER = json.dumps(answer()).encode()


def messages() -> list[Any]:
    """Gives the messages of the question."""
    return [dict(message) for message in _TALK]


def functions() -> list[Any]:
    """Gives the tools that the question offers."""
    return [dict(tool) for tool in _TOOLS]


def piece(index: int) -> str:
    """Gives the text of one chunk, five letters or so, as a token has."""
    return f" w{index % 1000:03d}"


def chat_deltas(count: int) -> Iterator[dict[str, object]]:
    """Yields `count` chunks of a streamed answer: a role, then text, then the finish reason."""
    for index in range(count):
        last = index == count - 1
        delta = {"content": piece(index)}
        if index == 0:
            delta = {"role": "assistant", "content": ""}
        elif last:
            delta = {}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": "stop" if last else None}
        yield {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def events(count: int, *, each: int = EACH) -> list[bytes]:
    """Gives the body of a streamed answer as a connection hands it on, `each` events in a piece."""
    told = [b"data: " + json.dumps(delta).encode() + b"\n\n" for delta in chat_deltas(count)]
    return [b"".join(told[start : start + each]) for start in range(0, count, each)]
