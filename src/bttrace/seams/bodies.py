"""A response's body that the application reads by itself: as bytes, text or lines.

Owns the way from such *pieces* to what the SDK's own stream would have given: events are
parsed out of `text/event-stream`, any other body is kept whole. All runs on the writer
thread. A piece comes with the clock reading at which it was handed to the application.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .sse import Decoder

_LIMIT = 16 * 2**20  # bytes of a body that is no stream of events; a longer one is not kept


class Body:
    """What was read of one body so far. `lines` says that pieces are lines without their ends."""

    def __init__(self, content_type: str, *, lines: bool) -> None:
        is_events = content_type.startswith("text/event-stream")
        self._decoder = Decoder(lines=lines) if is_events else None
        self._kept: list[bytes] = []
        self._size = 0

    def content(self) -> bytes:
        """Gives a body that is no stream of events; none of one that is too long."""
        return b"".join(self._kept) if self._size <= _LIMIT else b""

    def events(self, pieces: Iterable[tuple[int, str | bytes]]) -> Iterator[tuple[int, object]]:
        """Yields the events that these pieces complete, as the SDK's stream would."""
        for at, piece in pieces:
            if self._decoder is None:
                self._keep(piece)
                continue
            for event in self._decoder.events(piece):
                yield at, event

    def _keep(self, piece: str | bytes) -> None:
        content = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        self._size += len(content)
        if self._size > _LIMIT:
            self._kept.clear()
        else:
            self._kept.append(content)
