"""What processes that have died left in the spool, as it is delivered by this one.

Owns which folders are taken over, and what becomes of the segments in them, oldest first. Their
attachments are handed to `adopt`, which uploads them. For the thread that sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from ...guard import say_once
from .bounds import AGE, is_old
from .files import ATTACHMENT, PART
from .folders import Destination, Held
from .segments import SUFFIX, Loaded

Adopt = Callable[[Path, Held], object]


class Estate:
    """`sent`, `lost` and `left` count the spans of others, `damaged` lines of their files."""

    def __init__(self, destination: Destination | None, adopt: Adopt) -> None:
        self.sent = 0
        self.lost = 0
        self.damaged = 0
        self.left = 0
        self._destination = destination
        self._adopt = adopt
        self._names: deque[str] = deque()
        self._paths: deque[Path] = deque()
        self._held: Held | None = None
        self._loaded: Loaded | None = None
        self._counted: set[int] = set()  # hashes of ids: a span can be in several segments of a folder

    def look(self) -> bool:
        """Looks, without waiting long, whether anything is there that others left, or still need."""
        if self._destination is not None:
            self._names.extend(self._destination.names())
        return bool(self._names)

    def waits(self) -> bool:
        """Tells whether there may be more to deliver."""
        return bool(self._names or self._held)

    def claimed(self) -> Held | None:
        """Gives the folder that is taken over, or takes over the next whose owner is dead, if any is."""
        while self._held is None and self._names and self._destination is not None:
            held = self._destination.claim(self._names[0])
            if held is not None and not held.tidy():
                self._paths.extend(held.files(SUFFIX))
                self._held = held
            self._names.popleft()  # not sooner: another thread may ask meanwhile whether there is more
        return self._held

    def load(self, project: Callable[[], str]) -> Loaded | None:
        """Gives the oldest segment, the same one until it is `done` with; `None` when there is no more.

        One that is for another project of that name than ours is left alone.
        """
        while self._loaded is None and (held := self.claimed()) is not None:
            if self._paths:
                self._read(self._paths[0], project)
                self._paths.popleft()
            else:
                self._leave(held)
        return self._loaded

    def _read(self, path: Path, project: Callable[[], str]) -> None:
        try:
            if is_old(path):
                self.lost += len(Loaded(path))
                path.unlink()
                say_once(
                    f"spans older than {AGE / 86_400:.0f} days were in {path.parent}: they are dropped.",
                    about=f"old {path.parent.parent}",
                )
                return
            loaded = Loaded(path)
        except OSError as fault:
            say_once(f"spool file {path} can't be read ({fault.strerror}); it is left alone.")
            return
        if loaded.project_id is not None and loaded.project_id != project():
            self.left += len(loaded)
            return
        if loaded.damaged:
            self.damaged += loaded.damaged
            lines = "line" if loaded.damaged == 1 else "lines"
            say_once(
                f"spool file {path} is damaged: {loaded.damaged} {lines} skipped, the others are delivered."
            )
        self._loaded = loaded
        self.done(loaded)

    def done(self, loaded: Loaded) -> None:
        """Takes it that rows of a segment arrived, or are lost."""
        self.lost += len(loaded.lost)
        known = len(self._counted)
        self._counted.update(map(hash, loaded.sent))
        self.sent += len(self._counted) - known
        loaded.lost.clear()
        loaded.sent.clear()
        if len(loaded):
            return
        self._loaded = None
        try:
            loaded.path.unlink(missing_ok=True)
        except OSError as fault:
            say_once(f"spool file {loaded.path} was delivered and can't be deleted ({fault.strerror}).")

    def _leave(self, held: Held) -> None:
        """Lets go of a folder whose segments are done with."""
        self._counted.clear()
        self._bequeath(held)
        self._held = None

    def _bequeath(self, held: Held) -> None:
        """Hands on its attachments, and what is left to others."""
        for part in held.files(PART):
            part.unlink(missing_ok=True)
        for path in filter(is_old, held.files(ATTACHMENT)):
            path.unlink(missing_ok=True)
        if held.tidy():
            return
        attachments = held.files(ATTACHMENT)
        if held.files(SUFFIX) or not attachments:
            held.let_go()  # others may be able to do more
            return
        for path in attachments:
            self._adopt(path, held)

    def close(self) -> None:
        """Leaves the rest to others."""
        if self._held is not None:
            self._held.let_go()
        self._held = self._loaded = None
        self._names.clear()
        self._paths.clear()
