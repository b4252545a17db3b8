"""When what an answer tells of began and ended, by the chunks of its stream.

Owns the readings of those chunks that an endpoint's row knows as moments; for the writer thread.
"""

from __future__ import annotations

from collections.abc import Callable

from ..evidence import Bounds
from ..model import Endpoint

_LIMIT = 1000  # that are kept of one answer, the first


class Moments:
    """What was heard so far."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._moment = endpoint.moment
        self._began: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    def hear(self, chunk: object, at: int) -> None:
        """Takes the next chunk, with the reading at which it came. The first of a kind counts."""
        moment = self._moment(chunk)
        if moment is not None:
            readings = self._began if moment.begins else self._ended
            if len(readings) < _LIMIT:
                readings.setdefault(moment.key, at)

    def told(self, epoch: Callable[[int], float]) -> dict[str, Bounds]:
        """Gives the bounds of each, in seconds since the epoch."""

        def of(readings: dict[str, int], key: str) -> float | None:
            return epoch(readings[key]) if key in readings else None

        return {key: (of(self._began, key), of(self._ended, key)) for key in {**self._began, **self._ended}}
