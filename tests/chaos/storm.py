"""Runs the workers while Braintrust flaps, kills some, starts others in their place, and delivers what is left.

It owns processes and time, and gives back what is there to be compared; `verdict` compares.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from tests.chaos.flaps import Flapping
from tests.chaos.ledger import Life, lives
from tests.chaos.model import answer
from tests.doors import ROOT, RUN, environment
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.rows import Row

PROJECT = "Chaos"
EXIT_TIMEOUT = 2.0
EXIT_SLACK = 3.0  # seconds that the end of an interpreter may take on a busy machine
_TICK = 0.02
_READY = 60.0  # seconds until a worker must have begun
_GONE = 30.0  # seconds until the last process must be gone
_REPLAY = 60.0
_LIVES = (0.3, 4.0)  # seconds of a worker's life, at least and at most
_PORTS = range(20_000, 32_000)  # from which no connection comes, so that a port is ours while nobody listens
End = Literal["exit", "kill", "term", "handled term"]
_ENDS: tuple[End, ...] = ("exit", "kill", "kill", "kill", "term", "handled term")


@dataclass(frozen=True)
class Plan:
    """How long it lasts, how many workers there are at a time, and the seed of all that is drawn.

    Without `kills` all processes end well; without `flaps` all is well at Braintrust.
    """

    seconds: float
    workers: int
    seed: int
    kills: bool = True
    flaps: bool = True


@dataclass
class Outcome:
    """What there is to compare. `killed` has the time before the kill, by process id."""

    lives: list[Life] = field(default_factory=list)
    killed: dict[int, float] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    flaps: Counter[str] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    spooled: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class _Slot:
    """A place for a worker; whoever was killed or has ended is followed by another one."""

    def __init__(self, storm: _Storm, sdk: str) -> None:
        self._storm = storm
        self._sdk = sdk
        self._process: subprocess.Popen[bytes] | None = None
        self._end: End = "exit"
        self._began = self._life = 0.0
        self._ready: float | None = None

    def tick(self, *, starts: bool) -> bool:
        """Looks after the worker; tells whether there is one."""
        if self._process is None and starts:
            self._start()
        if self._process is None:
            return False
        code = self._process.poll()
        if code is not None:
            self._ended(self._process, code)
            return False
        self._look_after(self._process)
        return True

    def _start(self) -> None:
        storm = self._storm
        self._end = storm.chance.choice(_ENDS) if storm.plan.kills else "exit"
        self._life = storm.chance.uniform(*_LIVES)
        self._began, self._ready = time.monotonic(), None
        seconds = min(self._life, storm.left()) if self._end == "exit" else storm.left()
        options = ["--kills"] if storm.plan.kills else []
        options += ["--handles-sigterm"] if self._end == "handled term" else []
        seed = str(storm.chance.randrange(2**31))
        arguments = [self._sdk, str(seconds), str(storm.ledgers), seed, *options]
        self._process = storm.program("-m", "tests.chaos.worker", *arguments)

    def _look_after(self, process: subprocess.Popen[bytes]) -> None:
        now = time.monotonic()
        if self._ready is None:
            if any(self._storm.ledgers.glob(f"{process.pid}-*")):
                self._ready = now
            elif now - self._began > _READY:
                self._storm.outcome.faults.append(f"worker {process.pid} never began")
                process.kill()
        elif self._end != "exit" and now - self._ready > self._life:
            self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        number = signal.SIGKILL if self._end == "kill" else signal.SIGTERM
        if self._end != "handled term":
            self._storm.outcome.killed[process.pid] = time.time()
        process.send_signal(number)
        self._ready = float("inf")  # once

    def _ended(self, process: subprocess.Popen[bytes], code: int) -> None:
        self._process = None
        outcome = self._storm.outcome
        if code >= 0:
            outcome.killed.pop(process.pid, None)  # it had ended before the signal came
        ended = {0: "exit", -signal.SIGKILL: "kill", -signal.SIGTERM: "term"}.get(code)
        outcome.ends[ended or "?"] += 1
        life = next((one for one in lives(self._storm.ledgers) if one.pid == process.pid), None)
        if life is not None and life.left == "exit" and self._end == "handled term":
            ended = "exit"  # at its very end Python puts the default signal handler back
        if ended != (self._end if process.pid in outcome.killed else "exit"):
            outcome.faults.append(f"worker {process.pid}, which was to end by {self._end}, ended with {code}")
        if life is not None and code == 0:
            now = time.time()
            late = now - life.left_at - EXIT_TIMEOUT - life.waited(life.left_at, now)
            if late > EXIT_SLACK:
                outcome.faults.append(f"the exit of worker {process.pid} took {late:.1f} s too long")


class _Storm:
    def __init__(self, plan: Plan, folder: Path, variables: dict[str, str]) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.outcome = Outcome()
        self.ledgers = folder / "ledgers"
        self.ledgers.mkdir()
        self.spool = folder / "spool"
        self._said = folder / "stderr"
        self._said.mkdir()
        self._until = time.monotonic() + plan.seconds
        self._slots = [_Slot(self, ("openai", "anthropic")[number % 2]) for number in range(plan.workers)]
        self._env = environment(
            {
                **variables,
                "BRAINTRUST_PROJECT_NAME": PROJECT,
                "BTTRACE_SPOOL": "always",
                "BTTRACE_SPOOL_DIR": str(self.spool),
                "BTTRACE_EXIT_TIMEOUT": str(EXIT_TIMEOUT),
            }
        )
        self._last, self._held = os.pipe()  # every process holds the second end, until it is gone

    def left(self) -> float:
        """The seconds until it is over."""
        return max(self._until - time.monotonic(), 0.0)

    def program(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a program under the hook."""
        with self._stderr() as stderr:
            return subprocess.Popen(
                [*RUN, *command], cwd=ROOT, env=self._env, stderr=stderr, pass_fds=[self._held]
            )

    def _stderr(self) -> IO[bytes]:
        return (self._said / f"{len(list(self._said.iterdir()))}.txt").open("wb")

    def rage(self) -> None:
        """Keeps the slots filled until it is over, and waits until the last worker has ended."""
        latest = self._until + _GONE + _READY
        while time.monotonic() < latest:
            busy = [slot.tick(starts=self.left() > 0) for slot in self._slots]
            if not any(busy) and not self.left():
                return
            time.sleep(_TICK)

    def settle(self) -> None:
        """Waits until every process is gone, forked ones too; ends those that hang."""
        os.close(self._held)
        if not select.select([self._last], [], [], _GONE)[0]:
            for pid in self._hanging():
                self.outcome.faults.append(f"process {pid} hangs")
                os.kill(pid, signal.SIGUSR1)  # says where
                time.sleep(0.5)
                os.kill(pid, signal.SIGKILL)
        os.close(self._last)

    def _hanging(self) -> list[int]:
        """The processes of this storm that are still there; others may have got the same ids meanwhile."""
        found = []
        for life in lives(self.ledgers):
            try:
                if str(self.spool).encode() in Path(f"/proc/{life.pid}/environ").read_bytes():
                    found.append(life.pid)
            except OSError:
                continue
        return found

    def replay(self) -> None:
        """Delivers what is left."""
        with self._stderr() as stderr:
            command = [sys.executable, "-m", "bttrace.replay"]
            done = subprocess.run(
                command, cwd=ROOT, env=self._env, stderr=stderr, timeout=_REPLAY, check=False
            )
        if done.returncode:
            self.outcome.faults.append(f"the replay ended with {done.returncode}")

    def told(self) -> Outcome:
        """What the processes left."""
        outcome = self.outcome
        outcome.lives = lives(self.ledgers)
        outcome.said = [line for file in self._said.iterdir() for line in file.read_text().splitlines()]
        if self.spool.is_dir():
            files = (path for path in self.spool.rglob("*") if path.is_file() and path.stat().st_size)
            outcome.spooled = sorted(str(path.relative_to(self.spool)) for path in files)
        return outcome


def storm(plan: Plan, folder: Path) -> Outcome:
    """Runs it all, in an empty folder."""
    with ProviderServer() as provider, _braintrust(plan) as server:
        provider.reply(answer)
        running = _Storm(plan, folder, {**provider.env(), **server.env()})
        flapping = Flapping(server, random.Random(plan.seed))
        with flapping if plan.flaps else nullcontext():
            running.rage()
        running.settle()
        running.replay()
        outcome = running.told()
        outcome.flaps = flapping.seen
        outcome.rows, outcome.events = server.rows(PROJECT), server.events
        outcome.clashes = server.clashes
    return outcome


def _braintrust(plan: Plan) -> BraintrustServer:
    chance = random.Random(f"{plan.seed} {os.getpid()}")
    for _ in range(50):
        try:
            return BraintrustServer(port=chance.choice(_PORTS), max_bytes=64 * 2**20)
        except OSError:
            continue
    raise OSError("there is no free port")
