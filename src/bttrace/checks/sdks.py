"""The SDKs as the check calls them: packages, the oldest versions that fit, one call each.

Knows no provider's answers in full: what comes back need only be read without a fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from importlib import metadata

from ..classes import dataclass


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK: `base` follows the host in its base URL, `create` is a path of attributes of a client."""

    package: str
    distribution: str
    client: str
    least: tuple[int, ...] = ()
    base: str = ""
    create: str = "chat.completions.create"
    given: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """Gives the version that is installed; `None` if none is."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def is_too_old(self, version: str) -> bool:
        """Tells whether a version lacks what bttrace patches."""
        numbers = tuple(map(int, re.findall(r"\d+", version)[: len(self.least)]))
        return numbers < self.least


SDKS = (  # in the order in which one is looked for that sends the test trace
    Sdk("openai", "openai", "OpenAI", (1, 8), "/v1"),
    Sdk("anthropic", "anthropic", "Anthropic", (0, 20), create="messages.create", given={"max_tokens": 16}),
    Sdk("groq", "groq", "Groq"),
    Sdk("together", "together", "Together", (2,)),
    Sdk("cerebras.cloud.sdk", "cerebras-cloud-sdk", "Cerebras", options={"warm_tcp_connection": False}),
    Sdk("writerai", "writer-sdk", "Writer", create="chat.chat"),
    Sdk("llama_api_client", "llama-api-client", "LlamaAPIClient", base="/v1"),
    Sdk("fireworks", "fireworks-ai", "Fireworks", (1,)),
    Sdk("perplexity", "perplexityai", "Perplexity"),
    Sdk("sambanova", "sambanova", "SambaNova", base="/v1"),
)
NAMES = {name: sdk for sdk in SDKS for name in (sdk.package, sdk.distribution)}
"""By the name of a package or a distribution."""
