"""The SDKs of the same family as OpenAI's, as rows of a table: how each is called, and what its provider answers.

A test that lacks a package skips, and says which distribution has it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.loopback import kin as replies
from tests.loopback.openai_chat import ToolCall, chat, chat_stream
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import Reply

COUNTS: dict[str, float] = {"prompt_tokens": 11, "completion_tokens": 7, "tokens": 18}
CACHED = {"prompt_cached_tokens": 4, "cache_read_tokens": 4}


def _chat(usage: dict[str, object]) -> Callable[[Sequence[ToolCall]], Reply]:
    return lambda tool_calls: chat(tool_calls=tool_calls, usage=usage)


def _stream(usage: dict[str, object]) -> Callable[[Sequence[ToolCall]], Reply]:
    return lambda tool_calls: chat_stream(tool_calls=tool_calls, usage=usage)


_WHOLE, _STREAMED = _chat(replies.COUNTED), _stream(replies.COUNTED)


@dataclass(frozen=True)
class Kin:
    """One SDK. `base` follows the server's address in the client's base URL, `path` is what arrives there."""

    distribution: str
    package: str
    clients: tuple[str, str]
    base: str
    path: str
    provider: str
    create: str = "chat.completions.create"
    whole: Callable[[Sequence[ToolCall]], Reply] = _WHOLE
    streamed: Callable[[Sequence[ToolCall]], Reply] = _STREAMED
    metrics: dict[str, float] = field(default_factory=lambda: COUNTS)
    options: dict[str, Any] = field(default_factory=dict)
    response_id: str = "chatcmpl-loopback"
    tells_model: bool = True

    def __repr__(self) -> str:
        return self.distribution

    @property
    def sdk(self) -> Any:
        """The package; skips the test without it."""
        return pytest.importorskip(self.package, reason=f"{self.distribution} is not installed")

    def part(self, name: str) -> Any:
        """A module of the package."""
        assert self.sdk
        return importlib.import_module(f"{self.package}.{name}")

    def client(self, provider: ProviderServer, *, asynchronous: bool = False) -> Any:
        """A client that asks the loopback provider, once."""
        transport = self.sdk.DefaultAsyncHttpxClient if asynchronous else self.sdk.DefaultHttpxClient
        return getattr(self.sdk, self.clients[asynchronous])(
            api_key="k",
            base_url=f"{provider.url}{self.base}",
            max_retries=0,
            http_client=transport(verify=False),  # reading certificates takes 30 ms
            **self.options,
        )

    def ask(self, client: Any, **given: Any) -> Any:
        """Calls the chat method."""
        method = client
        for name in self.create.split("."):
            method = getattr(method, name)
        return method(**{"model": "m", "messages": [{"role": "user", "content": "hi"}], **given})


OPENAIS = "/v1/chat/completions"
SDKS = (
    Kin(
        "groq",
        "groq",
        ("Groq", "AsyncGroq"),
        "",
        "/openai/v1/chat/completions",
        "groq",
        whole=_chat(replies.GROQ_USAGE),
        streamed=replies.groq_stream,
        metrics={**COUNTS, **CACHED},
    ),
    Kin("together", "together", ("Together", "AsyncTogether"), "", OPENAIS, "together"),
    Kin(
        "cerebras-cloud-sdk",
        "cerebras.cloud.sdk",
        ("Cerebras", "AsyncCerebras"),
        "",
        OPENAIS,
        "cerebras",
        streamed=replies.cerebras_stream,
        options={"warm_tcp_connection": False},
    ),
    Kin(
        "writer-sdk",
        "writerai",
        ("Writer", "AsyncWriter"),
        "",
        "/v1/chat",
        "writer",
        "chat.chat",
        whole=_chat(replies.WRITER_USAGE),
        streamed=_stream(replies.WRITER_USAGE),
        metrics={**COUNTS, **CACHED},
    ),
    Kin(
        "llama-api-client",
        "llama_api_client",
        ("LlamaAPIClient", "AsyncLlamaAPIClient"),
        "/v1",
        OPENAIS,
        "meta",
        whole=replies.llama,
        streamed=replies.llama_stream,
        response_id="AxYz",
        tells_model=False,
    ),
    Kin("fireworks-ai", "fireworks", ("Fireworks", "AsyncFireworks"), "", OPENAIS, "fireworks"),
    Kin(
        "perplexityai",
        "perplexity",
        ("Perplexity", "AsyncPerplexity"),
        "",
        "/chat/completions",
        "perplexity",
        whole=replies.perplexity,
        streamed=replies.perplexity_stream,
        metrics={**COUNTS, "completion_reasoning_tokens": 2, "estimated_cost": 0.008},
    ),
    Kin("sambanova", "sambanova", ("SambaNova", "AsyncSambaNova"), "/v1", OPENAIS, "sambanova"),
)
BY_PACKAGE = {kin.package: kin for kin in SDKS}

each_sdk = pytest.mark.parametrize("kin", SDKS, ids=repr)
