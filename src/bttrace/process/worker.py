"""A thread of ours: it sleeps until it is roused, works, and comes to rest while the process forks.

Owns how a daemon thread is started, woken, parked and ended. Knows nothing of what is worked at.
"""

from __future__ import annotations

import threading
import time
from _thread import LockType
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakSet

from ..guard import guarded
from . import fork_warning, forks
from .native import allocate_lock, get_ident, leave, start

FORK_PATIENCE = 0.5  # seconds that a fork may wait for our threads to stand still
LOADING_PATIENCE = 5.0  # while one of them imports: what a child inherits half imported, it waits for in vain
_SLICE = 0.1  # seconds between two looks whether the application is still there
_OUTLIVE = 5.0  # seconds that we are there after it, at most
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
    need rouse it only while it is `asleep`. Before it sleeps it `dozes` for `naps`, each of so many seconds,
    and asks after each: to rouse a thread costs the application's own more than all else that it does for
    us, and who is roused while that is busy gets in its way. What blocks for long in `work` is done
    `away`; while `work` imports, it `loads`.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], float | None],
        *,
        linger: float = 0.0,
        naps: Sequence[float] = (),
        has_work: Callable[[], bool] = _nothing,
    ) -> None:
        self._name = name
        self._work = work
        self._linger = linger
        self.naps = naps
        self._has_work = has_work
        self._target = guarded(self._run)
        self._remake()
        _workers.add(self)

    def _remake(self) -> None:
        self.asleep = True
        self.dozes = False
        self.parked = False
        self.away = False
        self.loads = False
        self.native_id: int | None = None  # of the latest thread
        self._ended = False
        self._hurried = False
        self._resumes = False
        self._ident: int | None = None
        self._living = allocate_lock()  # held from when a thread is started until it leaves
        self._working = allocate_lock()  # held by whoever works
        self._wake = allocate_lock()
        self._wake.acquire()

    def is_alive(self) -> bool:
        """Tells whether there is a thread, or one is being started. Never blocks."""
        return self._living.locked()

    @property
    def rests(self) -> bool:
        """Whether it has done all that it knew of."""
        return self.asleep or self.dozes

    def rouse(self, *, at_once: bool = False) -> None:
        """Wakes the thread, or starts it. Never blocks."""
        if at_once:
            self._hurried = True
        self.asleep = self._ended and not self._living.locked()
        self._call()  # before the look: a thread that is about to leave looks for it after it has left
        if not (self._living.locked() or self._leaves()):
            self._start()

    def _call(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it was released before, and the thread has not taken notice yet

    def stand_in(self, deadline: float) -> bool:
        """Works on the calling thread, where there is none and none can be started; tells whether it could.

        While the process forks in another thread, it waits: then there is one again.
        """
        while not self.is_alive() or self.parked:
            left = max(deadline - time.monotonic(), 0.0)
            if self.parked and left:
                time.sleep(min(left, 0.001))
                continue
            if not self._working.acquire(timeout=left):
                return False
            try:
                with acting():
                    self._work()
            finally:
                self._working.release()
            if not (self.parked and left):
                return True
        return False

    def rest(self, seconds: float) -> None:
        """Sleeps amid work, but no longer than until the process forks or the thread shall end."""
        until = time.monotonic() + seconds
        while not self._leaves() and (left := until - time.monotonic()) > 0:
            self._wake.acquire(timeout=left)

    def end(self, timeout: float) -> None:
        """Ends the thread, after the work that it is at."""
        self._ended = True
        self.rouse()
        if self._ident != get_ident():
            self.left(timeout)

    def left(self, timeout: float) -> bool:
        """Waits until the thread has left; tells whether it has."""
        left = self._living.acquire(timeout=timeout)
        if left:
            self._living.release()
        return left

    def _start(self) -> None:
        if not self._living.acquire(blocking=False):
            return
        try:
            with acting():  # a signal's handler or a finalizer that comes in between must not wait for this
                start(self._target, self._name)
        except RuntimeError:
            self._living.release()  # the interpreter is going down; who waits for the work does it

    def _run(self) -> None:
        self._ident, self.native_id = get_ident(), threading.get_native_id()
        pause: float | None = None
        _here.is_ours = True
        try:
            while not self._leaves() and self._sleep(pause):
                if not self._leaves():
                    with self._working:
                        pause = self._work()
        finally:
            self._ident = None
            self.asleep = True
            self._living.release()
            # It was parked, and the fork is over already; or was called after it had decided to leave.
            if not self._leaves() and self._wake.acquire(blocking=False):
                self.rouse()
            leave()

    def _leaves(self) -> bool:
        return self._ended or self.parked

    def _sleep(self, pause: float | None) -> bool:
        """Waits until there is work; tells whether the thread shall stay for it."""
        self.asleep = True
        if _workers.must_not_outlive and not self._has_work():
            stays = _watched(self._wake, pause)
            self.asleep = not stays
            return stays
        if not self._has_work() and self._waits(pause):
            self.asleep = False
            if self._linger and not (self._hurried or self._leaves()):
                self._wake.acquire(timeout=self._linger)
        self.asleep = False
        self._hurried = False
        return True

    def _waits(self, pause: float | None) -> bool:
        """Waits to be roused, at most as long as a pause; tells whether it was. At first it only dozes."""
        self.asleep, self.dozes = False, True
        try:
            for nap in self.naps:
                if pause is not None and pause <= nap:
                    break
                if self._wake.acquire(timeout=nap):
                    return True
                if self._has_work():
                    return False
                pause = None if pause is None else pause - nap
        finally:
            self.dozes = False
        self.asleep = True
        return not self._has_work() and self._wake.acquire(timeout=-1 if pause is None else pause)

    # Around a fork.

    def park(self) -> None:
        """Has the thread leave as soon as it can, and none start."""
        self._resumes = self._resumes or self.is_alive()
        self.parked = True
        self._call()

    def unpark(self) -> None:
        """Lets the thread go on, if it has anything to do."""
        self.parked = False
        if self._resumes or not self.asleep or self._has_work():
            self._resumes = False
            self.rouse()

    def renew(self) -> None:
        """Leaves the thread to the parent; one of the child's own starts when there is work for it."""
        ended = self._ended
        self._remake()
        self._ended = ended


def _watched(wake: LockType, pause: float | None) -> bool:
    """Waits to be woken, or for the end of a pause; tells if either came while the application was there.

    Without a pause it does not wait for long: another thread starts when there is work.
    """
    now = time.monotonic()
    until = now + (_SLICE if pause is None else pause)
    outlived = 0.0
    while (left := until - time.monotonic()) > 0:
        if wake.acquire(timeout=min(left, _SLICE)):
            return True
        outlived += 0.0 if threading.main_thread().is_alive() else _SLICE
        if outlived > _OUTLIVE:
            return False
    return pause is not None


class _Workers:
    """All threads of ours, as a fork concerns them.

    A child inherits no thread, but every lock that one held: of an import, of the loader.
    And from Python 3.12 on, forking beside a thread is a warning, which would be ours to
    answer for. So all leave while the process forks, but those that are away.

    A child that a thread forked ends with this thread, and not before every other has
    ended: `must_not_outlive` says that we are in one.
    """

    def __init__(self) -> None:
        self.must_not_outlive = False
        self._is_thread = False
        self._all: WeakSet[Worker] = WeakSet()

    def add(self, worker: Worker) -> None:
        self._all.add(worker)

    def before_fork(self) -> None:
        """Waits for all of them together."""
        began = time.monotonic()
        self._is_thread = threading.current_thread() is not threading.main_thread()
        workers = list(self._all)
        for worker in workers:
            worker.park()
        for worker in workers:
            while not worker.left(0.001) and not worker.away:
                patience = LOADING_PATIENCE if worker.loads else FORK_PATIENCE
                if time.monotonic() - began > patience:
                    break
        fork_warning.hush({worker.native_id for worker in workers if worker.native_id is not None})

    def after_fork_in_parent(self) -> None:
        for worker in list(self._all):
            worker.unpark()

    def after_fork(self) -> None:
        fork_warning.restore()
        self.must_not_outlive |= self._is_thread
        self._is_thread = False
        for worker in list(self._all):
            worker.renew()


_workers = _Workers()
forks.follow(_workers)
