"""Functions whose every run is an execution: synchronous, asynchronous, generators of both kinds.

Owns what is put around such a function, and how its arguments are told by parameter. The
execution is current only while the function's own code runs: not while whoever reads a
generator has the word. Knows neither why a function is observed nor how it came to be wrapped.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from types import CoroutineType, TracebackType
from typing import Any

from ..executions import Execution, Kind
from ..guard import guarded
from ..patch import Wrapper
from .executions import Executions
from .parameters import Parameters
from .snapshots import Yielded

_Begin = Callable[[], Execution | None]


class Observed:
    """Makes the wrappers of functions, whose runs are executions of one kind and name."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._give = guarded(self._given)
        self._take = guarded(Yielded.take)

    def wrapper(
        self, kind: Kind, name: str, function: Callable[..., object], *, is_method: bool = False
    ) -> Wrapper:
        """Gives what stands in for a function; that of a method leaves its receiver out."""
        accepted = guarded(Parameters.of(function, is_method=is_method).bound)
        executions = self._executions
        names = _names(function)

        def called(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            arguments = accepted(args, kwargs)
            execution = None if arguments is None else executions.begin(kind, name, arguments)
            if execution is None:
                return wrapped(*args, **kwargs)
            with _Within(executions, execution):
                result = wrapped(*args, **kwargs)
            if type(result) is CoroutineType:  # of a decorator around an asynchronous function
                return _named(executions.arun(execution, lambda: result, (), {}), names)
            executions.end(execution, result)
            return result

        run = self._way(function)
        if run is None:
            return called

        def started(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            arguments = accepted(args, kwargs)
            if arguments is None:
                return wrapped(*args, **kwargs)  # raises here, not when it is awaited or read
            begun = partial(executions.begin, kind, name, arguments)
            return _named(run(begun, wrapped, args, kwargs), names)

        return started

    def _way(self, function: Callable[..., object]) -> Callable[..., Any] | None:
        """Gives how a function's code is run that does not run when it is called; `None` for any other."""
        if inspect.isasyncgenfunction(function):
            return self._aiterated
        if inspect.iscoroutinefunction(function):
            return self._awaited
        flags = getattr(getattr(function, "__code__", None), "co_flags", inspect.CO_ITERABLE_COROUTINE)
        is_generator = inspect.isgeneratorfunction(function) and not flags & inspect.CO_ITERABLE_COROUTINE
        return self._iterated if is_generator else None

    async def _awaited(
        self, begun: _Begin, wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return await self._executions.arun(begun(), wrapped, args, kwargs)

    def _iterated(
        self, begun: _Begin, wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Generator[Any, Any, Any]:
        execution = begun()
        inner = wrapped(*args, **kwargs)
        if execution is None:
            return (yield from inner)
        yielded = Yielded()
        step, given = inner.send, None
        while True:
            try:
                with _Within(self._executions, execution, yielded):
                    item = step(given)
            except StopIteration as stop:
                self._give(execution, yielded, stop.value)
                return stop.value
            self._take(yielded, item)
            try:
                step, given = inner.send, (yield item)
            except BaseException as error:  # noqa: BLE001 - it is the function's to handle, GeneratorExit too
                yielded.is_left = isinstance(error, GeneratorExit)
                step, given = inner.throw, error

    async def _aiterated(
        self, begun: _Begin, wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[Any, Any]:
        execution = begun()
        inner = wrapped(*args, **kwargs)
        yielded = Yielded()
        step = _first(inner)
        while True:
            try:
                with _Within(self._executions, execution, yielded):
                    item = await step
            except StopAsyncIteration:
                self._give(execution, yielded, None)
                return
            self._take(yielded, item)
            try:
                step = inner.asend((yield item))
            except BaseException as error:  # noqa: BLE001 - it is the function's to handle, GeneratorExit too
                yielded.is_left = isinstance(error, GeneratorExit)
                step = inner.athrow(error)

    def _given(self, execution: Execution | None, yielded: Yielded, returned: object) -> None:
        if execution is not None:
            execution.details["stream_end"] = "closed" if yielded.is_left else "exhausted"
            self._executions.end(execution, yielded.told(returned))


class _Within:
    """Makes an execution the current one for a step of its function; what is raised there ends it.

    It is no generator with a `contextmanager`: that would cost more than all the rest.
    """

    __slots__ = ("_entered", "_execution", "_executions", "_yielded")

    def __init__(
        self, executions: Executions, execution: Execution | None, yielded: Yielded | None = None
    ) -> None:
        self._executions = executions
        self._execution = execution
        self._yielded = yielded

    def __enter__(self) -> None:
        if self._execution is not None:
            self._entered = self._executions.enter(self._execution)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        execution, yielded = self._execution, self._yielded
        if execution is None:
            return
        self._executions.leave(self._entered)
        if error is None:
            return
        if yielded is None:
            self._executions.fail(execution, error)
        elif isinstance(error, GeneratorExit) and yielded.is_left:
            execution.details["stream_end"] = "closed"
            self._executions.end(execution, yielded.told(None))
        elif not isinstance(error, (StopIteration, StopAsyncIteration)):
            execution.details["stream_end"] = "failed"
            execution.result = yielded.told(None)
            self._executions.fail(execution, error)


def _names(function: Callable[..., object]) -> tuple[str, str] | None:
    name, path = getattr(function, "__name__", None), getattr(function, "__qualname__", None)
    return (name, path) if isinstance(name, str) and isinstance(path, str) else None


def _named(running: Any, names: tuple[str, str] | None) -> Any:
    """Gives a coroutine or a generator under the names of its function, as warnings and tasks show them."""
    if names is not None:
        running.__name__, running.__qualname__ = names
    return running


def _first(inner: Any) -> Any:
    """Gives the first step of an asynchronous generator, unknown to the event loop.

    The loop would close it by itself at its end, besides the one around it, which does so in turn;
    and the second of the two fails (Python 3.10 to 3.13, `asyncio/base_events.py`, `shutdown_asyncgens`).
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
