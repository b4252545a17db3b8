"""Hugging Face's smolagents: the tools of its agents, and the agents that agents manage. PURE.

Gates hold on smolagents 1.26. An agent that calls tools is not told the id where it runs one
(`agents.py`, `process_tool_calls`), and sends their results as words of the user's (`memory.py`,
`ActionStep.to_messages`). One that writes code calls its tools by hand, in a thread that it starts
for that (`local_python_executor.py`).
"""

from __future__ import annotations

from .row import Args, Carrier, Gate, Invocation, Kwargs, Registry, argument, attribute, by_name

_ANSWER = "final_answer"


def _execute(call: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    name = argument(args, kwargs, 0, "tool_name")
    if not isinstance(name, str):
        return None
    given = by_name(argument(args, kwargs, 1, "arguments"))
    call_id = attribute(call, "id") if attribute(call, "name") == name else None
    return Invocation(name, given, call_id, returns="nowhere" if name == _ANSWER else "in words")


def _cause(error: BaseException) -> BaseException:
    """Gives what a tool raised, which an agent tells in words of its own."""
    return error.__cause__ if type(error).__name__ == "AgentToolExecutionError" and error.__cause__ else error


def _call(tool: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    name = attribute(tool, "name")
    if name is None:
        return None
    inputs = getattr(tool, "inputs", None)
    if len(args) == 1 and not kwargs and isinstance(args[0], dict):
        return Invocation(name, args[0])
    given = dict(zip(inputs, args, strict=False)) if isinstance(inputs, dict) else {}
    named = {name: value for name, value in kwargs.items() if name != "sanitize_inputs_outputs"}
    return Invocation(name, {**given, **named})


def _run(agent: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    """Reads a run; one that is streamed goes on after it was called, and is none."""
    if argument(args, kwargs, 1, "stream"):
        return None
    task = argument(args, kwargs, 0, "task")
    return Invocation(attribute(agent, "name") or type(agent).__name__, by_name({"task": task}))


REGISTRY = Registry(
    "smolagents",
    "smolagents",
    (
        Gate("smolagents.agents", "MultiStepAgent", "run", _run, kind="task"),
        Gate(
            "smolagents.agents",
            "ToolCallingAgent",
            "execute_tool_call",
            _execute,
            raised=_cause,
            local="tool_call",
        ),
        Gate("smolagents.tools", "Tool", "__call__", _call),
    ),
    carriers=(Carrier("smolagents.local_python_executor", "timeout"),),
)
