"""Time and identity, which a test can set.

Durations come from a monotonic clock; it is tied to the wall clock once, so that a jump
of the wall clock changes nothing. Ids are as OpenTelemetry and braintrust 0.47
(`id_gen.py`) have them: 16 random bytes for a trace, 8 for a span, in hexadecimal.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Protocol

_VERSION = 0x4 << 76 | 0x2 << 62  # of a random UUID, and its variant: RFC 9562, 5.4
_RANDOM = ~(0xF << 76 | 0x3 << 62)


class Clock(Protocol):
    """Gives monotonic readings, and the wall time of one."""

    @property
    def now(self) -> Callable[[], int]:
        """Gives the monotonic clock: a function that returns nanoseconds."""

    def epoch(self, reading: int) -> float:
        """Gives the wall time of a reading, in seconds since the epoch."""


class Ids(Protocol):
    """Gives new ids."""

    def row(self) -> str:
        """Gives the id of a log row."""

    def span(self) -> str:
        """Gives the id of a span."""

    def trace(self) -> str:
        """Gives the id of a trace."""


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ("_anchor", "now")

    def __init__(self) -> None:
        self.now: Callable[[], int] = time.perf_counter_ns
        self._anchor = time.time_ns() - time.perf_counter_ns()

    def epoch(self, reading: int) -> float:
        """Gives the wall time of a reading, in seconds since the epoch."""
        return (reading + self._anchor) / 1e9


class RandomIds:
    """Random ids; they do not touch the state of the `random` module.

    `os.urandom` is asked once in a process: it lets go of the interpreter each time, which
    a thread that computes then holds for 5 ms.
    """

    def __init__(self) -> None:
        self._seed()

    def _seed(self) -> None:
        self._pid = os.getpid()
        self._random = random.Random(os.urandom(32))  # noqa: S311 - ids are no secrets

    def _bits(self, count: int) -> int:
        if self._pid != os.getpid():  # a forked child would give its parent's
            self._seed()
        return self._random.getrandbits(count)

    def row(self) -> str:
        """Gives a UUID."""
        digits = f"{self._bits(128) & _RANDOM | _VERSION:032x}"  # `uuid.UUID` takes five times as long
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def span(self) -> str:
        """Gives 16 hexadecimal digits."""
        return f"{self._bits(64):016x}"

    def trace(self) -> str:
        """Gives 32 hexadecimal digits."""
        return f"{self._bits(128):032x}"
