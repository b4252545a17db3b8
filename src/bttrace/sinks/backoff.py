"""How long to wait after a failure before trying again."""

from __future__ import annotations

import time

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds


class Backoff:
    """Pauses that grow with each of the `failures` in a row."""

    def __init__(self) -> None:
        self.failures = 0
        self._not_before = 0.0

    def failed(self, retry_after: float | None) -> float:
        """Notes a failure, and the seconds that the other side asked for; gives the seconds to pause."""
        pause = max(_PAUSES[min(self.failures, len(_PAUSES) - 1)], retry_after or 0.0)
        self.failures += 1
        self._not_before = time.monotonic() + pause
        return pause

    def succeeded(self) -> None:
        """Forgets the failures."""
        self.failures = 0
        self._not_before = 0.0

    def left(self) -> float:
        """Gives the seconds that the pause still lasts; 0 or less when it is over."""
        return self._not_before - time.monotonic()
