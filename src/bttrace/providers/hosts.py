"""Who answers a client's calls, and so whose price applies, and which model an address names. PURE."""

from __future__ import annotations

import re
from functools import lru_cache

# host, or its end -> provider
_HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api-inference.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepseek.com": "deepseek",
    "api.llama.com": "meta",
    "api.mistral.ai": "mistral",
    "api.cerebras.ai": "cerebras",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
    "api.writer.com": "writer",
    "api.x.ai": "xai",
    ".openai.azure.com": "azure",
    ".services.ai.azure.com": "azure",
    ".amazonaws.com": "bedrock",
    ".api.aws": "bedrock",  # Mantle, which openai's own client asks too (openai 3.52, `providers/bedrock.py`)
    ".googleapis.com": "google",
}
# part of the client's class name -> provider; Anthropic itself answers, and bills, on two clouds of others
_CLIENTS = {
    "AnthropicAWS": "anthropic",
    "AnthropicGoogleCloud": "anthropic",
    "Azure": "azure",
    "Bedrock": "bedrock",
    "Vertex": "vertex",
    "Foundry": "azure",
}
# The model's place in an address, where a client takes it out of the body: Bedrock's and Vertex's
# (anthropic 2.11, `lib/bedrock/_client.py` and `lib/vertex/_client.py`).
_MODEL = re.compile(r"/models?/(.+?)(?:/invoke(?:-with-response-stream)?|:(?:rawPredict|streamRawPredict))")
# port that a local server listens on unless it is told otherwise, and that no other is known by -> provider
_LOCAL_PORTS = {1234: "lmstudio", 11434: "ollama"}
_KNOWN = 256  # clients' addresses of which the answer is remembered, the latest
_LOCAL_NAMES = frozenset({"localhost", "::1", "0.0.0.0", "host.docker.internal"})  # noqa: S104 - a name to know
_LOCAL_STARTS = ("127.", "10.", "192.168.", *(f"172.{part}." for part in range(16, 32)))


@lru_cache(_KNOWN)
def provider_name(client: str, host: str, sdk_provider: str, port: int | None = None) -> str:
    """Gives the provider behind a client, by the client's class name, else by where it calls.

    A host that is unknown counts as the SDK's own provider: most are proxies of it, and
    nothing tells a gateway on a private address from a model that runs there for nothing.
    A local server is one only at the port that it alone is known by.
    """
    for part, name in _CLIENTS.items():
        if part in client:
            return name
    host = host.lower()
    for end, name in _HOSTS.items():
        if host == end or (end.startswith(".") and host.endswith(end)):
            return name
    return (_LOCAL_PORTS.get(port) if port and _is_local(host) else None) or sdk_provider


@lru_cache(_KNOWN)
def model_named(path: str) -> str | None:
    """Gives the model that the path of a request names, unquoted as the path is."""
    found = _MODEL.search(path)
    return found[1] if found else None


def _is_local(host: str) -> bool:
    """Tells whether a host is this machine or on its own network."""
    return host in _LOCAL_NAMES or host.startswith(_LOCAL_STARTS) or host.endswith((".local", ".localhost"))
