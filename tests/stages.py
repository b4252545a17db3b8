"""Where the stories of `tests.fields` are told: what they ask and are answered with, and the application's own tools.

It must not know what a span looks like.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bttrace.testing import ManualClock
from tests.apis import CHAT
from tests.loopback.provider import ProviderServer

SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Will it rain?"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
CHAT_USAGE: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 40,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20, "audio_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 15, "audio_tokens": 5, "image_tokens": 4},
}
RESPONSE_USAGE: dict[str, Any] = {
    "input_tokens": 100,
    "output_tokens": 40,
    "total_tokens": 140,
    "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20},
    "output_tokens_details": {"reasoning_tokens": 15},
}
MESSAGE_USAGE: dict[str, Any] = {
    "input_tokens": 50,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 15},
}
SAMPLING: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 64,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "stop": ["END"],
    "response_format": {"type": "text"},
    "tools": [FUNCTION],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "service_tier": "default",
}
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEYS: dict[str, Any] = {
    "session_id": "session_abc",
    "trace": {
        "trace_id": "eval_run_456",
        "trace_name": "Summarization Eval",
        "span_name": "Summaries",
        "generation_name": "GPT-4o Summary",
        "eval_dataset": "news_articles",
        "experiment_id": "exp_789",
    },
    "metadata": {"reviewer": "ada"},
    "tags": ["eval", "news", "eval"],
}
COMPACT = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
SUMMARY: dict[str, Any] = {"type": "compaction", "content": "So far, so good.", "encrypted_content": None}
SUMMARISED = [
    {"type": "message", "input_tokens": 60_000, "output_tokens": 200},
    {"type": "compaction", "input_tokens": 60_000, "output_tokens": 900},
    {"type": "message", "input_tokens": 1000, "output_tokens": 7},
]


@dataclass
class Stage:
    """Where a story is told: a provider of its own, and the clock of the whole run."""

    provider: ProviderServer
    clock: ManualClock
    closing: ExitStack

    @property
    def client(self) -> Any:
        return self.closing.enter_context(CHAT.client(self.provider))

    def ask(self, client: Any = None, **given: Any) -> Any:
        asked = {**CHAT.given, "messages": [SYSTEM, USER], **given}
        return (client or self.client).chat.completions.create(**asked)

    def read(self, stream: Any) -> None:
        """Reads a stream; each chunk takes a second."""
        self.clock.advance(1)
        for _ in stream:
            self.clock.advance(1)


ON: list[Stage] = []


# The application's tools, which bttrace is told of.


def weather(city: str) -> dict[str, str]:
    ON[0].clock.advance(2)
    return {"sky": f"clear in {city}"}


def broken(city: str) -> str:
    raise LookupError(f"no station in {city}")


def expert(city: str) -> str:
    return str(
        ON[0].ask(messages=[{"role": "user", "content": f"What of {city}?"}]).choices[0].message.content
    )


TOOLS: dict[str, Callable[..., Any]] = {"weather": weather, "broken": broken, "expert": expert}


def without_rain(value: Any) -> Any:
    """A mask that an application gives: no word of rain, of stations, or of its user."""
    if isinstance(value, str):
        return re.sub("[Rr]ain|station|u-1", "#", value)
    if isinstance(value, dict):
        return {name: without_rain(held) for name, held in value.items()}
    return [without_rain(held) for held in value] if isinstance(value, list) else value
