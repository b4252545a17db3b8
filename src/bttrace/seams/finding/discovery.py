"""Finding the tools that an answer asks for, and watching them run, with nobody naming them.

Owns the way from the names in an answer to functions that are watched, and when that ends:
when as many executions as were asked for have run, when the next request that offers tools
leaves from the same context, when it is too old, or when there are too many.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

from ...executions import EXECUTING
from ...guard import guarded
from ...process import forks
from ..calls import Call
from ..executions import Executions
from .askings import ASKED, Asking, Awaited
from .search import Found, Search

_MOST = 64  # functions that are watched at a time
_REMEMBERED = 1000  # names that were not found
_WAIT = 0.002  # seconds at most, for another thread that is at it: it takes less than 0.0001
_PATIENCE = 64  # how often at most a name that was not found is not looked for again


class Watcher(Protocol):
    """A way to watch functions."""

    def watch(self, awaited: Awaited) -> None:
        """Watches the executions of a function."""

    def unwatch(self, awaited: Awaited) -> None:
        """Watches it no more."""

    def close(self) -> None:
        """Lets go of everything."""

    def renew(self) -> None:
        """Lets go of everything, in a forked child."""


class Discovery:
    """Finds and watches the functions of tools. `ask` and `go_on` never raise."""

    def __init__(self, executions: Executions) -> None:
        self._watcher = _watcher(executions)
        self._awaited: dict[Awaited, None] = {}
        self._search = Search()
        self._missed: dict[tuple[int, str], tuple[int, int]] = {}
        self._lock = allocate_lock()
        self.skip = self._search.skip
        self.ask = guarded(self._ask)
        self.go_on = guarded(self._go_on)
        forks.follow(self)

    def _ask(self, call: Call, names: Sequence[str]) -> None:
        """Takes the names of the tools that an answer asks for, in the frames of who reads it."""
        if not self._lock.acquire(timeout=_WAIT):
            return  # what is not observed now is told from the next request
        try:
            frames: list[FrameType] | None = None
            for name in names:
                asking = next((one for one in ASKED.get() if one.call is call and one.name == name), None)
                if asking is None:
                    frames = frames or self._search.frames(sys._getframe(1))
                    asking = self._asking(call, name, frames)
                if asking is not None:
                    asking.left += 1
        finally:
            self._lock.release()

    def _asking(self, call: Call, name: str, frames: list[FrameType]) -> Asking | None:
        """Gives a new asking for a tool, if its function is found; it is watched from now on."""
        key = (id(frames[0].f_code), name) if frames else None
        if key is None or self._is_in_vain(key):
            return None
        place = self._search.found(frames, name)
        if place is None:
            self._miss(key)
            return None
        self._missed.pop(key, None)
        awaited = self._await(name, place)
        asking = Asking(call, name, EXECUTING.get(), awaited)
        awaited.askings = (*awaited.askings, asking)
        ASKED.set((*ASKED.get(), asking))
        return asking

    def _await(self, name: str, place: Found) -> Awaited:
        """Gives a function that is watched; one that is already, if it is the same."""
        known = place.target.known()
        for one in list(self._awaited):
            if not one.is_watched or all(asking.is_old for asking in one.askings):
                self._end(one)
            elif one.name == name and one.known.is_as(known):
                return one
        if len(self._awaited) >= _MOST:
            self._end(next(iter(self._awaited)))
        awaited = Awaited(name, known, place.slots)
        self._awaited[awaited] = None
        self._watcher.watch(awaited)
        return awaited

    def _go_on(self) -> None:
        """Takes it that a request leaves, which brings the results of what was asked for in this context."""
        asked = ASKED.get()
        if not asked:
            return
        within = EXECUTING.get()
        ASKED.set(tuple(asking for asking in asked if asking.within is not within))
        for asking in asked:
            if asking.within is within:
                awaited = asking.awaited
                awaited.askings = tuple(one for one in awaited.askings if one is not asking)
                if not awaited.askings:
                    self._end(awaited)

    def _end(self, awaited: Awaited) -> None:
        self._awaited.pop(awaited, None)
        self._watcher.unwatch(awaited)

    def _is_in_vain(self, key: tuple[int, str]) -> bool:
        """Tells whether a name was not found here lately; it is looked for again, ever more seldom."""
        missed = self._missed.get(key)
        if missed is None or not missed[1]:
            return False
        self._missed[key] = (missed[0], missed[1] - 1)
        return True

    def _miss(self, key: tuple[int, str]) -> None:
        if len(self._missed) >= _REMEMBERED:
            self._missed.clear()
        times, _ = self._missed.get(key, (0, 0))
        self._missed[key] = (times + 1, min(2**times, _PATIENCE))

    def close(self) -> None:
        """Lets go of everything."""
        self._awaited.clear()
        self._watcher.close()

    def before_fork(self) -> None:
        """Has nothing to come to rest."""

    def after_fork_in_parent(self) -> None:
        """Has nothing to go on with."""

    def after_fork(self) -> None:
        """Leaves what is awaited to the parent; another thread of it may have held the locks."""
        self._lock = allocate_lock()
        self._watcher.renew()
        self._awaited.clear()


def _watcher(executions: Executions) -> Watcher:
    """Gives the way to watch functions that this Python has, and loads no other."""
    if sys.version_info >= (3, 12):
        from .monitors import Monitors

        return Monitors(executions)
    from .standins import StandIns

    return StandIns(executions)
