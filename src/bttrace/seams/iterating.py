"""Generators as executions: from the first item that is asked for to the last that is given.

Owns that what is inside runs within its execution only while it runs, that all that can be done
to a generator is done to the one inside, and that only so many of the items are kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from ..executions import EXECUTING, Execution
from .executions import Executions

_MOST = 100  # items that are kept as the result
Begin = Callable[[], Execution | None]


def iterated(
    executions: Executions, begin: Begin, inside: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    """Gives a generator that is as the one inside, and an execution while it is iterated."""
    execution = begin()
    return (yield from inside if execution is None else _Inside(executions, execution, inside))


class _Inside:
    """A generator whose every step is taken within an execution."""

    __slots__ = ("_execution", "_executions", "_generator", "_items")

    def __init__(
        self, executions: Executions, execution: Execution, generator: Generator[Any, Any, Any]
    ) -> None:
        self._executions = executions
        self._execution = execution
        self._generator = generator
        self._items: list[object] = []

    def __iter__(self) -> _Inside:
        return self

    def __next__(self) -> Any:
        return self._step(self._generator.__next__)

    def send(self, value: Any) -> Any:
        """Does what a generator's does."""
        return self._step(self._generator.send, value)

    def throw(self, *error: Any) -> Any:
        """Does what a generator's does."""
        return self._step(self._generator.throw, *error)

    def close(self) -> None:
        """Does what a generator's does, and ends the execution."""
        self._within(self._generator.close)
        self._executions.end(self._execution, self._items)

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        item = self._within(step, *given)
        if len(self._items) < _MOST:
            self._items.append(item)
        return item

    def _within(self, step: Callable[..., Any], *given: Any) -> Any:
        token = EXECUTING.set(self._execution)
        try:
            return step(*given)
        except StopIteration:
            self._executions.end(self._execution, self._items)
            raise
        except BaseException as error:
            self._executions.fail(self._execution, error)
            raise
        finally:
            EXECUTING.reset(token)


async def aiterated(
    executions: Executions, begin: Begin, inside: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    """Does for an asynchronous generator what `iterated` does."""
    execution = begin()
    items: list[object] = []
    step: Callable[[Any], Any] = inside.asend
    given: Any = None
    while True:
        outer = EXECUTING.get()
        EXECUTING.set(execution or outer)
        try:
            item = await step(given)
        except StopAsyncIteration:
            if execution is not None:
                executions.end(execution, items)
            return
        except BaseException as error:
            if execution is not None:
                executions.fail(execution, error)
            raise
        finally:
            EXECUTING.set(outer)
        if len(items) < _MOST:
            items.append(item)
        try:
            given = yield item
            step = inside.asend
        except GeneratorExit:
            await _aclose(executions, execution, inside, items)
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in by whoever iterates, and passed on as it is
            given, step = error, inside.athrow


async def _aclose(
    executions: Executions, execution: Execution | None, inside: AsyncGenerator[Any, Any], items: list[object]
) -> None:
    outer = EXECUTING.get()
    EXECUTING.set(execution or outer)
    try:
        await inside.aclose()
    except BaseException as error:
        if execution is not None:
            executions.fail(execution, error)
        raise
    finally:
        EXECUTING.set(outer)
    if execution is not None:
        executions.end(execution, items)
