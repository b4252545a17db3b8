"""Whether a Python that is started here would be traced, through which door, and what is in the way.

Told from what a trial saw of itself, and from which `sitecustomize` stand on its path. The first of
them is the one that Python imports.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from typing import Any

from ..config import RUN_VARIABLE
from ..path import folder
from .findings import Finding, found, well

_ENDING = os.path.join("bttrace", "sitecustomize")
_ABOUT = "hook"


def door(started: Mapping[str, Any]) -> str | None:
    """Gives the door through which a trial was traced; `None` if it was not."""
    if not started["active"]:
        return None
    if not _entries_of_ours():
        return "startup"
    if folder() in map(os.path.abspath, started["path"]):
        return "opentelemetry"  # ours did not run, or it would have taken its folder off the path
    return "run" if os.environ.get(RUN_VARIABLE) == str(os.getpid()) else "PYTHONPATH"


_DOORS = {
    "run": "active in the program that bttrace run starts, and in its children",
    "PYTHONPATH": "active in every Python that is started here, through PYTHONPATH",
    "opentelemetry": "active, through the entry point that OpenTelemetry's sitecustomize calls",
    "startup": "active in every Python that is started here, by code that Python runs at its start",
}


def hook_finding(started: Mapping[str, Any], *, enables: bool, off: bool) -> Finding:
    """Gives what a trial says of the hook.

    `enables` says that the program calls `bttrace.enable()`, `off` that no exporter is chosen: only in
    the trial is there one.
    """
    sites = list(_sites([*_entries(), *started["path"]]))
    theirs = [site for site in sites if not _is_ours(site)]
    through = door(started)
    if through is not None:
        behind = f"; {theirs[0]} is loaded too" if theirs and through in ("run", "PYTHONPATH") else ""
        return well(_ABOUT, f"{'would be ' * off}{_DOORS[through]}{behind}")
    if enables:
        return well(_ABOUT, f"{'would be ' * off}active in a program that calls bttrace.enable()")
    if not _entries_of_ours():
        gone = [entry for entry in _entries() if entry.endswith(_ENDING)]
        why = f"PYTHONPATH names {gone[0]}, where there is none" if gone else "nothing here starts it"
        return found(_ABOUT, "not-on-path", f"not active in a Python that is started here: {why}")
    if started["flags"]:
        said = f"not active: Python is started with {started['flags'][0]}, and looks at no PYTHONPATH"
        return found(_ABOUT, "isolated", said)
    if theirs and sites[0] == theirs[0]:
        return found(_ABOUT, "hidden", f"not active: {theirs[0]} stands before bttrace's own and hides it")
    return found(_ABOUT, "not-started", f"not active, though it is on PYTHONPATH: {started['reason']}")


def _entries() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _entries_of_ours() -> list[str]:
    """Gives the entries of PYTHONPATH in which our `sitecustomize` is, this one or a copy."""
    return [entry for entry in _entries() if any(map(_is_ours, _sites([entry])))]


def _sites(entries: Iterable[str]) -> Iterator[str]:
    """Yields the files of all `sitecustomize` on a path, in order."""
    seen = set()
    for entry in entries:
        spec = PathFinder.find_spec("sitecustomize", [entry]) if entry else None
        if spec is not None and spec.origin is not None and spec.origin not in seen:
            seen.add(spec.origin)
            yield spec.origin


def _is_ours(site: str) -> bool:
    own = os.path.join(folder(), "sitecustomize.py")
    try:
        return os.path.abspath(site) == own or filecmp.cmp(site, own)
    except OSError:
        return False
