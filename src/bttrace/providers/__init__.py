"""What the project knows about each provider's API. PURE, but for this index.

`SDKS` says which package, once imported, is described by which module here; a module is
loaded only then. Each such module has one `PROVIDER`.
"""

from __future__ import annotations

SDKS: dict[str, str] = {
    "openai": "bttrace.providers.openai",
    "anthropic": "bttrace.providers.anthropic",
}
