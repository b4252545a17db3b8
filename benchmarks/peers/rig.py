"""What the peers are measured in: their environments, one sink for all of them, and one provider.

Owns processes and variables. Knows nothing of what is measured.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..environment import HERE, Program, bare, program
from ..timing import Gone
from .installed import Installed, installed
from .table import PEERS


class Rig:
    """Peers that can be measured, and where they send."""

    def __init__(self, stack: ExitStack, peers: list[Installed], skipped: dict[str, str]) -> None:
        self.peers = peers
        self.skipped = skipped
        self.versions = {one.peer.name: one.version for one in peers}
        self.scratch = stack.enter_context(tempfile.TemporaryDirectory())
        plain = bare(self.scratch)
        self._plain = plain
        self._sink = stack.enter_context(program("sink.py", str(len(peers)), environ=plain, cwd=self.scratch))
        ports = self._sink.line().split()
        self._urls = {
            one.peer.name: f"http://127.0.0.1:{port}" for one, port in zip(peers, ports, strict=True)
        }
        provider = stack.enter_context(program("provider.py", environ=plain, cwd=self.scratch))
        self.provider = f"http://127.0.0.1:{provider.line()}/v1"
        self._stack = stack
        self._made: Counter[str] = Counter()

    @property
    def names(self) -> list[str]:
        """Gives the names of the peers that are not skipped."""
        return [one.peer.name for one in self.peers]

    def skip(self, name: str, reason: str) -> None:
        """Leaves a peer out from now on, aloud."""
        print(f"  {name} is SKIPPED: {reason}", flush=True)
        self.skipped[name] = reason.replace(str(HERE.parent), ".").replace(self.scratch, "")
        self.peers = [one for one in self.peers if one.peer.name != name]

    def environ(
        self, one: Installed, *, key: bool = True, url: str = "", door: bool = True
    ) -> dict[str, str]:
        """Gives a peer's variables, those of the key too, which lead to the sink or to another address."""
        peer = one.peer
        places = {
            "url": url or self._urls[peer.name],
            "scratch": str(Path(self.scratch, peer.name)),
            "door": one.door if door else "",
            "floor": str(HERE / "floor"),
        }
        more: Mapping[str, str] = {**peer.options, **(peer.keys if key else {})}
        # Where a set's order and a string's hash are the same, one run is as the next.
        return {
            **self._plain,
            "PYTHONHASHSEED": "0",
            **{name: text.format_map(places) for name, text in more.items()},
        }

    def made(self, name: str, calls: int) -> None:
        """Remembers that a peer's process made so many calls more, all of which are to arrive."""
        self._made[name] += calls

    def arrived(self) -> dict[str, list[int]]:
        """Gives how many calls of each peer that exports are at the sink, and how many were made."""
        places = list(self._urls)
        names = [one.peer.name for one in self.peers if one.peer.exports]
        return {name: [int(self._sink.answer(str(places.index(name)))), self._made[name]] for name in names}

    def programs(self, script: str, *, door: bool = True) -> dict[str, Program]:
        """Starts a script in every peer's environment, which prints how many calls it has made so far.

        A peer with which it does not start is skipped.
        """
        running: dict[str, Program] = {}
        for one in self.peers:  # all at once: nothing is measured yet
            started = program(
                script,
                one.peer.name,
                self.provider,
                environ=self.environ(one, door=door),
                cwd=self.scratch,
                python=str(one.python),
                errors=str(Path(self.scratch, f"{one.peer.name}.errors")),
            )
            running[one.peer.name] = self._stack.enter_context(started)
        return {name: started for name, started in running.items() if self._is_ready(name, started)}

    def _is_ready(self, name: str, running: Program) -> bool:
        try:
            self.made(name, int(running.line()))
        except Gone as gone:
            self.skip(name, str(gone))
            return False
        return True


@contextmanager
def rig(names: tuple[str, ...] = ()) -> Iterator[Rig]:
    """Gives the rig with the peers that could be installed; says which could not."""
    wanted = tuple(peer for peer in PEERS if not names or peer.name in names)
    found, missing = installed(wanted)
    with ExitStack() as stack:
        yield Rig(stack, list(found), dict(missing))
