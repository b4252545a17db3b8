"""MCP: the tools that a client calls, and those that a server of the application's own runs. PURE.

Gates hold on mcp 1.26 and 2.3: clients at `client/session.py`, and `client/client.py` around it,
which asks again where a server wants more input; servers at the tool manager, which mcp 1 has in
`server/fastmcp` and mcp 2 in `server/mcpserver`. A server of the low level has none: mcp 2 runs
its tools at `server/runner.py`. A model's call id is not told to any of them.
"""

from __future__ import annotations

from .row import Args, Gate, Invocation, Kwargs, Registry, Returned, argument, attribute, by_name, words


def _call_tool(_instance: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    name = argument(args, kwargs, 0, "name")
    return (
        Invocation(name, by_name(argument(args, kwargs, 1, "arguments"))) if isinstance(name, str) else None
    )


def _request(runner: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads a request to a server, unless its tool manager will see it."""
    params = argument(args, kwargs, 2, "params")
    if argument(args, kwargs, 1, "method") != "tools/call" or not isinstance(params, dict):
        return None
    handlers = getattr(getattr(runner, "server", None), "_request_handlers", None)
    entry = handlers.get("tools/call") if isinstance(handlers, dict) else None
    owner = getattr(getattr(entry, "handler", None), "__self__", None)
    if hasattr(owner, "_tool_manager"):
        return None
    name = attribute(params, "name")
    return None if name is None else Invocation(name, by_name(params.get("arguments")))


def _result(result: object) -> Returned:
    """Reads a `CallToolResult`, or the same as it is sent, or the pair that mcp 1 makes one of."""
    if isinstance(result, tuple):
        return Returned(result[0])
    content = _field(result, "content")
    if not isinstance(content, list):
        return Returned(result)
    failed = _field(result, "is_error", "isError") is True
    given = content or _field(result, "structured_content", "structuredContent") or content
    return Returned(given, words(content) if failed else None)


def _field(holder: object, *names: str) -> object:
    """Gives the first field that an object or a mapping has of these names."""
    found = (holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None) for name in names)
    return next((value for value in found if value is not None), None)


def _cause(error: BaseException) -> BaseException:
    """Gives what a tool raised: the manager raises it again under a text that tells no more than the name."""
    return error.__cause__ or error


REGISTRY = Registry(
    "mcp",
    "mcp",
    (
        Gate("mcp.client.client", "Client", "call_tool", _call_tool, is_async=True, returned=_result),
        Gate("mcp.client.session", "ClientSession", "call_tool", _call_tool, is_async=True, returned=_result),
        *(
            Gate(
                f"mcp.server.{package}.tools.tool_manager",
                "ToolManager",
                "call_tool",
                _call_tool,
                is_async=True,
                returned=_result,
                raised=_cause,
            )
            for package in ("mcpserver", "fastmcp")
        ),
        Gate("mcp.server.runner", "ServerRunner", "_on_request", _request, is_async=True, returned=_result),
    ),
    between=("anyio",),
)
