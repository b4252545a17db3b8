"""An ordinary application of the openai SDK, in a process of its own, with a peer around it or none.

    python application.py PEER BASE_URL

starts the peer as its quick start says, makes some calls, prints how many, then does the work that
each line of its standard input names and answers with numbers:

- `call 50`, `stream 200 10`, `astream 100 200`: calls one after the other, streams of so many
  chunks one after the other, and all at once; seconds of wall time, of the process's processor
  time until the peer has exported all, and, within it, of the garbage collector;
- `resident`: the bytes of memory that the process has when all is exported;
- `held 2000`: how many more it has at the last chunk of a stream than before it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:  # run by its path, in a process that has no reason to know this folder
    sys.path[0] = ""
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks.bodies import messages
from benchmarks.peers.table import PEERS, Peer

WARM = 20  # calls


class Application:
    """Makes calls with one client of each kind."""

    def __init__(self, base_url: str, flush: Callable[[], None]) -> None:
        import openai  # after the peer, as its quick start has it

        self._loop = asyncio.new_event_loop()
        self._client = openai.OpenAI(base_url=base_url, api_key="bench", max_retries=0, timeout=60)
        self._async = openai.AsyncOpenAI(base_url=base_url, api_key="bench", max_retries=0, timeout=60)
        self._flush = flush
        self._collector = Collector()

    def answer(self, line: str) -> list[float]:
        """Does the work that a line names; gives its numbers."""
        work, *numbers = line.split()
        given: list[float] = getattr(self, work)(*map(int, numbers))
        return given

    def call(self, count: int) -> list[float]:
        """Makes calls, one after the other."""
        return self._measured(self._calls, count)

    def stream(self, chunks: int, count: int) -> list[float]:
        """Reads streams, one after the other."""
        return self._measured(self._streams, chunks, count)

    def astream(self, chunks: int, count: int) -> list[float]:
        """Reads streams, all at once."""
        return self._measured(self._streams_at_once, chunks, count)

    def resident(self) -> list[float]:
        """Gives the memory that the process has."""
        self._flush()
        gc.collect()
        return [float(resident())]

    def held(self, chunks: int) -> list[float]:
        """Reads one stream; gives what the process has more before its last chunk."""
        stream = self._client.chat.completions.create(
            model=f"bench-{chunks}", messages=messages(), stream=True
        )
        before = more = resident()
        for index, _chunk in enumerate(stream):
            if index == chunks - 1:
                more = resident()
        self._flush()
        return [float(more - before)]

    def _measured(self, work: Callable[..., None], *numbers: int) -> list[float]:
        collected = self._collector.seconds
        started, busy = time.perf_counter(), time.process_time()
        work(*numbers)
        wall = time.perf_counter() - started
        self._flush()
        self._loop.run_until_complete(asyncio.sleep(0))  # the loop is to clear up what it has
        return [wall, time.process_time() - busy, self._collector.seconds - collected]

    def _calls(self, count: int) -> None:
        for _ in range(count):
            self._client.chat.completions.create(model="bench-1", messages=messages())

    def _streams(self, chunks: int, count: int) -> None:
        model = f"bench-{chunks}"
        for _ in range(count):
            stream = self._client.chat.completions.create(model=model, messages=messages(), stream=True)
            for _chunk in stream:
                pass

    def _streams_at_once(self, chunks: int, count: int) -> None:
        self._loop.run_until_complete(self._read_all(chunks, count))

    async def _read_all(self, chunks: int, count: int) -> None:
        await asyncio.gather(*(self._read(chunks) for _ in range(count)))

    async def _read(self, chunks: int) -> None:
        model = f"bench-{chunks}"
        stream = await self._async.chat.completions.create(model=model, messages=messages(), stream=True)
        async for _chunk in stream:
            pass


class Collector:
    """Adds up the time that the garbage collector takes, in whichever thread it runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0
        gc.callbacks.append(self._called)

    def _called(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.seconds += time.perf_counter() - self._started


def resident() -> int:
    """Gives the bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def started(name: str, lines: str) -> tuple[Peer, Callable[[], None]]:
    """Starts a peer with its lines and those of openai; gives it, and what has it export."""
    [peer] = [peer for peer in PEERS if peer.name == name]
    space: dict[str, Any] = {}
    for code in (lines or peer.start, peer.openai):
        exec(code, space)  # noqa: S102 - they are the quick starts, from the table
    flush = compile(peer.flush, f"{name}'s flush", "exec")
    return peer, lambda: exec(flush, space)  # noqa: S102


def answers() -> Callable[..., None]:
    """Gives what prints to where this process was started from; whatever else it prints goes nowhere."""
    out = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)

    def told(*numbers: object) -> None:
        print(*numbers, file=out, flush=True)

    return told


def main() -> None:
    """Works until standard input ends."""
    tell = answers()
    _, flush = started(sys.argv[1], "")
    application = Application(sys.argv[2], flush)
    application.call(WARM)
    tell(WARM)
    for line in sys.stdin:
        tell(*application.answer(line))


if __name__ == "__main__":
    main()
