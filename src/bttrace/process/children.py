"""Children of `multiprocessing`, which end without Python's exit handlers.

Owns what makes their last flush happen all the same: a finalizer, which they run at their
end, and a handler of the signal by which a pool ends them, unless the application has one of its
own. Neither library is imported by us.

Source: CPython 3.10 to 3.13 (`multiprocessing/process.py`, `popen_fork.py`, `util.py`) and its
fork billiard 4.3 (`process.py`, `util.py`), which Celery uses.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_LIBRARIES = ("multiprocessing", "billiard")
_LAST = -1000  # the priority of a finalizer that runs after all others, those that hand results over too


def is_child(library: str) -> bool:
    """Tells whether this process was started by a library, as far as it was imported."""
    process = sys.modules.get(f"{library}.process")
    current: Any = getattr(process, "current_process", None)
    # Which the main process has too, and there it is `None`.
    return current is not None and getattr(current(), "_parent_pid", None) is not None


def at_end(flush: Callable[[], object]) -> bool:
    """Has `flush` called once when this process ends, if it is such a child; tells whether it is."""
    for library in _LIBRARIES:
        util: Any = sys.modules.get(f"{library}.util")
        finalize: Any = getattr(util, "Finalize", None)
        if finalize is not None and is_child(library):
            waits = library == "multiprocessing" and sys.version_info < (3, 13)
            if waits and util.is_exiting():
                _after_threads(flush)
            else:
                finalize(
                    None, _after_threads if waits else flush, (flush,) if waits else (), exitpriority=_LAST
                )
            _handle(flush)
            return True
    return False


def _after_threads(flush: Callable[[], object]) -> None:
    """Flushes when the application's threads have ended, for which such a child waits at its very end."""
    main = threading.main_thread()
    others = [thread for thread in threading.enumerate() if thread is not main and not thread.daemon]
    if not others:
        flush()
        return

    def wait() -> None:
        for thread in others:
            thread.join()
        flush()

    threading.Thread(target=wait, name="bttrace-last").start()


def _handle(flush: Callable[[], object]) -> None:
    """Flushes before the process is terminated, as `with Pool()` ends all its children."""

    def terminate(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            flush()
        finally:
            os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, terminate)
