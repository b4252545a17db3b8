"""The model APIs that the installed SDKs may have, and what is answered on loopback.

It owns how each API is called in every version, and from which version on an SDK's seam is whole. It must not import
an SDK that is not installed, nor know what a span looks like.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from types import ModuleType
from typing import Any

import pytest

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

ASKED: list[Any] = [{"role": "user", "content": "hi"}]
WHOLE = {"openai": (1, 8), "anthropic": (0, 20)}
"""The versions from which on every place of the seam is there."""


@dataclass(frozen=True)
class Api:
    """One API of one SDK.

    `resource` and `helpers` are paths from a client, the latter in the order in which they are looked for; `final` names
    the helper's method that gives the whole answer; `heard` is how many chunks a reader has when it has the first word.
    """

    name: str
    sdk: str
    clients: tuple[str, str]
    resource: str
    helpers: tuple[str, ...]
    final: str
    given: dict[str, Any]
    whole: Callable[[], Reply]
    streamed: Callable[[], Reply]
    error: Callable[..., Reply]
    heard: int

    def __repr__(self) -> str:
        return self.name

    @property
    def module(self) -> ModuleType:
        """The SDK, imported; skips where it is not installed."""
        if importlib.util.find_spec(self.sdk) is None:
            pytest.skip(f"{self.sdk} is not installed")
        return importlib.import_module(self.sdk)

    def client(self, provider: ProviderServer, *, synchronous: bool = True, **options: Any) -> Any:
        """A client that asks the loopback provider; by default, only once. Skips where the SDK lacks the API."""
        url = provider.openai_url if self.sdk == "openai" else provider.anthropic_url
        kind = getattr(self.module, self.clients[0 if synchronous else 1])
        client = kind(**{"api_key": "k", "base_url": url, "max_retries": 0, **options})
        self.on(client)
        return client

    def of(self, client: Any, *paths: str) -> Any:
        """What the first of these paths that the SDK has leads to; skips where it has none."""
        for path in paths:
            try:
                return attrgetter(path)(client)
            except AttributeError:
                continue
        pytest.skip(f"{self.sdk} {self.module.__version__} has no {' nor '.join(paths)}")

    def on(self, client: Any) -> Any:
        """The resource of a client whose `create` calls the API."""
        return self.of(client, self.resource)

    def stream(self, client: Any) -> Any:
        """What the SDK's stream helper gives to be entered; skips where it has none."""
        return self.of(client, *self.helpers)(**self.given)


def version(module: ModuleType) -> tuple[int, ...]:
    """The first two numbers of a package's version."""
    return tuple(int(number) for number in module.__version__.split(".")[:2])


def skip_below_whole(api: Api) -> None:
    """Skips where the installed SDK is older than the oldest whose every place is patched."""
    if version(api.module) < WHOLE[api.sdk]:
        pytest.skip(f"{api.sdk} {api.module.__version__} is traced in part")


CHAT = Api(
    name="chat",
    sdk="openai",
    clients=("OpenAI", "AsyncOpenAI"),
    resource="chat.completions",
    helpers=("chat.completions.stream", "beta.chat.completions.stream"),
    final="get_final_completion",
    given={"model": "gpt-4o-mini", "messages": ASKED},
    whole=chat,
    streamed=lambda: chat_stream(usage=True),
    error=openai_error,
    heard=2,
)
RESPONSES = Api(
    name="responses",
    sdk="openai",
    clients=("OpenAI", "AsyncOpenAI"),
    resource="responses",
    helpers=("responses.stream",),
    final="get_final_response",
    given={"model": "gpt-5-mini", "input": ASKED},
    whole=response,
    streamed=response_stream,
    error=openai_error,
    heard=5,
)
MESSAGES = Api(
    name="messages",
    sdk="anthropic",
    clients=("Anthropic", "AsyncAnthropic"),
    resource="messages",
    helpers=("messages.stream",),
    final="get_final_message",
    given={"model": "claude-haiku-4-5", "max_tokens": 99, "messages": ASKED},
    whole=message,
    streamed=message_stream,
    error=anthropic_error,
    heard=3,
)
APIS = (CHAT, RESPONSES, MESSAGES)

each_api = pytest.mark.parametrize("api", APIS, ids=repr)
