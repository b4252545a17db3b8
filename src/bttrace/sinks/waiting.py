"""The rows that wait to be sent to Braintrust, and the count of what became of each span.

Two rows of one id in one request have no order there (braintrust 0.47, `merge_row_batch.py`:
they share a transaction), so a span waits once: what came of it later takes the place of
what came before, which loses nothing, because rows are whole. Rows are added by one thread
and may be taken by another. Knows no HTTP.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from ..native import allocate_lock

_ROWS = 10_000
_BYTES = 64 * 2**20
_REMEMBERED = 10_000  # ids of lost spans


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """An encoded row. One that `merges` is of a span that the API has, or had the chance to take."""

    identity: str
    data: bytes
    merges: bool


class Waiting:
    """Rows in order, each span once. `sent` and `lost` count the spans that are here no more."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0
        self._bytes = 0
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._lost: OrderedDict[str, None] = OrderedDict()
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self._rows)

    def merges(self, identity: str, *, again: bool) -> bool:
        """Tells whether the next row of a span merges; one is written `again` when it was written before."""
        with self._lock:
            waiting = self._rows.get(identity)
            return again if waiting is None else waiting.merges

    def add(self, row: Row, *, again: bool) -> int:
        """Adds a row; gives how many of the oldest had to go for it."""
        with self._lock:
            before = self._rows.get(row.identity)
            if before is None and again:
                self._recall(row.identity)
            self._bytes += len(row.data) - (0 if before is None else len(before.data))
            self._rows[row.identity] = row
            dropped = 0
            while len(self._rows) > _ROWS or self._bytes > _BYTES:
                self._lose(next(iter(self._rows.values())))
                dropped += 1
            return dropped

    def count(self, identity: str, *, again: bool, sent: bool) -> None:
        """Counts a span that need not wait."""
        with self._lock:
            if again:
                self._recall(identity)
            if sent:
                self.sent += 1
            else:
                self._note_lost(identity)

    def batch(self, rows: int, size: int) -> list[Row]:
        """Gives the oldest rows, at most so many, and of so many bytes but for the first."""
        found: list[Row] = []
        with self._lock:
            for row in self._rows.values():
                size -= len(row.data)
                if found and (size < 0 or len(found) >= rows):
                    break
                found.append(row)
        return found

    def take(self, rows: Sequence[Row], *, sent: bool) -> None:
        """Lets go of rows; what has come of their spans meanwhile still waits."""
        with self._lock:
            for row in rows:
                if self._rows.get(row.identity) is not row:
                    continue
                if sent:
                    self._remove(row)
                    self.sent += 1
                else:
                    self._lose(row)

    def replace(self, row: Row, data: bytes) -> None:
        """Puts less in a row's place, unless its span has come again meanwhile."""
        with self._lock:
            if self._rows.get(row.identity) is row:
                self._rows[row.identity] = Row(row.identity, data, row.merges)
                self._bytes += len(data) - len(row.data)

    def clear(self) -> None:
        """Gives up all rows."""
        with self._lock:
            for row in list(self._rows.values()):
                self._lose(row)

    def _recall(self, identity: str) -> None:
        """Takes back that a span was counted, because it is not done with."""
        if identity in self._lost:
            del self._lost[identity]
            self.lost -= 1
        elif self.sent:
            self.sent -= 1

    def _remove(self, row: Row) -> None:
        del self._rows[row.identity]
        self._bytes -= len(row.data)

    def _lose(self, row: Row) -> None:
        self._remove(row)
        self._note_lost(row.identity)

    def _note_lost(self, identity: str) -> None:
        self.lost += 1
        self._lost[identity] = None
        if len(self._lost) > _REMEMBERED:
            self._lost.popitem(last=False)
