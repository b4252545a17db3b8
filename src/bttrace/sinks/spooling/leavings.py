"""What programs left in the spool, looked through: where for, and how much.

Nothing is delivered or changed, but for folders of dead processes in which nothing is left. What
running programs keep is theirs and is not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ...classes import dataclass
from .files import ATTACHMENT
from .folders import Destination
from .segments import SUFFIX, Loaded


@dataclass(frozen=True, slots=True)
class Leavings:
    """What dead processes left for one project, and in how many folders living ones may have more."""

    project: str
    spans: int
    attachments: int
    owned: int

    def __bool__(self) -> bool:
        return bool(self.spans or self.attachments)

    def __str__(self) -> str:
        return counted((self.spans, "span"), (self.attachments, "attachment"))


def leavings(destination: Destination) -> Leavings:
    """Looks through a destination."""
    project, spans, attachments, owned = "another project", 0, 0, 0
    for name in destination.names():
        held = destination.claim(name)
        if held is None:
            owned += 1
            continue
        ids: set[str] = set()
        for file in held.files(SUFFIX):
            try:
                loaded = Loaded(file)
            except OSError:
                continue
            ids.update(row.identity for row in loaded.batch(sys.maxsize, sys.maxsize))
            project = named(loaded.project_id, loaded.project_name)
        spans += len(ids)
        attachments += len(held.files(ATTACHMENT))
        if not held.tidy():
            held.let_go()
    return Leavings(project, spans, attachments, owned)


def others(destination: Destination) -> Iterator[Leavings]:
    """Yields what was left for other destinations, where anything was."""
    try:
        paths = sorted(path for path in destination.root.iterdir() if path.is_dir())
    except OSError:
        return
    for path in paths:
        if path != destination.path and (left := leavings(Destination(path))):
            yield left


def named(identity: str | None, name: str | None) -> str:
    """Gives how a project is called, by its name or else its id."""
    return f"project {name!r}" if name else f"project id {identity!r}"


def counted(*counts: tuple[int, str]) -> str:
    """Gives counts with what was counted: `2 spans and 1 attachment`."""
    told = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count]
    return " and ".join(told) or f"0 {counts[0][1]}s"
