"""The model that the workers talk to: says a call's key back, and asks for tools where some are offered."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.keys import completion_tokens, following, key_in, marked
from tests.loopback import replies
from tests.loopback.listener import Request
from tests.loopback.reply import Reply

_PROMPT_TOKENS = 5


def answer(request: Request) -> Reply:
    """Answers a request of either SDK."""
    body = request.json
    key = key_in(json.dumps(body["messages"]))
    assert key is not None, body
    wanted = following(key) if body.get("tools") else None
    given = json.dumps({"text": marked(wanted)}) if wanted else ""
    calls = [(f"call-{wanted}", "look_up", given)] if wanted else []
    reply = _message if request.route == "/v1/messages" else _chat
    return reply(body, key, calls)


def _chat(body: dict[str, Any], key: str, calls: list[tuple[str, str, str]]) -> Reply:
    tokens = completion_tokens(key)
    total = _PROMPT_TOKENS + tokens
    usage = {"prompt_tokens": _PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": total}
    if body.get("stream"):
        return replies.chat_stream(["You said ", marked(key), "."], calls, usage, id=f"r-{key}")
    return replies.chat(f"You said {marked(key)}.", calls, usage, id=f"r-{key}")


def _message(body: dict[str, Any], key: str, calls: list[tuple[str, str, str]]) -> Reply:
    usage = {"input_tokens": _PROMPT_TOKENS, "output_tokens": completion_tokens(key)}
    if body.get("stream"):
        return replies.message_stream(["You said ", marked(key), "."], calls, usage, id=f"r-{key}")
    return replies.message(f"You said {marked(key)}.", calls, usage, id=f"r-{key}")
