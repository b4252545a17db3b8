"""Python's warning about a fork beside other threads, where those threads are ours alone.

Owns the filter that keeps it back, once for each fork. Where the application has threads of
its own, the warning is its own, and stays. The filter is put in place without telling
`warnings`, which would then say again what it has said once.

Source: CPython (`Modules/posixmodule.c`, `warn_about_fork_with_threads`), which counts the threads
of the system, those that are just ending too; 3.12 does so before the parent goes on after a
fork, 3.13 after that; `_warnings.c` for the filters, whose patterns it asks for a match.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection
from typing import Any

from .native import get_ident

_WARNS = sys.version_info >= (3, 12)
_TASKS = "/proc/self/task"
_entries: list[Any] = []


class _Pattern:
    """Matches the warning of one thread, and takes its filter away with that."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def match(self, text: str) -> bool:
        """Tells whether this is the warning to keep back."""
        matches = self._thread == get_ident() and "multi-threaded, use of" in text
        if matches:
            restore()
        return matches


def hush(ours: Collection[int]) -> None:
    """Lets Python fork without a warning if no threads but this one and ours, by native id, are there."""
    restore()
    if not (_WARNS and ours):
        return
    try:
        threads = {int(task) for task in os.listdir(_TASKS)}  # noqa: PTH208 - the forking thread waits
    except OSError:
        return
    if len(threads - set(ours)) == 1:
        entry = ("ignore", _Pattern(), DeprecationWarning, None, 0)
        _entries.append(entry)
        current: Any = warnings.filters
        current.insert(0, entry)


def restore() -> None:
    """Takes the filter away, if it was not needed."""
    current: Any = warnings.filters
    while _entries:
        entry = _entries.pop()
        if entry in current:
            current.remove(entry)
