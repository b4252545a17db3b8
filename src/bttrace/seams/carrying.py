"""What is handed to another thread runs in what it was handed over in.

A pool starts each item without the context of who submitted it (Python 3.10 to 3.13,
`concurrent/futures/thread.py`), and `run_in_executor` likewise; `asyncio.to_thread` has it. Owns
that the execution, the correlation and the suppression around go along. Threads that the application
starts itself are left alone: they may outlive what they were started in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from ..executions import EXECUTING
from ..guard import guarded
from ..patch import Ledger
from ..surroundings.correlated import CORRELATED
from ..surroundings.suppression import SUPPRESSED

_CARRIED: tuple[ContextVar[Any], ...] = (EXECUTING, CORRELATED, SUPPRESSED)
_NOWHERE = (None,) * len(_CARRIED)


def patch(pools: ModuleType, ledger: Ledger) -> None:
    """Patches `concurrent.futures.thread`."""
    ledger.wrap(pools.ThreadPoolExecutor, "submit", _submitted)


def _here() -> tuple[Any, ...] | None:
    """Gives what the application's code runs in; `None` when that is nothing."""
    around = tuple([variable.get() for variable in _CARRIED])
    return None if around == _NOWHERE else around


here = guarded(_here)


def carried(around: tuple[Any, ...], function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Calls a function, in another thread, in what was around."""
    tokens = [variable.set(value) for variable, value in zip(_CARRIED, around, strict=True)]
    try:
        return function(*args, **kwargs)
    finally:
        for variable, token in zip(_CARRIED, tokens, strict=True):
            variable.reset(token)


def _submitted(wrapped: Any, pool: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    around = here()
    if around is None or not args or _leaves(pool):
        return wrapped(*args, **kwargs)
    return wrapped(carried, around, *args, **kwargs)


def _leaves_the_interpreter(pool: object) -> bool:
    """Tells whether a pool pickles what it is given (Python 3.14, `concurrent/futures/interpreter.py`)."""
    return any(cls.__module__ == "concurrent.futures.interpreter" for cls in type(pool).__mro__)


_leaves = guarded(_leaves_the_interpreter)
