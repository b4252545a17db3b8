"""What is to be done when the process forks.

Owns the hooks that Python calls around `os.fork`, which can't be taken back once they are
registered; so they are registered once, and hold on to nobody.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

from .guard import guarded


class Forking(Protocol):
    """Something that a fork concerns."""

    def before_fork(self) -> None:
        """Comes to rest, because a child inherits the locks of threads that it does not inherit."""

    def after_fork_in_parent(self) -> None:
        """Goes on."""

    def after_fork(self) -> None:
        """Starts anew, in the child."""


_followers: WeakSet[Forking] = WeakSet()


def follow(follower: Forking) -> None:
    """Tells a follower of every fork for as long as it lives."""
    _followers.add(follower)


def _before() -> None:
    for follower in list(_followers):
        follower.before_fork()


def _after_in_parent() -> None:
    for follower in list(_followers):
        follower.after_fork_in_parent()


def _after_in_child() -> None:
    for follower in list(_followers):
        follower.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=guarded(_before, retires=False),
        after_in_parent=guarded(_after_in_parent, retires=False),
        after_in_child=guarded(_after_in_child, retires=False),
    )
