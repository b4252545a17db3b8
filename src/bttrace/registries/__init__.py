"""What the project knows about registries of tools. PURE, but for this index.

`REGISTRIES` says which module, once imported, holds gates that are described by which module
here; that one is loaded only then, and has one `REGISTRY`. Loaded when a Python starts.
"""

from __future__ import annotations

REGISTRIES: dict[str, str] = {
    "anthropic.lib.tools._beta_functions": "bttrace.registries.anthropic",
    "anthropic.lib.tools._beta_runner": "bttrace.registries.anthropic",
    "agents.realtime.session": "bttrace.registries.openai_agents",
    "agents.run_internal.tool_execution": "bttrace.registries.openai_agents",
    "agents.run_internal.turn_resolution": "bttrace.registries.openai_agents",
    "agents.tool": "bttrace.registries.openai_agents",
    "langchain_core.tools.base": "bttrace.registries.langchain_core",
    "llama_index.core.agent.workflow.base_agent": "bttrace.registries.llama_index",
    "llama_index.core.agent.workflow.multi_agent_workflow": "bttrace.registries.llama_index",
    "llama_index.core.tools.calling": "bttrace.registries.llama_index",
    "llama_index.core.tools.function_tool": "bttrace.registries.llama_index",
    "pydantic_ai._tool_manager": "bttrace.registries.pydantic_ai",
    "pydantic_ai.tool_manager": "bttrace.registries.pydantic_ai",
    "smolagents.agents": "bttrace.registries.smolagents",
    "smolagents.local_python_executor": "bttrace.registries.smolagents",
    "smolagents.tools": "bttrace.registries.smolagents",
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
