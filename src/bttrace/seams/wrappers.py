"""What is put around a function so that each call of it is an execution.

Owns the four kinds of functions: one that is called, a coroutine's, a generator's, an
asynchronous generator's. Each gives what it gave, of the same kind; what begins is told by
whoever has it wrapped. Knows no registry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

from ..executions import Execution
from ..guard import guarded
from ..patch import Wrapper
from ..registries.row import Gate
from .executions import Executions, itself
from .iterating import aiterated, iterated

Begin = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Execution | None]
"""Begins the execution that a call with `(instance, args, kwargs)` is, if it is one."""


def wrapper_of(function: object, executions: Executions, begin: Begin) -> Wrapper:
    """Gives the wrapper for a function of any kind."""
    function = _plain(function)
    if isasyncgenfunction(function):
        return _iterating(executions, begin, aiterated)
    if isgeneratorfunction(function):
        return _iterating(executions, begin, iterated)
    return wrapper(executions, begin, is_async=True if iscoroutinefunction(function) else None)


def wrapper(
    executions: Executions, begin: Begin, *, is_async: bool | None, gate: Gate | None = None
) -> Wrapper:
    """Gives the wrapper for a function that is called, or awaited; `None` is either, as it turns out."""
    begun = guarded(begin)

    def run(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return executions.run(
            begun(instance, args, kwargs), wrapped, args, kwargs, gate, may_await=is_async is None
        )

    def called(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        # Called now, as without us: arguments that do not match its parameters are told to the caller.
        inside = wrapped(*args, **kwargs)
        return _named_as(inside, awaited(inside, instance, args, kwargs))

    async def awaited(
        inside: Awaitable[Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return await executions.arun(begun(instance, args, kwargs), itself, (inside,), {}, gate)

    return called if is_async else run


def _iterating(executions: Executions, begin: Begin, iterating: Callable[..., Any]) -> Wrapper:
    begun = guarded(begin)

    def called(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        inside = wrapped(*args, **kwargs)
        return _named_as(inside, iterating(executions, partial(begun, instance, args, kwargs), inside))

    return called


def _named_as(inside: Any, outside: Any) -> Any:
    """Gives a coroutine or a generator under the name of the one inside, as tasks and warnings tell it."""
    outside.__name__ = getattr(inside, "__name__", outside.__name__)
    outside.__qualname__ = getattr(inside, "__qualname__", outside.__qualname__)
    return outside


def _plain(function: object) -> object:
    """Gives the function inside, of a static or class method, or of an object that is called."""
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__") and not isinstance(function, (partial, type)):
        return getattr(type(function), "__call__", function)  # noqa: B004 - that function is what is asked for
    return function
