"""Threads, locks and sleep as the operating system has them, whatever gevent made of Python's.

Owns how our threads start, wait and end, and how anything else of Python's is found as it was. A
patched `time.sleep` or lock would have them run in the application's event loop, and a patched
`start_new_thread` is no thread at all. Knows nothing of what they do; gevent is never imported
by us, only found.

Source: `get_original` and `is_module_patched` of gevent 26.9 (`monkey/api.py`), its `get_ident`
(`thread.py`), and `Thread._delete` of CPython 3.10 to 3.13 (`threading.py`).
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from _thread import LockType
from collections.abc import Callable
from typing import Any

_POLL = 0.005  # seconds between two looks of a greenlet that waits for a thread


def original(module: Any, name: str) -> Any:
    """Gives what a module of Python's has under a name, before gevent put its own there."""
    monkey = sys.modules.get("gevent.monkey")
    found = getattr(monkey, "get_original", None)
    return getattr(module, name) if found is None else found(module.__name__, name)


def is_patched(module: Any, name: str) -> bool:
    """Tells whether gevent put its own there."""
    return original(module, name) is not getattr(module, name)


# A lock that only threads wait for: a greenlet must not hold it while another may run.
allocate_lock: Callable[[], LockType] = original(_thread, "allocate_lock")
# The identity of this thread, not of this greenlet.
get_ident: Callable[[], int] = original(_thread, "get_ident")
# Lets this thread sleep, with all that runs in it.
sleep: Callable[[float], None] = original(time, "sleep")


def start(run: Callable[[], object], name: str) -> None:
    """Starts a daemon thread. Raises `RuntimeError` when the interpreter is going down."""
    if is_patched(_thread, "start_new_thread"):
        original(_thread, "start_new_thread")(run, ())
    else:
        threading.Thread(target=run, name=name, daemon=True).start()


def leave() -> None:
    """Has Python find this thread where it looks for it when it ends, which it is about to.

    If gevent has patched since it was started, `threading` looks for it under a greenlet's identity
    and does not find it, which Python tells standard error; at its end that aborts the process.
    """
    listed: dict[int, threading.Thread] = getattr(threading, "_active", {})
    own, sought = get_ident(), threading.get_ident()
    if own != sought and own in listed:
        listed[sought] = listed.pop(own)


class Event:
    """Happens once. Any thread sets it; one of the application's waits for it, and lets its greenlets run."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = allocate_lock()
        self._pending.acquire()

    def set(self) -> None:
        """Lets everybody go on who waits."""
        if self._pending.locked():
            try:
                self._pending.release()
            except RuntimeError:
                pass  # two threads set it at once

    def is_set(self) -> bool:
        """Tells whether it has happened."""
        return not self._pending.locked()

    def wait(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds; tells whether it has happened."""
        if not is_patched(time, "sleep"):
            return self._passed(timeout)
        deadline = time.monotonic() + timeout
        while self._pending.locked() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _POLL))
        return not self._pending.locked()

    def _passed(self, timeout: float) -> bool:
        if timeout <= 0:
            return not self._pending.locked()
        happened = self._pending.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))
        if happened:
            self.set()
        return happened
