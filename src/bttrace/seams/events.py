"""The events in the text of a stream that was tapped, for the writer thread.

Owns how many of them there are: as many as the reader got, in their order. What the SDK had read, and
its reader left, is not said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..model import Json, Path
from .likeness import Piece
from .sse import Decoder


class _Run:
    """Events that are alike, one after the other."""

    __slots__ = ("likeness", "pieces")

    def __init__(self, first: Piece) -> None:
        self.likeness = first.likeness
        self.pieces = [first.text]

    def take(self, most: int) -> tuple[object, int]:
        """Gives an event for at most so many of these, and of how many; they are not in the run any more."""
        taken, self.pieces = self.pieces[:most], self.pieces[most:]
        return self.likeness.event(taken), len(taken)


class Events:
    """What was read of one stream so far. Events that differ in a piece of text alone come as one."""

    def __init__(self, piece: Callable[[Json], Path | None]) -> None:
        self._decoder = Decoder(lines=False, piece=piece)
        self._unread: deque[tuple[int, object]] = deque()
        self._given = 0

    def read(self, held: Sequence[Any], read: int | None) -> Iterator[tuple[int, object]]:
        """Yields what these pieces complete until `read` were given in all; everything with `None`."""
        unread = self._unread
        self._collect(held)
        while unread and (read is None or self._given < read):
            at, event = unread[0]
            given = 1
            if isinstance(event, _Run):
                run = event
                event, given = run.take(len(run.pieces) if read is None else read - self._given)
                if not run.pieces:
                    unread.popleft()
            else:
                unread.popleft()
            self._given += given
            yield at, event

    def _collect(self, held: Sequence[Any]) -> None:
        unread, run = self._unread, None
        for at, piece in zip(held[::2], held[1::2], strict=False):
            for event in self._decoder.events(piece):
                if type(event) is not Piece:
                    unread.append((at, event))
                    run = None
                elif run is not None and run.likeness is event.likeness:
                    run.pieces.append(event.text)
                else:
                    run = _Run(event)
                    unread.append((at, run))
