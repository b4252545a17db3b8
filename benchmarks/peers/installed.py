"""The peers' environments: one for each set of requirements, made where the matrix keeps its own.

Owns what is installed in which, two at a time, and what is said of a peer that cannot be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.matrix.environments import ROOT, Failed, Tools, prepared, ran, tools

from .table import ANTHROPIC, OPENAI, Peer

_AT_ONCE = 2
_TIMEOUT = 60  # seconds
_LONGEST = 200  # letters of a reason
_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
_DOOR = "from bttrace.path import folder; print(folder())"


@dataclass(frozen=True, slots=True)
class Installed:
    """A peer that can be measured, and its interpreter."""

    peer: Peer
    python: Path
    version: str  # "" for nothing
    door: str = ""


@cache
def installed(peers: tuple[Peer, ...]) -> tuple[list[Installed], dict[str, str]]:
    """Gives the peers that could be installed, and why the others could not; says both."""
    print("installing what is not there yet of the peers' environments ...", flush=True)
    shared = tools()
    missing: dict[str, str] = {}
    found = []
    alike: dict[tuple[str, ...], list[Peer]] = {}
    for peer in peers:
        alike.setdefault(peer.requirements, []).append(peer)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = [(group, pool.submit(_made, group, shared)) for group in alike.values()]
        for group, result in made:
            failed = result.exception()
            if isinstance(failed, Failed):
                missing |= dict.fromkeys((peer.name for peer in group), _reason(failed))
            else:
                found += result.result()
    found.sort(key=lambda one: peers.index(one.peer))
    told = ", ".join(f"{one.peer.name} {one.version}".strip() for one in found)
    print(f"beside {OPENAI} and {ANTHROPIC}, each in its environment: {told}", flush=True)
    for name, reason in missing.items():
        print(f"{name} is SKIPPED, it cannot be installed: {reason}", flush=True)
    return found, missing


def _made(group: Sequence[Peer], shared: Tools) -> list[Installed]:
    first = group[0]
    python = prepared(f"peer-{first.name}", (*first.requirements, OPENAI, ANTHROPIC), sys.executable, shared)
    door = ""
    if first.own:
        shared.pip(python, "--force-reinstall", "--no-deps", str(shared.wheel))
        door = ran([str(python), "-c", _DOOR], _TIMEOUT, "importing bttrace").strip()
    begun = "import anthropic\n" + ((not first.own and first.program("openai")) or "import openai")
    # No module is compiled while a start is measured, and what can't be started is known before.
    ran([str(python), "-c", begun], _TIMEOUT, "its start")
    return [Installed(peer, python, _version(peer, python), door) for peer in group]


def _version(peer: Peer, python: Path) -> str:
    if not peer.package:
        return ""
    return ran([str(python), "-c", _VERSION, peer.package], _TIMEOUT, "asking for a version").strip()


def _reason(failed: Failed) -> str:
    """Gives the last line that says something, without the folders of this machine."""
    said = [line for line in str(failed).splitlines() if line and not line.startswith("WARNING")]
    return said[-1].replace(str(ROOT), ".").replace(str(Path.home()), "~")[:_LONGEST]
