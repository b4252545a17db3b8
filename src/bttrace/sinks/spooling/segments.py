"""A file of the spool, and the rows that go there.

A *segment* is JSON lines: a header that says which project they are for, then log rows as they
are sent. It holds about as much as one request takes. Owns the format and how a segment is
written; knows nothing of which segments there are, nor of where they go.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from ...classes import dataclass
from ...model import Json
from ...spans.encode import encoded
from ...values import text

SUFFIX = ".jsonl"
ROWS = 500  # of a segment
BYTES = 2**20
_VERSION = 1
Fate = Literal["kept", "sent", "lost"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """An encoded row. One that `merges` is of a span that the API has, or had the chance to take.

    `segment` is where it is on disk, if it is.
    """

    identity: str
    data: bytes
    merges: bool
    segment: Segment | None = None


def oldest(rows: Iterable[Row], count: int, size: int) -> list[Row]:
    """Gives the first rows, at most so many, and of so many bytes but for the first."""
    found: list[Row] = []
    for row in rows:
        size -= len(row.data)
        if found and (size < 0 or len(found) >= count):
            break
        found.append(row)
    return found


class Segment:
    """A segment of this process.

    `spans` are those of which the last row that there is stands here and nowhere else. `skipped`
    are ids of rows in it that shall not be sent any more: they were, or later ones were or will be.
    """

    __slots__ = ("_file", "done", "fate", "number", "path", "size", "skipped", "spans", "written")

    def __init__(self, path: Path, number: int, header: Json) -> None:
        """Makes the file; raises `OSError`."""
        self.path = path
        self.number = number
        self.fate: Fate = "kept"
        self.spans = 0
        self.written = 0  # rows; counted by whoever holds the spool's lock
        self.done = 0  # those that need no file any more; counted by whoever holds the lock of what waits
        self.skipped: set[str] = set()
        self.size = 0
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self._write(encoded({"bttrace_spool": _VERSION, **header}) + b"\n")
        except OSError:
            self.remove()
            raise

    @property
    def has_room(self) -> bool:
        """Tells whether more rows fit in."""
        return self._file is not None and self.size < BYTES and self.written < ROWS

    @property
    def is_settled(self) -> bool:
        """Tells whether no row in it is needed any more."""
        return self.fate != "kept" or 0 < self.written <= self.done

    def append(self, rows: Sequence[bytes]) -> None:
        """Writes rows at once; raises `OSError`, and then has none of them."""
        self._write(b"".join(line for row in rows for line in (row, b"\n")))
        self.written += len(rows)

    def _write(self, lines: bytes) -> None:
        if self._file is None:
            return
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(lines)

    def skip(self, identity: str) -> None:
        """Takes it that a row arrived, or is lost, or that a later one of its span waits to be sent."""
        self.skipped.add(identity)
        self.done += 1

    def seal(self) -> None:
        """Takes no more rows."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Deletes the file; raises `OSError`, but not if it is gone already."""
        self.seal()
        self.path.unlink(missing_ok=True)


class Loaded:
    """The rows of a segment, read back to be sent; each span once, as it was last.

    Two rows of one id in one request have no order at the API. Damaged lines are counted.
    """

    def __init__(self, path: Path, segment: Segment | None = None) -> None:
        """Reads the file; raises `OSError`."""
        self.path = path
        self.segment = segment
        self.damaged = 0
        self.project_id: str | None = None
        self.project_name: str | None = None
        self.sent: list[str] = []  # ids of those that were let go of
        self.lost: list[str] = []
        self._rows: dict[str, Row] = {}
        skipped = segment.skipped if segment is not None else ()
        for line in path.read_bytes().splitlines():
            parsed = _parsed(line)
            if parsed is not None and "bttrace_spool" in parsed:
                self.project_id = text(parsed.get("project_id"))
                self.project_name = text(parsed.get("project_name"))
            elif parsed is None or not isinstance(identity := parsed.get("id"), str):
                self.damaged += 1
            elif identity not in skipped:
                self._take(Row(identity, line, bool(parsed.get("_is_merge")), segment), parsed)

    def _take(self, row: Row, parsed: Json) -> None:
        before = self._rows.get(row.identity)
        if before is not None and row.merges and not before.merges:
            whole = {name: value for name, value in parsed.items() if value is not None}
            whole.pop("_is_merge", None)
            whole.pop("_merge_paths", None)
            row = Row(row.identity, encoded(whole), merges=False, segment=row.segment)
        self._rows[row.identity] = row

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: int, size: int) -> list[Row]:
        """Gives the oldest rows, at most so many, and of so many bytes but for the first."""
        return oldest(self._rows.values(), rows, size)

    def take(self, rows: Sequence[Row], *, sent: bool) -> None:
        """Lets go of rows."""
        for row in rows:
            del self._rows[row.identity]
        gone = self.sent if sent else self.lost
        gone += [row.identity for row in rows]

    def replace(self, row: Row, data: bytes) -> None:
        """Puts less in a row's place."""
        self._rows[row.identity] = Row(row.identity, data, row.merges, row.segment)

    def postpone(self, row: Row) -> None:
        """Puts a row behind all others."""
        self._rows[row.identity] = self._rows.pop(row.identity)


def _parsed(line: bytes) -> Json | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
