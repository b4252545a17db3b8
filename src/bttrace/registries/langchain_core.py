"""LangChain's tools: whatever is a `BaseTool`, run by an agent, by LangGraph's `ToolNode` or by hand. PURE.

Gates hold on langchain-core 0.3 to 1.7 (`langchain_core/tools/base.py`): `invoke` and `ainvoke` lead to them.
What fails and is handled by the tool itself comes as a `ToolMessage` whose status says so.
"""

from __future__ import annotations

from .row import Args, Gate, Invocation, Kwargs, Registry, Returned, argument, attribute, by_name

_TOOLS = "langchain_core.tools.base"


def _run(tool: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    name = attribute(tool, "name")
    if name is None:
        return None
    given = by_name(argument(args, kwargs, 0, "tool_input"))
    call_id = kwargs.get("tool_call_id")
    return Invocation(name, _told(tool, given), call_id if isinstance(call_id, str) else None)


def _told(tool: object, given: Kwargs) -> Kwargs:
    """Leaves out what LangGraph puts among the arguments: its state, its store, the runtime."""
    injected = getattr(tool, "_injected_args_keys", None)
    if not isinstance(injected, frozenset) or injected.isdisjoint(given):
        return given
    return {name: value for name, value in given.items() if name not in injected}


def _message(output: object) -> Returned:
    """Reads a `ToolMessage`; what is called by hand gives the result itself."""
    if attribute(output, "type") != "tool" or attribute(output, "tool_call_id") is None:
        return Returned(output)
    content = getattr(output, "content", None)
    failed = attribute(output, "status") == "error"
    return Returned(
        content, (content if isinstance(content, str) and content else "error") if failed else None
    )


REGISTRY = Registry(
    "langchain_core",
    "langchain-core",
    (
        Gate(_TOOLS, "BaseTool", "run", _run, returned=_message),
        Gate(_TOOLS, "BaseTool", "arun", _run, is_async=True, returned=_message),
    ),
)
