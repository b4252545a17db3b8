"""What the project knows about registries of tools. PURE, but for this index.

`REGISTRIES` says which module, once imported, holds gates that are described by which module
here; that one is loaded only then, and has one `REGISTRY`. Loaded when a Python starts.
"""

from __future__ import annotations

REGISTRIES: dict[str, str] = {
    "anthropic.lib.tools._beta_functions": "bttrace.registries.anthropic",
    "anthropic.lib.tools._beta_runner": "bttrace.registries.anthropic",
    "anthropic.lib.tools._beta_session_runner": "bttrace.registries.anthropic",
    "mcp.client.client": "bttrace.registries.mcp",
    "mcp.client.session": "bttrace.registries.mcp",
    "mcp.server.fastmcp.tools.tool_manager": "bttrace.registries.mcp",
    "mcp.server.mcpserver.tools.tool_manager": "bttrace.registries.mcp",
    "mcp.server.runner": "bttrace.registries.mcp",
    "openai.lib.browser": "bttrace.registries.openai",
    "openai.lib.computer": "bttrace.registries.openai",
    "openai.lib.decisions_tool_runner": "bttrace.registries.openai",
    "openai.lib.responses_tool_runner": "bttrace.registries.openai",
}
