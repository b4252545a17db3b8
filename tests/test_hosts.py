"""Whose price applies: told from the client and the host that it calls, with the real OpenAI and Anthropic SDKs.

The transports lead every host to loopback, so that nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest

from bttrace.providers.hosts import provider_name
from tests.apis import ASKED, only, traced
from tests.elsewhere import ToLoopback
from tests.kin import SDKS, Kin
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, message

# base URL of a client of OpenAI's SDK -> the provider whose price applies
OPENAI = {
    "https://api.openai.com/v1": "openai",
    "https://openrouter.ai/api/v1": "openrouter",
    "https://api.groq.com/openai/v1": "groq",
    "https://api.together.xyz/v1": "together",
    "https://api.together.ai/v1": "together",
    "https://api.fireworks.ai/inference/v1": "fireworks",
    "https://api.cerebras.ai/v1": "cerebras",
    "https://api.sambanova.ai/v1": "sambanova",
    "https://api.perplexity.ai": "perplexity",
    "https://api.llama.com/compat/v1": "meta",
    "https://api.writer.com/v1": "writer",
    "https://api.deepseek.com": "deepseek",
    "https://api.mistral.ai/v1": "mistral",
    "https://api.x.ai/v1": "xai",
    "https://generativelanguage.googleapis.com/v1beta/openai": "google",
    "http://localhost:11434/v1": "ollama",
    "http://127.0.0.1:1234/v1": "lmstudio",
    "http://192.168.1.20:11434/v1": "ollama",
    "http://localhost:8000/v1": "openai",  # vLLM, or anything else: a port that nobody owns
    "https://llm.example.com:11434/v1": "openai",
}


@pytest.fixture(name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as provider:
        provider.reply(chat())
        yield provider


@pytest.mark.parametrize("base_url", OPENAI)
def test_openais_sdk_elsewhere(provider: ProviderServer, base_url: str) -> None:
    http = openai.DefaultHttpxClient(transport=ToLoopback(provider))
    with (
        traced() as (captured, _),
        openai.OpenAI(base_url=base_url, api_key="k", http_client=http, max_retries=0) as client,
    ):
        client.chat.completions.create(model="m", messages=ASKED)
        row = only(captured)
    assert row["metadata"]["provider"] == OPENAI[base_url]
    assert row["context"]["span_origin"]["instrumentation"] == {"name": "bttrace.openai"}
    (asked,) = provider.requests
    assert asked.path == f"{httpx2.URL(base_url).path.rstrip('/')}/chat/completions"


def test_an_asynchronous_client_elsewhere(provider: ProviderServer) -> None:
    async def main() -> None:
        http = openai.DefaultAsyncHttpxClient(transport=ToLoopback(provider))
        url = "https://openrouter.ai/api/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="k", http_client=http) as client:
            await client.chat.completions.create(model="m", messages=ASKED)

    with traced() as (captured, _):
        asyncio.run(main())
        assert only(captured)["metadata"]["provider"] == "openrouter"


def test_anthropics_sdk_at_openrouter(provider: ProviderServer) -> None:
    provider.route("/api/v1/messages", message())
    http = anthropic.DefaultHttpxClient(transport=ToLoopback(provider))
    url = "https://openrouter.ai/api"
    with (
        traced() as (captured, _),
        anthropic.Anthropic(base_url=url, api_key="k", http_client=http) as client,
    ):
        client.messages.create(model="m", max_tokens=9, messages=ASKED)
        assert only(captured)["metadata"]["provider"] == "openrouter"


@pytest.mark.parametrize("kin", SDKS, ids=repr)
def test_the_host_that_an_sdk_calls_by_itself_is_its_provider(kin: Kin) -> None:
    client = getattr(kin.sdk, kin.clients[0])(api_key="k", **kin.options)
    host = client.base_url.host
    assert provider_name("Client", host, "unknown") == kin.provider, host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(
            (host, "ollama")
            for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0")
        ),
        *((host, "ollama") for host in ("10.1.2.3", "172.16.0.1", "172.31.0.1", "192.168.0.9")),
        *((host, "ollama") for host in ("host.docker.internal", "studio.local", "ollama.localhost")),
        *(
            (host, "sdk")
            for host in ("172.15.0.1", "172.32.0.1", "100.1.2.3", "example.com", "notlocalhost", "")
        ),
    ],
)
def test_a_local_server_is_one_on_this_machines_network(host: str, expected: str) -> None:
    assert provider_name("OpenAI", host, "sdk", 11434) == expected
    assert provider_name("OpenAI", host, "sdk", 4000) == "sdk"
    assert provider_name("OpenAI", host, "sdk", None) == "sdk"
    assert provider_name("AzureOpenAI", host, "sdk", 11434) == "azure"
