"""The spool of this process: what it keeps on disk of what is not delivered.

Owns which of its segments are there, in what order they are sent and deleted, and the bounds of
the whole destination. A *backlog* is those that must be read back, because their rows wait in
memory no more. They are deleted oldest first only, so that an old row of a span never outlives
a newer one that was delivered. Any thread may use it. Nothing is touched before something is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...config import Config
from ...guard import say_once
from ...model import Json
from ...process.native import allocate_lock
from ..tally import Tally
from .bounds import excess, is_old, say_dropped
from .files import keep_attachment
from .folders import Destination, Held, Unusable
from .segments import BYTES, ROWS, SUFFIX, Loaded, Row, Segment, oldest


class Spool:
    """Segments of this process. `project` tells what is known of where rows go."""

    def __init__(self, config: Config, tally: Tally, project: Callable[[], Json]) -> None:
        self.is_on = config.spool != "off"
        self.is_first = config.spool == "always"
        """Whether rows are kept before they are sent."""
        self.destination: Destination | None = None
        self._tally = tally
        self._project = project
        self._held: Held | None = None
        self._number = 0
        self._segments: dict[int, Segment] = {}  # in order
        self._backlog: dict[int, Segment] = {}
        self._loaded: Loaded | None = None
        self._lock = allocate_lock()
        if self.is_on:
            try:
                self.destination = Destination.of(config)
            except (OSError, Unusable) as fault:
                self._switch_off(str(fault))

    @property
    def folder(self) -> str:
        """Gives the path below which what is kept is."""
        return str(self.destination.path) if self.destination is not None else ""

    @property
    def spans(self) -> int:
        """Gives how many spans are in the backlog."""
        return sum(segment.spans for segment in list(self._backlog.values()))

    def has_backlog(self) -> bool:
        """Tells whether there are segments to be read back."""
        return bool(self._backlog)

    def written(self, data: bytes) -> Segment | None:
        """Writes a row before it is sent; gives where it is, if it could be."""
        with self._lock:
            return self._appended([data])

    def keep(self, rows: Sequence[Row]) -> int:
        """Puts rows that wait in memory no more behind what is kept; gives how many are."""
        kept = 0
        others = []
        with self._lock:
            for row in rows:
                if row.segment is None or row.segment.fate != "kept":
                    others.append(row)
                else:
                    kept += self._put_by(row, row.segment)
            while others:
                chunk = oldest(others, ROWS, BYTES)
                others = others[len(chunk) :]
                segment = self._appended([row.data for row in chunk])
                kept += sum(self._put_by(row, segment) for row in chunk)
        return kept

    def _put_by(self, row: Row, segment: Segment | None) -> bool:
        """Counts a row that is on disk, or lost, and remembers to read it back."""
        if segment is None:
            self._tally.count_lost(row.identity)
            return False
        self._tally.count_kept(row.identity, segment)
        self._backlog[segment.number] = segment
        return True

    def _appended(self, rows: Sequence[bytes]) -> Segment | None:
        """Writes rows to the newest segment, or to a new one; gives it."""
        if not self.is_on:
            return None
        current = next(reversed(self._segments.values()), None)
        try:
            if current is None or not current.has_room:
                current = self._made()
            current.append(rows)
        except Unusable as fault:
            self._switch_off(str(fault))
            return None
        except OSError as fault:
            self._say_broken(fault)
            if current is not None and not current.written:
                self._remove(current)
            return None
        return current

    def _made(self) -> Segment:
        """Makes a segment, and room for it."""
        for segment in self._segments.values():
            segment.seal()
        folder = self._folder()
        self._number += 1
        made = Segment(folder / f"{self._number:09}{SUFFIX}", self._number, self._project())
        self._segments[self._number] = made
        return made

    def _folder(self) -> Path:
        """Gives this process's folder, in which there is room."""
        destination = self.destination
        if destination is None:
            raise Unusable("there is no spool.")
        if self._held is None:
            self._held = destination.own()
        over = excess(destination)
        while self._segments and (over > 0 or is_old(self._first().path)):
            over -= self._first().size
            self._tally.settle(self._first(), "lost")
            self._remove(self._first())
            say_dropped(destination)
        return self._held.path

    def _first(self) -> Segment:
        return next(iter(self._segments.values()))

    def load(self) -> Loaded | None:
        """Gives the oldest of the backlog; the same one until it is `done` with."""
        if not self._backlog:
            return None
        with self._lock:
            while self._backlog:
                segment = self._backlog[min(self._backlog)]
                if self._loaded is not None and self._loaded.segment is segment:
                    return self._loaded
                segment.seal()
                try:
                    self._loaded = Loaded(segment.path, segment)
                except OSError as fault:
                    self._say_broken(fault, segment.path)
                    self._tally.settle(segment, "lost")
                    self._remove(segment)
                    continue
                if len(self._loaded):
                    return self._loaded
                self._finish(segment)
            return None

    def done(self, loaded: Loaded) -> None:
        """Takes it that rows of a segment that was read back arrived, or are lost."""
        segment = loaded.segment
        if segment is None:
            return
        for identity in loaded.lost:
            self._tally.count_gone(identity, segment)
        loaded.lost.clear()
        if not len(loaded):
            with self._lock:
                self._finish(segment)

    def _finish(self, segment: Segment) -> None:
        self._tally.settle(segment, "sent")
        self._backlog.pop(segment.number, None)
        self._loaded = None
        self._delete()

    def settle(self) -> None:
        """Deletes what is not needed any more."""
        if self._segments:
            with self._lock:
                self._delete()

    def _delete(self) -> None:
        while self._segments and self._first().is_settled:
            self._remove(self._first())

    def _remove(self, segment: Segment) -> None:
        self._segments.pop(segment.number, None)
        self._backlog.pop(segment.number, None)
        try:
            segment.remove()
        except OSError as fault:
            self._say_broken(fault, segment.path)

    def keep_attachment(self, reference: Json, data: bytes) -> Path | None:
        """Keeps the bytes of an attachment, and how rows refer to it; gives where, if it could."""
        with self._lock:
            if not self.is_on:
                return None
            try:
                return keep_attachment(self._folder(), reference, data)
            except Unusable as fault:
                self._switch_off(str(fault))
            except OSError as fault:
                self._say_broken(fault)
            return None

    def leave(self) -> None:
        """Removes the folder, if nothing is left in it. The next that is kept makes another."""
        with self._lock:
            if self._held is not None and not self._segments and self._held.tidy():
                self._held = None

    def close(self) -> None:
        """Lets go of files and folder; what is in it is the next process's."""
        self.leave()
        with self._lock:
            self.forget()

    def forget(self) -> None:
        """Lets go in a forked child, where the lock may be that of a thread of the parent."""
        for segment in self._segments.values():
            segment.seal()
        if self._held is not None:
            self._held.let_go()
        self._held = None
        self._segments = {}
        self._backlog = {}
        self._loaded = None

    def _switch_off(self, why: str) -> None:
        self.is_on = self.is_first = False
        say_once(why)

    def _say_broken(self, fault: OSError, path: Path | None = None) -> None:
        say_once(
            f"spool {path or self.folder} can't be used ({fault.strerror}): what is not delivered is lost "
            "until it can. Make room, or name another folder in BTTRACE_SPOOL_DIR.",
            about=f"spool {fault.strerror}",
        )
