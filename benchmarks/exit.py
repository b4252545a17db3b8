"""What the end of a short program costs: from the response to its only call, to the end of its process.

Owns whole processes that make one call and end, with every peer: while the sink is well; while
nobody listens at its address; and while it takes connections and never answers. In the latter two,
where a process may wait for minutes, those of all peers wait side by side.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from .peers.installed import Installed
from .peers.rig import Rig, rig
from .results import Results
from .timing import Gone, Reading, Readings, interleaved, walls

ROUNDS, QUICK_ROUNDS = 7, 2
SECONDS = 30
DEAD_ROUNDS, QUICK_DEAD_ROUNDS = 2, 1
_BEGIN_AT_ONCE = 2
LIMIT = 15.0  # seconds after the answer at which a process is ended
HEALTHY_MOST = 200.0  # milliseconds that bttrace may add
DEAD_MOST = 5_500.0  # its own bound, BTTRACE_EXIT_TIMEOUT, and half a second

_CALL = """
import time
client = openai.OpenAI(max_retries=0)
print("\\nready", flush=True)
input()
asked = [{"role": "user", "content": "What is the weather in Lisbon?"}]
client.chat.completions.create(model="bench-1", messages=asked)
print("\\nanswered", time.monotonic(), flush=True)
"""
_REFUSES = "http://127.0.0.1:9"  # nobody listens there


class Ending:
    """A process that is ready for its only call, until it ends."""

    def __init__(self, command: list[str], environ: Mapping[str, str], cwd: str) -> None:
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.PIPE,
            env=dict(environ),
            cwd=cwd,
            text=True,
        )
        self._answered = 0.0
        self._took = LIMIT
        self._waits = threading.Thread(target=self._wait)
        self._said("ready")

    def go(self) -> None:
        """Has it make its call, and waits for the answer."""
        if self._process.stdin is not None:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        self._answered = float(self._said("answered"))
        self._waits.start()

    def reading(self) -> Reading:
        """Gives the seconds from the answer to the end, or `LIMIT` if it did not end by then."""
        self._waits.join()
        return Reading(self._took, 0.0)

    def _said(self, wanted: str) -> str:
        for line in self._process.stdout or ():
            word, _, more = line.strip().partition(" ")
            if word == wanted:
                return more
        raise Gone(f"it was never {wanted}; it ended with {self._process.wait(LIMIT)}")

    def _wait(self) -> None:
        with self._process:
            try:
                self._process.wait(max(0.0, self._answered + LIMIT - time.monotonic()))
                self._took = time.monotonic() - self._answered
            except subprocess.TimeoutExpired:
                self._process.kill()


def run(*, quick: bool, peers: tuple[str, ...]) -> Results:
    """Measures the peers that are named, or all."""
    with rig(peers) as ready:
        results = Results("exit", ready.versions, quick=quick)
        print("exit: measuring: the sink is well ...", flush=True)
        variants = {one.peer.name: partial(_healthy, ready, one) for one in ready.peers}
        rounds = QUICK_ROUNDS if quick else ROUNDS
        readings = interleaved(variants, rounds, warm=0, seconds=SECONDS, skip=ready.skip)
        results.arrived = ready.arrived()
        _add(results, "sink well", readings, HEALTHY_MOST)
        print("exit: measuring: the sink is dead ...", flush=True)
        rounds = QUICK_DEAD_ROUNDS if quick else DEAD_ROUNDS
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
            hangs = f"http://127.0.0.1:{silent.getsockname()[1]}"
            dead = _dead(ready, rounds, {"sink refuses connections": _REFUSES, "sink never answers": hangs})
        for name, readings in dead.items():
            _add(results, name, readings, DEAD_MOST)
        results.skipped = ready.skipped
    return results


def _add(results: Results, name: str, readings: Readings, most: float) -> None:
    figure = results.add(name, "ms", {peer: walls(taken, 1e3) for peer, taken in readings.items()})
    figure.asked(most)
    figure.least += [peer for peer, entry in figure.entries.items() if entry.median >= LIMIT * 1e3]


def _dead(ready: Rig, rounds: int, urls: Mapping[str, str]) -> dict[str, Readings]:
    """Gives readings by the kind of address; no call is made before all processes are ready."""
    readings: dict[str, Readings] = {kind: {name: [] for name in ready.names} for kind in urls}
    for turn in range(rounds):
        first = turn % len(ready.peers)
        order = ready.peers[first:] + ready.peers[:first]
        places = [(kind, one, url) for kind, url in urls.items() for one in order]
        with ThreadPoolExecutor(_BEGIN_AT_ONCE) as pool:
            begun = [(kind, one, pool.submit(_ending, ready, one, url)) for kind, one, url in places]
        endings = [(kind, one, _called(ready, one, future)) for kind, one, future in begun]
        for kind, one, ending in endings:
            if ending is not None:
                readings[kind][one.peer.name].append(ending.reading())
    return {kind: {name: taken[name] for name in ready.names} for kind, taken in readings.items()}


def _called(ready: Rig, one: Installed, begun: Future[Ending]) -> Ending | None:
    """Has a process make its call; without an answer, the peer is skipped."""
    try:
        begun.result().go()
    except Gone as gone:
        ready.skip(one.peer.name, str(gone))
        return None
    return begun.result()


def _healthy(ready: Rig, one: Installed) -> Reading:
    ready.made(one.peer.name, 1)
    ending = _ending(ready, one)
    ending.go()
    return ending.reading()


def _ending(ready: Rig, one: Installed, url: str = "") -> Ending:
    asks = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": ready.provider}
    command = [str(one.python), "-c", f"{one.peer.program('openai')}\n{_CALL}"]
    return Ending(command, {**ready.environ(one, url=url), **asks}, ready.scratch)
