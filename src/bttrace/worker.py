"""A thread of ours: it sleeps until it is roused, works, and comes to rest while the process forks.

Owns how a daemon thread is started, woken, parked and ended. Knows nothing of what is worked at.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import forks
from .guard import guarded

FORK_PATIENCE = 0.5  # seconds that a fork may wait for a thread of ours to stand still
_here = threading.local()


def is_ours() -> bool:
    """Tells whether this thread is ours, or does our work: who waits here for our threads waits for ever."""
    return getattr(_here, "is_ours", False)


@contextmanager
def acting() -> Iterator[None]:
    """Makes this thread ours until the block ends, in which it does our work or starts a thread of ours."""
    before = is_ours()
    _here.is_ours = True
    try:
        yield
    finally:
        _here.is_ours = before


def _nothing() -> bool:
    return False


class Worker:
    """Calls `work` whenever it is roused, and again after the seconds that it gives, if any.

    It waits `linger` seconds after it was woken, so that much of what comes together is one
    piece of work, unless it is hurried. `has_work` is asked before it sleeps: who gives it work
    need rouse it only while it is `asleep`. What blocks for long in `work` is done `away`.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], float | None],
        *,
        linger: float = 0.0,
        has_work: Callable[[], bool] = _nothing,
    ) -> None:
        self.away = False
        self._name = name
        self._work = work
        self._linger = linger
        self._has_work = has_work
        self._target = guarded(self._run)
        self._remake()
        forks.follow(self)

    def _remake(self) -> None:
        self.asleep = True
        self.parked = False
        self.away = False
        self._ended = False
        self._hurried = False
        self._thread: threading.Thread | None = None
        self._starting = allocate_lock()
        self._wake = allocate_lock()
        self._wake.acquire()

    def is_alive(self) -> bool:
        """Tells whether there is a thread that will work; waits for one that another thread is starting."""
        with self._starting:
            thread = self._thread
            return thread is not None and thread.is_alive()

    def rouse(self, *, at_once: bool = False) -> None:
        """Wakes the thread, or starts it. Never blocks."""
        if at_once:
            self._hurried = True
        self.asleep = self._ended and self._thread is None
        if self._thread is None and not self._ended:
            self._start()
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it was released before, and the thread has not taken notice yet

    def end(self, timeout: float) -> None:
        """Ends the thread, after the work that it is at."""
        self._ended = True
        self.rouse()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _start(self) -> None:
        # Again, if a thread ended meanwhile that found us here and so started none.
        while self._thread is None and not self._leaves():
            if not self._starting.acquire(blocking=False):
                return
            try:
                with acting():  # a signal's handler or finalizer amid this must not wait for it
                    if self._thread is None:
                        thread = threading.Thread(target=self._target, name=self._name, daemon=True)
                        self._thread = thread  # before it runs, because it takes itself out when it ends
                        thread.start()
            except RuntimeError:
                self._thread = None  # the interpreter is going down; who waits for the work does it
                return
            finally:
                self._starting.release()

    def _run(self) -> None:
        pause: float | None = None
        _here.is_ours = True
        try:
            while not self._leaves():
                self._sleep(pause)
                if not self._leaves():
                    pause = self._work()
        finally:
            self._thread = None
            self.asleep = True
            if not self._leaves():  # it was parked, and the fork is over already
                self.rouse()

    def _leaves(self) -> bool:
        return self._ended or self.parked

    def _sleep(self, pause: float | None) -> None:
        self.asleep = True
        if not self._has_work() and self._wake.acquire(timeout=-1 if pause is None else pause):
            self.asleep = False
            if self._linger and not (self._hurried or self._leaves()):
                self._wake.acquire(timeout=self._linger)
        self.asleep = False
        self._hurried = False

    # Around a fork.

    def before_fork(self) -> None:
        """Ends the thread while the process forks, unless it is away.

        A child inherits no thread, but every lock that one held: of an import, of the
        loader. And from Python 3.12 on, forking beside a thread is a warning, which
        would be ours to answer for.
        """
        thread = self._thread
        if thread is None or self._ended:
            return
        self.parked = True
        self.rouse()
        deadline = time.monotonic() + FORK_PATIENCE
        while thread.is_alive() and not self.away and time.monotonic() < deadline:
            thread.join(0.005)

    def after_fork_in_parent(self) -> None:
        """Lets the thread go on."""
        if self.parked:
            self.parked = False
            self.rouse()

    def after_fork(self) -> None:
        """Leaves the thread to the parent; one of the child's own starts when there is work for it."""
        ended = self._ended
        self._remake()
        self._ended = ended
