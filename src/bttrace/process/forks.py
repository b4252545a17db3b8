"""What is to be done when the process forks.

Owns the hooks that Python calls around `os.fork`, which can't be taken back once they are
registered; so they are registered once, and hold on to nobody. A program that embeds Python
may fork without calling them: a child finds out by `MARK`, which is empty then.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from ..guard import guarded
from .native import allocate_lock

_WIPE_ON_FORK = 18  # madvise(2), Linux 4.14


class Forking(Protocol):
    """Something that a fork concerns."""

    def before_fork(self) -> None:
        """Comes to rest, because a child inherits the locks of threads that it does not inherit."""

    def after_fork_in_parent(self) -> None:
        """Goes on."""

    def after_fork(self) -> None:
        """Starts anew, in the child."""


def _mark() -> mmap.mmap | bytearray:
    """Gives a byte that is 1, and 0 in a forked child; where the system can't do that, it stays 1."""
    try:
        page = mmap.mmap(-1, 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_WIPE_ON_FORK)
    except (AttributeError, OSError, ValueError):
        return bytearray(b"\1")
    page[0] = 1
    return page


MARK = _mark()
"""Its byte is looked at in 20 ns; asking for the process's id takes ten times as long."""
_followers: WeakKeyDictionary[Forking, None] = WeakKeyDictionary()
_forking: list[None] = []  # one for each thread that is forking now
_catching_up = allocate_lock()
_pid = os.getpid()


def follow(follower: Forking) -> None:
    """Tells a follower of every fork for as long as it lives, after those that followed before."""
    _followers[follower] = None


def _all(act: Callable[[Forking], object]) -> None:
    for follower in list(_followers):
        act(follower)


def _rest(follower: Forking) -> None:
    follower.before_fork()


def _go_on(follower: Forking) -> None:
    follower.after_fork_in_parent()


def _renew(follower: Forking) -> None:
    follower.after_fork()


_rested = guarded(_rest, retires=False)
_went_on = guarded(_go_on, retires=False)
_renewed = guarded(_renew, retires=False)


def _before() -> None:
    _forking.append(None)
    _all(_rested)


def _after_in_parent() -> None:
    _forking.pop()
    if not _forking:
        _all(_went_on)


def _after_in_child() -> None:
    global _pid
    _forking.clear()
    _pid = os.getpid()
    MARK[0] = 1
    _all(_renewed)


def catch_up() -> None:
    """Starts everything anew if this is a child of a fork that Python was not told of."""
    if os.getpid() != _pid:
        with _catching_up:
            if os.getpid() != _pid:
                _after_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=guarded(_before, retires=False),
        after_in_parent=guarded(_after_in_parent, retires=False),
        after_in_child=guarded(_after_in_child, retires=False),
    )
