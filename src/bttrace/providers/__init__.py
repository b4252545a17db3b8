"""What the project knows about each provider's API. PURE, but for this index.

`SDKS` says which package, once imported, is described by which module here; a module is
loaded only then. Each such module has one `PROVIDER`.
"""

from __future__ import annotations

SDKS: dict[str, str] = {
    "openai": "bttrace.providers.openai",
    "anthropic": "bttrace.providers.anthropic",
    "cerebras.cloud.sdk": "bttrace.providers.cerebras",
    "fireworks": "bttrace.providers.fireworks",
    "groq": "bttrace.providers.groq",
    "llama_api_client": "bttrace.providers.llama_api_client",
    "perplexity": "bttrace.providers.perplexity",
    "sambanova": "bttrace.providers.sambanova",
    "together": "bttrace.providers.together",
    "writerai": "bttrace.providers.writerai",
}
