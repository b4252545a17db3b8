"""Python's warning about a fork beside other threads, where those threads are ours alone.

Owns the filter that stands while the process forks. Where the application has threads of its
own, the warning is its own, and stays. The filter is put in place without telling `warnings`,
which would then say again what it has said once.

Source: CPython 3.12 (`Modules/posixmodule.c`, `warn_about_fork_with_threads`), which counts the
threads of the system, those that are just ending too; `_warnings.c` for the filters.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Collection
from typing import Any

_WARNS = sys.version_info >= (3, 12)
_TASKS = "/proc/self/task"
_FILTER: Any = (
    "ignore",
    re.compile(r"This process \(pid=\d+\) is multi-threaded"),
    DeprecationWarning,
    None,
    0,
)
_lists: list[Any] = []  # that the filter was put into


def hush(ours: Collection[int]) -> None:
    """Lets Python fork without a warning if no threads but this one and ours, by native id, are there."""
    if not (_WARNS and ours):
        return
    try:
        threads = {int(task) for task in os.listdir(_TASKS)}  # noqa: PTH208 - the forking thread waits
    except OSError:
        return
    if threads & set(ours) and len(threads - set(ours)) == 1:
        filters: Any = warnings.filters
        filters.insert(0, _FILTER)
        _lists.append(filters)


def restore() -> None:
    """Takes the filter away again, wherever it has come to."""
    while _lists:
        current: Any = warnings.filters
        for filters in (_lists.pop(), current):
            if _FILTER in filters:
                filters.remove(_FILTER)
