"""The rows that wait in memory to be sent to Braintrust.

Two rows of one id in one request have no order there (braintrust 0.47, `merge_row_batch.py`:
they share a transaction), so a span waits once: what came of it later takes the place of
what came before, which loses nothing, because rows are whole. Rows are added by one thread
and may be taken by another. Knows no HTTP and no disk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ..process.native import allocate_lock
from .spooling.segments import BYTES, ROWS, Row, oldest
from .tally import Tally

_ROWS = 10_000
_BYTES = 16 * 2**20


class Waiting:
    """Rows in order, each span once. What becomes of them is counted in `tally`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._bytes = 0
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._away: set[str] = set()  # ids of those that are being sent
        self._leaving = 0  # rows that were taken out, to be put elsewhere
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self._rows) + self._leaving

    def identities(self) -> list[str]:
        """Gives the spans whose rows wait. Takes no lock: a signal's handler may ask while it is held."""
        return list(self._rows)

    def holds(self, identities: Sequence[str]) -> bool:
        """Tells whether the row of any of these spans waits. Takes no lock either."""
        return any(identity in self._rows for identity in identities)

    def merges(self, identity: str, *, again: bool) -> bool:
        """Tells whether the next row of a span merges; one is written `again` when it was written before."""
        with self._lock:
            waiting = self._rows.get(identity)
            return again if waiting is None else waiting.merges

    def add(self, row: Row, *, again: bool) -> None:
        """Adds a row, in the place of an earlier one of its span."""
        with self._lock:
            before = self._rows.get(row.identity)
            if before is None:
                if again:
                    self._tally.recall(row.identity)
            else:
                self._bytes -= len(before.data)
                if before.segment is not None:
                    before.segment.skip(row.identity)
            if row.segment is not None:
                row.segment.skipped.discard(row.identity)  # an earlier row of it was there
            self._bytes += len(row.data)
            self._rows[row.identity] = row

    def excess(self, *, generously: bool) -> list[Row]:
        """Takes out the oldest rows that there is no room for; `generously`, about a segment of them.

        Of those that are on disk already, all of a segment go together. `placed` must follow.
        """
        with self._lock:
            many, much = len(self._rows) - _ROWS, self._bytes - _BYTES
            if many <= 0 and much <= 0:
                return []
            taken = self._oldest_of_one_place()
            if taken and taken[0].segment is None:
                taken = oldest(taken, ROWS, BYTES) if generously else _least(taken, many, much)
            for row in taken:
                self._remove(row)
            self._leaving += len(taken)
            return taken

    def _oldest_of_one_place(self) -> list[Row]:
        """Gives rows of the same segment, or of none, which is not being sent."""
        rows = self._rows
        busy = {rows[identity].segment for identity in self._away if identity in rows} - {None}
        found: list[Row] = []
        for identity, row in rows.items():
            if identity in self._away or row.segment in busy:
                continue
            if not found or row.segment is found[0].segment:
                found.append(row)
                if row.segment is None and len(found) >= ROWS:
                    break
        return found

    def rest(self) -> list[Row]:
        """Takes out all rows, those that are being sent too. `placed` must follow."""
        with self._lock:
            rows = list(self._rows.values())
            self._rows.clear()
            self._bytes = 0
            self._leaving += len(rows)
            return rows

    def placed(self, rows: Sequence[Row]) -> None:
        """Takes it that rows which were taken out are elsewhere, or lost, and counted."""
        with self._lock:
            self._leaving -= len(rows)

    def batch(self, rows: int, size: int) -> list[Row]:
        """Gives the oldest rows, at most so many, and of so many bytes but for the first, to be sent."""
        with self._lock:
            found = oldest(self._rows.values(), rows, size)
            self._away = {row.identity for row in found}
            return found

    def returned(self) -> None:
        """Takes it that none of the rows is being sent any more."""
        self._away = set()

    def take(self, rows: Sequence[Row], *, sent: bool) -> None:
        """Lets go of rows; what has come of their spans meanwhile still waits."""
        with self._lock:
            for row in rows:
                if self._rows.get(row.identity) is not row:
                    continue
                self._remove(row)
                if row.segment is not None:
                    row.segment.skip(row.identity)
                if sent:
                    self._tally.count_sent()
                else:
                    self._tally.count_lost(row.identity)

    def replace(self, row: Row, data: bytes) -> None:
        """Puts less in a row's place, unless its span has come again meanwhile."""
        with self._lock:
            if self._rows.get(row.identity) is row:
                self._rows[row.identity] = Row(row.identity, data, row.merges, row.segment)
                self._bytes += len(data) - len(row.data)

    def postpone(self, row: Row) -> None:
        """Puts a row behind all others."""
        with self._lock:
            if row.identity in self._rows:
                self._rows.move_to_end(row.identity)

    def _remove(self, row: Row) -> None:
        del self._rows[row.identity]
        self._bytes -= len(row.data)


def _least(rows: Sequence[Row], many: int, much: int) -> list[Row]:
    """Gives the first rows, as few as are so many and so many bytes."""
    found: list[Row] = []
    for row in rows:
        if many <= 0 and much <= 0:
            break
        found.append(row)
        many -= 1
        much -= len(row.data)
    return found
