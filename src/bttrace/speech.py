"""Whose turn it is to speak, on stderr or to a log: one thread at a time, at the end one for good.

A thread that is inside the buffer of stderr while the interpreter goes down aborts the
process (CPython 3.10 to 3.13, `_enter_buffered_busy` in `Modules/_io/bufferedio.c`), and one
that is inside a lock of `logging` then never leaves it. Daemon threads go on until the very
end. So whoever speaks has the turn, and the thread that ends the process takes it and keeps it.

Nobody waits for a turn: who does not get it leaves what is to be said to the one who has it.
Nor does anybody wait for a reader of stderr that does not read.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Act = Callable[[], object]

_PATIENCE = 0.1  # seconds that stderr may take until there is room for a line
_PIECE = 512  # bytes; what POSIX promises of a pipe that has room (`PIPE_BUF`)
_unsaid: list[Act] = []  # only who has the turn takes from it
_turn = allocate_lock()
_last_turn = allocate_lock()  # of the thread that keeps the other
_keeper: int | None = None


def speak(act: Act) -> None:
    """Does what speaks, now or in the turn of the thread that has it. Never waits for another."""
    if sys.is_finalizing():
        return
    _unsaid.append(act)
    turn = _last_turn if _keeper == get_ident() else _turn
    while _unsaid and turn.acquire(blocking=False):
        try:
            _say_all()
        finally:
            turn.release()


def _say_all() -> None:
    while _unsaid:
        _unsaid.pop(0)()


def write(text: str) -> bool:
    """Writes to whatever `sys.stderr` is at this moment; tells whether it could.

    To the process's own not through its buffer, because a thread that waits in there holds its lock.
    """
    stream, own = sys.stderr, sys.__stderr__
    if stream is None or stream.closed:
        return False
    try:
        if own is not None and stream is own and os.name == "posix":
            return _written(own.fileno(), text.encode(own.encoding, "backslashreplace"))
        stream.write(text)
        stream.flush()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):  # the last when it comes between the application's own writing
        return False
    return True


def _written(descriptor: int, data: bytes) -> bool:
    from select import select

    while data:
        if not select((), (descriptor,), (), _PATIENCE)[1]:
            return False
        size = os.write(descriptor, data[:_PIECE])
        data = data[size:]
    return True


def keep(patience: float) -> None:
    """Lets nobody but this thread speak any more; waits for who is at it, at most `patience` seconds."""
    global _keeper
    if _keeper is None and _turn.acquire(timeout=patience):
        _keeper = get_ident()
        _say_all()


def _renew() -> None:
    """Starts anew in a forked child, where nobody is that had the turn."""
    global _keeper, _last_turn, _turn
    _turn, _last_turn, _keeper = allocate_lock(), allocate_lock(), None
    _unsaid.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_renew)
