"""Something that is asked on a thread of its own, because the answer may never come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..guard import guarded

T = TypeVar("T")

Heard = queue.SimpleQueue[object]
"""What wakes who waits for anything to happen."""


class Question(Generic[T]):
    """`settled` once there is an `answer` or a `fault`."""

    def __init__(self, ask: Callable[[], T], heard: Heard) -> None:
        self.answer: T | None = None
        self.fault: Exception | None = None
        self.settled = threading.Event()
        self._ask = ask
        self._heard = heard
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.answer = guarded(self._ask, retires=False, theirs=self._failed)()
        self.settled.set()
        self._heard.put(self)

    def _failed(self, fault: Exception) -> None:
        self.fault = fault
