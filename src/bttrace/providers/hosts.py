"""Who answers a client's calls, and so whose price applies, and which model an address names. PURE."""

from __future__ import annotations

import re

# host, or its end -> provider
_HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "api.cerebras.ai": "cerebras",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
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


def provider_name(client: str, host: str, sdk_provider: str) -> str:
    """Gives the provider behind a client, by the client's class name, else by its host.

    A host that is unknown, such as a proxy or a local server, counts as the SDK's own provider.
    """
    for part, name in _CLIENTS.items():
        if part in client:
            return name
    host = host.lower()
    for end, name in _HOSTS.items():
        if host == end or (end.startswith(".") and host.endswith(end)):
            return name
    return sdk_provider


def model_named(path: str) -> str | None:
    """Gives the model that the path of a request names, unquoted as the path is."""
    found = _MODEL.search(path)
    return found[1] if found else None
