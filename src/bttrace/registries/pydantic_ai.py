"""Pydantic AI: the tools of every toolset that an agent has. PURE.

Gates hold on pydantic-ai 2.68 (`pydantic_ai/tool_manager.py`): the arguments have been validated, and
the toolset, be it of functions, of an MCP server or the application's own, has not been asked yet.
Structured output is asked for as a tool too, whose result is the run's.
"""

from __future__ import annotations

from dataclasses import replace

from ..evidence import arguments
from .row import Args, Gate, Invocation, Kwargs, Registry, argument, attribute, by_name

_MANAGER = "pydantic_ai.tool_manager"


def _execute(_manager: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    validated = argument(args, kwargs, 0, "validated")
    call = getattr(validated, "call", None)
    name = attribute(call, "tool_name")
    if name is None:
        return None
    given = getattr(validated, "validated_args", None)
    asked = given if isinstance(given, dict) else getattr(call, "args", None)
    return Invocation(name, by_name(asked), attribute(call, "tool_call_id"))


def _conclude(manager: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    asked = _execute(manager, args, kwargs)
    return None if asked is None else replace(asked, returns="nowhere")


def _call(manager: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads the one way that tools and structured output had in pydantic-ai 1.0 (`_tool_manager.py`)."""
    call = argument(args, kwargs, 0, "call")
    name = attribute(call, "tool_name")
    if name is None:
        return None
    tools = getattr(manager, "tools", None)
    tool = tools.get(name) if isinstance(tools, dict) else None
    ends = attribute(getattr(tool, "tool_def", None), "kind") == "output"
    given = arguments(getattr(call, "args", None))
    call_id = attribute(call, "tool_call_id")
    return Invocation(name, by_name(given), call_id, returns="nowhere" if ends else "by id")


def _cause(error: BaseException) -> BaseException:
    """Gives what a tool raised so that the model tries again, which the manager tells in words of its own."""
    told = type(error).__name__ in ("ToolRetryError", "ToolFailedError")
    return error.__cause__ if told and error.__cause__ else error


REGISTRY = Registry(
    "pydantic_ai",
    "pydantic-ai-slim",
    (
        Gate(_MANAGER, "ToolManager", "_raw_execute", _execute, is_async=True, raised=_cause),
        Gate(_MANAGER, "ToolManager", "execute_output_tool_call", _conclude, is_async=True, raised=_cause),
        Gate("pydantic_ai._tool_manager", "ToolManager", "_call_tool", _call, is_async=True, raised=_cause),
    ),
)
