"""The program that makes the calls: in its main thread, in two threads more, in event loops, and in forked children.

    python -m tests.chaos.worker SDK SECONDS FOLDER SEED [--kills] [--handles-sigterm]

With `--kills` some of its children die in the middle of a call. It knows nothing of bttrace. What it finished stands in its ledger in FOLDER, and what its children finished in theirs.
"""

from __future__ import annotations

import asyncio
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tests.chaos.asking import ASKINGS, Asking
from tests.chaos.ledger import Leaving, Ledger

_THREADS = 2
_PAUSE = 0.05  # seconds between calls, at most
_TOGETHER = 3  # calls of one event loop
_CHILD_SECONDS = 0.8  # that a forked child asks for, at most


class Worker:
    """One process's load of calls."""

    def __init__(
        self, asking: Asking, folder: Path, chance: random.Random, endings: Sequence[Leaving]
    ) -> None:
        self._asking = asking
        self._endings = endings
        self._folder = folder
        self._chance = chance
        self._client = asking.client()
        self._stops = threading.Event()
        self._children: list[int] = []
        self._spawned: list[Any] = []
        self.ledger = Ledger(folder)

    def work(self, seconds: float, *, threads: int, forks: bool) -> None:
        """Asks for so long; the threads are done when it returns."""
        until = time.monotonic() + seconds
        for way in self._asking.ways:  # what is loaded on first use is there before anybody forks
            way(self._client, self.ledger)
        running = [threading.Thread(target=self._ask_on) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            while time.monotonic() < until and not self._stops.is_set():
                self._step(forks=forks)
        finally:
            self._stops.set()
        for thread in running:
            thread.join()
        for child in self._children:
            os.waitpid(child, 0)
        for process in self._spawned:
            process.join()

    def _ask_on(self) -> None:
        while not self._stops.is_set():
            self._chance.choice(self._asking.ways)(self._client, self.ledger)
            time.sleep(self._chance.uniform(0, _PAUSE))

    def _step(self, *, forks: bool) -> None:
        drawn = self._chance.random()
        if forks and drawn < 0.05:
            self._fork()
        elif forks and drawn < 0.07:
            self._spawn()
        elif drawn < 0.3:
            asyncio.run(self._together())
        else:
            self._chance.choice(self._asking.ways)(self._client, self.ledger)
        time.sleep(self._chance.uniform(0, _PAUSE))
        self._children = [child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)]

    async def _together(self) -> None:
        async with self._asking.aclient() as client:
            ways = self._chance.choices(self._asking.aways, k=_TOGETHER)
            await asyncio.gather(*(way(client, self.ledger) for way in ways))

    def _fork(self) -> None:
        """Forks a child that asks for a while and leaves in any way, also in the middle of a call."""
        how = self._chance.choice(self._endings)
        if how == "exit" and multiprocessing.active_children():
            return  # their parent's exit handler would fail in a child that is not their parent
        seconds, seed = self._chance.uniform(0.1, _CHILD_SECONDS), self._chance.random()
        child = os.fork()
        if child:
            self._children.append(child)
            return
        worker = self._begun_anew(seed)
        if how == "exit":
            worker.work(seconds, threads=1, forks=False)
            worker.leave()
        dying = threading.Timer(seconds, worker.die, (how,))
        dying.daemon = True
        dying.start()
        worker.work(60, threads=1, forks=False)

    def _spawn(self) -> None:
        """Has multiprocessing fork a child, which leaves as such children do."""
        seconds, seed = self._chance.uniform(0.1, _CHILD_SECONDS), self._chance.random()

        def work() -> None:
            worker = self._begun_anew(seed)
            worker.work(seconds, threads=1, forks=False)
            worker.ledger.leaves("exit")

        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        self._spawned.append(process)

    def _begun_anew(self, seed: float) -> Worker:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return Worker(self._asking, self._folder, random.Random(seed), self._endings)

    def stop(self) -> None:
        """Ends the work soon. Safe in a signal's handler."""
        self._stops.set()

    def leave(self) -> NoReturn:
        """Ends the process as programs end."""
        self.ledger.leaves("exit")
        sys.exit(0)

    def die(self, how: Leaving) -> None:
        """Ends the process at once, from whatever thread."""
        ways: dict[Leaving, Callable[[], None]] = {
            "_exit": lambda: os._exit(0),
            "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
        }
        self.ledger.leaves(how)
        ways[how]()


def main(sdk: str, seconds: str, folder: str, seed: str, *options: str) -> None:
    """Works until its time is over, or until SIGTERM if it handles that."""
    faulthandler.register(signal.SIGUSR1)
    workers: list[Worker] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            worker.stop()

    if "--handles-sigterm" in options:
        signal.signal(signal.SIGTERM, stop)
    endings: tuple[Leaving, ...] = ("exit", "_exit", "kill", "term") if "--kills" in options else ("exit",)
    worker = Worker(ASKINGS[sdk], Path(folder), random.Random(int(seed)), endings)
    workers.append(worker)
    worker.work(float(seconds), threads=_THREADS, forks=True)
    worker.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
