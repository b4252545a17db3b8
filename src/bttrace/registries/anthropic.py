"""Anthropic's tool runners: `beta_tool` functions, tools built in, toolsets, sync and async. PURE.

Gates hold on anthropic 2.11. A runner tells of a failure in the result that it sends to the model
(`lib/tools/_beta_runner.py`, `_run_tool`; of a managed session, `lib/tools/_beta_session_runner.py`).
A tool that the application calls itself, in a loop of its own, passes `call` alone, and so do those
of older versions' runners (`lib/tools/_beta_functions.py`).
"""

from __future__ import annotations

from .row import Args, Gate, Invocation, Kwargs, Registry, Returned, argument, attribute, by_name, words

_RUNNER = "anthropic.lib.tools._beta_runner"
_SESSIONS = "anthropic.lib.tools._beta_session_runner"
_FUNCTIONS = "anthropic.lib.tools._beta_functions"


def _of_block(block: object) -> Invocation | None:
    """Reads a `tool_use` block of an answer."""
    name = attribute(block, "name")
    if name is None:
        return None
    return Invocation(name, by_name(getattr(block, "input", None)), attribute(block, "id"))


def _run_tool(_runner: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    return _of_block(argument(args, kwargs, 1, "tool_use") or kwargs.get("ev"))


def _run_member(_runner: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    return _of_block(argument(args, kwargs, 0, "tool_use"))


def _call(tool: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    name = attribute(tool, "name")
    return None if name is None else Invocation(name, by_name(argument(args, kwargs, 0, "input")))


def _block(block: object) -> Returned:
    """Reads a `tool_result` block, which a session's runner gives beside its content."""
    if isinstance(block, tuple):
        block = block[0]
    if not isinstance(block, dict):
        return Returned(block)
    content = block.get("content")
    return Returned(content, words(content) if block.get("is_error") is True else None)


REGISTRY = Registry(
    "anthropic",
    "anthropic",
    (
        *(
            Gate(module, owner, name, asked, is_async=is_async, returned=_block, optional=True)
            for module, owner, name, asked, is_async in (
                (_RUNNER, "BaseSyncToolRunner", "_run_tool", _run_tool, False),
                (_RUNNER, "BaseAsyncToolRunner", "_run_tool", _run_tool, True),
                (_RUNNER, "BaseSyncToolRunner", "_run_toolset_member", _run_member, False),
                (_RUNNER, "BaseAsyncToolRunner", "_run_toolset_member", _run_member, True),
                (_SESSIONS, "SessionToolRunner", "_call_tool", _run_tool, True),
            )
        ),
        Gate(_FUNCTIONS, "BetaFunctionTool", "call", _call),
        Gate(_FUNCTIONS, "BetaAsyncFunctionTool", "call", _call, is_async=True),
    ),
    between=("anyio",),
)
