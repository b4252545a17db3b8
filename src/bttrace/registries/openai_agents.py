"""The openai-agents SDK: its function tools, agents as tools, and handoffs. PURE.

Gates hold on openai-agents 0.24. The runner invokes every function tool through one function
(`agents/run_internal/tool_execution.py`), a session of the Realtime API through another
(`agents/realtime/session.py`). What a tool raises is made into words for the model inside of
them, by a function that is told the exception (`agents/tool.py`). Of several handoffs that one
answer asks for, only the first is carried out (`agents/run_internal/turn_resolution.py`).
"""

from __future__ import annotations

from ..evidence import arguments
from .row import Args, Failure, Gate, Invocation, Kwargs, Registry, Returned, attribute, by_name

_PARSED = 2000  # characters of arguments that are parsed on the application's thread


def _by_name(given: object) -> Kwargs:
    return by_name(arguments(given) if isinstance(given, str) and len(given) <= _PARSED else given)


def _invoke(_module: object, _args: Args, kwargs: Kwargs) -> Invocation | None:
    name = attribute(kwargs.get("function_tool"), "name")
    if name is None:
        return None
    call_id = attribute(kwargs.get("context"), "tool_call_id")
    return Invocation(name, _by_name(kwargs.get("arguments")), call_id)


def _output(result: object) -> Returned:
    """Reads an invocation's result, which has the output in it."""
    return Returned(getattr(result, "output", result))


def _handoffs(_module: object, _args: Args, kwargs: Kwargs) -> Invocation | None:
    asked = kwargs.get("run_handoffs")
    if not isinstance(asked, list) or not asked:
        return None
    handoff, call = getattr(asked[0], "handoff", None), getattr(asked[0], "tool_call", None)
    name = attribute(call, "name") or attribute(handoff, "tool_name")
    if name is None:
        return None
    given = _by_name(getattr(call, "arguments", None))
    return Invocation(name, given, attribute(call, "call_id"), attribute(handoff, "agent_name"))


def _taken_over(step: object) -> Returned:
    """Reads the step that follows a handoff, which has the new agent in it."""
    agent = getattr(getattr(step, "next_step", None), "new_agent", None)
    name = attribute(agent, "name")
    return Returned(None if name is None else {"assistant": name})


def _error(_args: Args, kwargs: Kwargs) -> object:
    return kwargs.get("error")


REGISTRY = Registry(
    "agents",
    "openai-agents",
    (
        Gate(
            "agents.run_internal.tool_execution",
            "",
            "_invoke_function_tool_with_metadata",
            _invoke,
            is_async=True,
            returned=_output,
            older=("invoke_function_tool",),
        ),
        Gate("agents.realtime.session", "", "invoke_function_tool", _invoke, is_async=True),
        Gate(
            "agents.run_internal.turn_resolution",
            "",
            "execute_handoffs",
            _handoffs,
            is_async=True,
            returned=_taken_over,
        ),
    ),
    (Failure("agents.tool", "maybe_invoke_function_tool_failure_error_function", _error),),
)
