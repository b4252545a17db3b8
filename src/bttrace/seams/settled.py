"""Work that was begun by one call and whose end another call asks for.

Such an end is told as often as somebody asks: by polling, by a second reader, by a stream
that is taken up again. Only the first time is news, because its tokens count once.
"""

from __future__ import annotations

_LIMIT = 10_000  # ids that are remembered, the latest


class Settled:
    """Remembers what has ended, by id. For one thread: the writer's."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def first(self, identity: str) -> bool:
        """Notes that something ended; tells whether that was not known yet."""
        if identity in self._ids:
            return False
        self._ids[identity] = None
        if len(self._ids) > _LIMIT:
            del self._ids[next(iter(self._ids))]
        return True
