"""What the project knows about registries of tools. PURE, but for this index.

`REGISTRIES` says which module, once imported, holds gates that are described by which module
here; that one is loaded only then, and has one `REGISTRY`. Loaded when a Python starts.
"""

from __future__ import annotations

REGISTRIES: dict[str, str] = {
    "anthropic.lib.tools._beta_functions": "bttrace.registries.anthropic",
    "anthropic.lib.tools._beta_runner": "bttrace.registries.anthropic",
}
