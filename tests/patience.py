"""Waiting for what comes soon, on however busy a machine: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 60.0  # what has not come by then does not come
_PAUSE = 0.005
T = TypeVar("T")


def became(expected: T, look: Callable[[], T], seconds: float = SECONDS) -> T:
    """Looks until it sees what is expected; gives what it saw last."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != expected and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return seen
