"""Keeps our faults away from the application.

Owns the project's only broad `except`. A *hook* is a function of ours that the
application's thread runs; `guarded` makes it safe: what it raises is logged once a
kind, and after `PATIENCE` faults the hook retires and does nothing for the rest of the
process. Under `BTTRACE_STRICT=1` faults are raised again, so that tests see them.
Exceptions that are not `Exception` (`KeyboardInterrupt`, cancellation) pass.

Owns also how often a thing is said: what never changes, once; a condition that lasts, at times.
"""

from __future__ import annotations

import os
import time

from . import speech

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

PATIENCE = 5
AT_TIMES = 60.0  # seconds from one line about a condition that lasts to the next
_LINES = 1000  # things of which it is remembered that they were said, the latest
_said: dict[str, None] = {}
_due: dict[str, float] = {}
_faults: dict[object, int] = {}
_retired: set[object] = set()


def strict() -> bool:
    """Whether our own faults are raised again."""
    return os.environ.get("BTTRACE_STRICT", "").strip().lower() in ("1", "true", "yes", "y", "on")


def say(message: str, *, level: str = "warning") -> None:
    """Logs a line through the `bttrace` logger. Never raises, whatever handlers it has."""
    speech.speak(lambda: _logged(level, message))


def _log(level: str, message: str) -> None:
    from . import log

    clean = guarded(log.clean, retires=False, theirs=_ignore)(message)
    log.say(level, clean or "a line is left out, because its secrets could not be replaced.")


def say_once(message: str, *, about: str = "", level: str = "warning") -> None:
    """Logs a line unless one about the same thing was logged before; by default, the same line."""
    key = about or message
    if key not in _said:
        _said[key] = None
        _bound(_said)
        say(message, level=level)


def say_at_times(message: str, *, about: str, every: float = AT_TIMES, level: str = "warning") -> bool:
    """Logs a line, at most once in `every` seconds one about the same thing; tells whether it did.

    For a condition that lasts: the message says how things stand by now, such as a count.
    """
    now = time.monotonic()
    if now < _due.get(about, now):
        return False
    _due.pop(about, None)  # the latest are remembered longest
    _due[about] = now + every
    _bound(_due)
    say(message, level=level)
    return True


def _bound(said: dict[str, None] | dict[str, float]) -> None:
    """Forgets the oldest of too many things: texts with an address or a number may never come again."""
    if len(said) > _LINES:
        for oldest in list(said)[:-_LINES]:
            said.pop(oldest, None)


def forget() -> None:
    """Lets every line be said again, and every hook work again: a new session has its own troubles."""
    _said.clear()
    _due.clear()
    _faults.clear()
    _retired.clear()


def guarded(
    hook: Callable[P, R], *, retires: bool = True, theirs: Callable[[Exception], object] | None = None
) -> Callable[P, R | None]:
    """Gives `hook` as a function that never raises an `Exception`: it returns `None` instead.

    With `theirs`, the code is the user's: its faults go there, and are neither logged nor raised again.
    """

    def safe(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if _retired and hook in _retired:
            return None
        try:
            return hook(*args, **kwargs)
        except Exception as fault:  # the one broad except: ours must not reach the application
            if theirs is not None:
                theirs(fault)
                return None
            if strict():
                raise
            _report(hook, fault)
            if retires:
                _count(hook)
            return None

    # Not functools.wraps: importing functools costs a start-up 2 ms.
    safe.__module__, safe.__qualname__, safe.__doc__ = hook.__module__, hook.__qualname__, hook.__doc__
    return safe


def _ignore(_fault: Exception) -> None:
    """Says nothing of what fails while something is said.

    A handler of the application's, an import when the interpreter is going down, our own cleaning: to
    say it would fail again.
    """


_logged = guarded(_log, retires=False, theirs=_ignore)


def _report(hook: Callable[..., object], fault: Exception) -> None:
    kind = type(fault).__name__
    say_once(
        f"internal error in {_name(hook)}: {kind} at {_place(fault)}. "
        "The application is not affected; please report it.",
        about=f"{_name(hook)} {kind}",
    )


def _place(fault: Exception) -> str:
    """Gives the file and line where a fault was raised. Its message may hold what was said."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rpartition(os.sep)[2]}:{trace.tb_lineno}"


def _count(hook: Callable[..., object]) -> None:
    _faults[hook] = _faults.get(hook, 0) + 1
    if _faults[hook] >= PATIENCE:
        _retired.add(hook)
        say_once(f"{_name(hook)} failed {PATIENCE} times and is switched off.")


def _name(hook: Callable[..., object]) -> str:
    return f"{getattr(hook, '__module__', '?')}.{getattr(hook, '__qualname__', '?')}"
