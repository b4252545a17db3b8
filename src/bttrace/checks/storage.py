"""Where what is not delivered is kept: whether it can be, and what waits there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..config import Config
from ..sinks.spooling.folders import Destination, Unusable
from ..sinks.spooling.leavings import leavings, others
from .findings import Finding, found, well

_ABOUT = "spool"


def spool_findings(settings: Config) -> list[Finding]:
    """Tries the spool, and leaves it as it was."""
    if settings.spool == "off":
        return [well(_ABOUT, "off, as BTTRACE_SPOOL says: what is not delivered by the exit is lost")]
    try:
        destination = Destination.of(settings)
        _try(destination)
    except Unusable as fault:
        return [found(_ABOUT, "spool-not-usable", str(fault).rstrip("."))]
    except OSError as fault:
        where = fault.filename or settings.spool_dir
        return [found(_ABOUT, "spool-not-usable", f"{where} can't be used ({fault.strerror})")]
    own, theirs = leavings(destination), list(others(destination))
    waiting = [f"{left} for {left.project}" for left in (own, *theirs) if left]
    if waiting:
        said = f"{', '.join(waiting)} in {destination.root}: what programs could not deliver"
        return [found(_ABOUT, "spool-not-empty", said)]
    return [well(_ABOUT, f"{destination.root}, with nothing waiting in it")]


def _try(destination: Destination) -> None:
    """Makes a folder in it and takes that away again; raises `OSError` and `Unusable`."""
    places = (destination.path, destination.root, *destination.root.parents)
    new = [path for path in places if not path.exists()]
    destination.own().tidy()
    for path in new:
        with suppress(OSError):  # another process may be in it by now
            path.rmdir()


def journal_findings(settings: Config) -> list[Finding]:
    """Looks whether a journal could be written."""
    folder = Path(settings.journal_dir).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return [found("journal", "journal-not-usable", f"{there} can't be written to")]
    return [well("journal", str(folder))]
