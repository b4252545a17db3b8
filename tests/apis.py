"""The model APIs of both SDKs as rows of a table, so that what must hold for each is written once.

It owns how each API is called and what its loopback replies say. It must not know what a span looks like.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import Captured, CountedIds, ManualClock, capture
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    Reply,
    anthropic_error,
    chat,
    chat_stream,
    message,
    message_stream,
    openai_error,
    response,
    response_stream,
)

SAID = "Hello from loopback."
ASKED: list[Any] = [{"role": "user", "content": "hi"}]
BEGUN = 1_700_000_001.0
"""The time at which `traced` stands, in seconds since the epoch."""


@dataclass(frozen=True)
class Api:
    """One API of one SDK.

    `given` is the least that a call needs; `final` names the method of the `.stream()` helper that gives the whole
    answer; `text` gives what the model said from a span's output.
    """

    name: str
    sdk: ModuleType
    path: str
    resource: Callable[[Any], Any]
    given: dict[str, Any]
    whole: Callable[..., Reply]
    streamed: Callable[..., Reply]
    error: Callable[..., Reply]
    final: str
    text: Callable[[Any], str]
    model: str

    def __repr__(self) -> str:
        return self.name

    def client(self, provider: ProviderServer, **options: Any) -> Any:
        """Gives a client that asks the loopback provider; by default, only once."""
        options["http_client"] = self.sdk.DefaultHttpxClient(verify=False)  # reading certificates takes 30 ms
        return self._client("OpenAI", "Anthropic", provider, options)

    def aclient(self, provider: ProviderServer, **options: Any) -> Any:
        """Gives an asynchronous client that asks the loopback provider; by default, only once."""
        options["http_client"] = self.sdk.DefaultAsyncHttpxClient(verify=False)
        return self._client("AsyncOpenAI", "AsyncAnthropic", provider, options)

    def _client(self, of_openai: str, of_anthropic: str, provider: ProviderServer, options: Any) -> Any:
        options = {"api_key": "k", "max_retries": 0, **options}
        if self.sdk is openai:
            return getattr(openai, of_openai)(base_url=provider.openai_url, **options)
        return getattr(anthropic, of_anthropic)(base_url=provider.anthropic_url, **options)


def _said_in_message(output: Any) -> str:
    return "".join(block.get("text", "") for block in output["content"])


def _said_in_response(output: Any) -> str:
    return "".join(part.get("text", "") for item in output for part in item.get("content", ()))


CHAT = Api(
    "chat.completions",
    openai,
    "/v1/chat/completions",
    lambda client: client.chat.completions,
    {"model": "gpt-4o-mini", "messages": ASKED},
    chat,
    chat_stream,
    openai_error,
    "get_final_completion",
    lambda output: str(output[0]["message"]["content"]),
    "gpt-4o-mini-2024-07-18",
)
RESPONSES = Api(
    "responses",
    openai,
    "/v1/responses",
    lambda client: client.responses,
    {"model": "gpt-5-mini", "input": ASKED},
    response,
    response_stream,
    openai_error,
    "get_final_response",
    _said_in_response,
    "gpt-5-mini-2025-08-07",
)
MESSAGES = Api(
    "messages",
    anthropic,
    "/v1/messages",
    lambda client: client.messages,
    {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": ASKED},
    message,
    message_stream,
    anthropic_error,
    "get_final_message",
    _said_in_message,
    "claude-haiku-4-5-20251001",
)
BETA = Api(
    "beta.messages",
    anthropic,
    "/v1/messages",
    lambda client: client.beta.messages,
    {**MESSAGES.given, "betas": ["context-management-2025-06-27"]},
    message,
    message_stream,
    anthropic_error,
    "get_final_message",
    _said_in_message,
    MESSAGES.model,
)
APIS = (CHAT, RESPONSES, MESSAGES, BETA)

each_api = pytest.mark.parametrize("api", APIS, ids=repr)


@contextmanager
def traced(**options: Any) -> Iterator[tuple[Captured, ManualClock]]:
    """Captures rows with counted ids, and a clock that stands at `BEGUN` until the test moves it."""
    clock = ManualClock()
    clock.advance(1)
    with capture(clock=clock, ids=CountedIds(), **options) as captured:
        yield captured, clock


def only(captured: Captured) -> dict[str, Any]:
    """Gives the row of the one span that there must be."""
    rows = captured.generations
    assert len(rows) == 1, rows
    return rows[0]


def generated(captured: Captured) -> dict[str, Any]:
    """Gives the row of the one model call that there must be, whatever stands around it."""
    rows = [row for row in captured.rows if row["span_attributes"]["type"] == "llm"]
    assert len(rows) == 1, rows
    return rows[0]


def line_here() -> int:
    """Gives the number of the line that calls it."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno
