"""LlamaIndex: the tools of its agent workflows, of `predict_and_call`, and those called by hand. PURE.

Gates hold on llama-index-core 0.14. A workflow's step and `call_tool_with_selection` know the id of
the call; both give what a tool raised in its output (`llama_index/core/agent/workflow/`,
`llama_index/core/tools/calling.py`). An agent of several hands over by a tool of the name `handoff`
(`multi_agent_workflow.py`).
"""

from __future__ import annotations

from .row import Args, Gate, Invocation, Kwargs, Registry, Returned, argument, attribute, by_name

_WORKFLOWS = "llama_index.core.agent.workflow"
_CALLING = "llama_index.core.tools.calling"
_FUNCTIONS = "llama_index.core.tools.function_tool"
_HANDOFF = "handoff"


def _chosen(selection: object) -> Invocation | None:
    name = attribute(selection, "tool_name")
    if name is None:
        return None
    return Invocation(name, by_name(getattr(selection, "tool_kwargs", None)), attribute(selection, "tool_id"))


def _step(_agent: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads the step of one agent's workflow."""
    return _chosen(argument(args, kwargs, 1, "ev"))


def _step_of_many(agent: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads the step of a workflow of several agents, of which one may hand over to another."""
    found = _step(agent, args, kwargs)
    if found is None or found.name != _HANDOFF:
        return found
    delegate = found.arguments.get("to_agent")
    known = getattr(agent, "agents", None)
    if not isinstance(delegate, str) or not isinstance(known, dict) or delegate not in known:
        return found
    return Invocation(found.name, found.arguments, found.call_id, delegate)


def _selected(_module: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    return _chosen(argument(args, kwargs, 0, "tool_call"))


def _call(tool: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads a call of the tool itself: the context that a workflow adds is no argument."""
    name = attribute(getattr(tool, "metadata", None), "name")
    if name is None:
        return None
    context = attribute(tool, "ctx_param_name")
    given = {name: value for name, value in kwargs.items() if name != context}
    return Invocation(name, {**by_name(args[0] if args else None), **given})


def _output(output: object) -> Returned:
    """Reads a `ToolOutput`."""
    result = getattr(output, "raw_output", output)
    if getattr(output, "is_error", None) is not True:
        return Returned(result)
    error = getattr(output, "exception", None)
    if isinstance(error, BaseException):
        return Returned(None, f"{type(error).__name__}: {error}")
    return Returned(result, attribute(output, "content") or "error")


def _event(event: object) -> Returned:
    """Reads a `ToolCallResult`."""
    return _output(getattr(event, "tool_output", None))


REGISTRY = Registry(
    "llama_index.core",
    "llama-index-core",
    (
        Gate(
            f"{_WORKFLOWS}.base_agent",
            "BaseWorkflowAgent",
            "call_tool",
            _step,
            is_async=True,
            returned=_event,
        ),
        Gate(
            f"{_WORKFLOWS}.multi_agent_workflow",
            "AgentWorkflow",
            "call_tool",
            _step_of_many,
            is_async=True,
            returned=_event,
        ),
        Gate(_CALLING, "", "call_tool_with_selection", _selected, returned=_output),
        Gate(_CALLING, "", "acall_tool_with_selection", _selected, is_async=True, returned=_output),
        Gate(_FUNCTIONS, "FunctionTool", "call", _call, returned=_output),
        Gate(_FUNCTIONS, "FunctionTool", "acall", _call, is_async=True, returned=_output),
    ),
)
