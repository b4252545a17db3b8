"""Programs that need not start anew: a process has the SDKs imported already, and forks one for each.

For those whose subject is neither the start of an interpreter nor an import: they enable bttrace themselves, and SDKs
are there before. The process is `tests.zygote.__main__`.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from tests.doors import PYTHON, ROOT, Finished, environment

SDKS = ("anthropic", "braintrust", "openai")


@dataclass(frozen=True)
class Program:
    """A program: its code, or the module that is run, its words, what its environment has, and where it is run."""

    code: str = ""
    module: str = ""
    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=environment)
    cwd: str | os.PathLike[str] = ROOT

    @property
    def line(self) -> str:
        """As the process is told of it."""
        return json.dumps({**vars(self), "env": dict(self.env), "cwd": os.fspath(self.cwd)}) + "\n"


@dataclass(frozen=True)
class Ended:
    """How a program ended, and when by the monotonic clock."""

    finished: Finished
    at: float


class _Zygote:
    """A process that has modules imported. It runs so many programs at once."""

    def __init__(self, modules: Sequence[str], at_once: int) -> None:
        self._process = subprocess.Popen(
            [PYTHON, "-m", "tests.zygote", str(at_once), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment({}, ROOT),
            cwd=ROOT,
            text=True,
        )
        self._sent = 0

    def ended(self, programs: Sequence[Program]) -> list[Ended]:
        """Runs programs; gives how each ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        first, self._sent = self._sent, self._sent + len(programs)
        for program in programs:
            self._process.stdin.write(program.line)
        self._process.stdin.flush()
        ends: dict[int, Ended] = {}
        for _ in programs:
            number, code, out, err, at = json.loads(self._process.stdout.readline())
            ends[number - first] = Ended(Finished(code, out, err), at)
        return [ends[number] for number in range(len(programs))]

    def close(self) -> None:
        self._process.communicate()


@cache
def zygote(*modules: str, at_once: int = 1) -> _Zygote:
    """Gives the process that has modules imported; it ends with the tests."""
    made = _Zygote(modules, at_once)
    atexit.register(made.close)
    return made


def finished(program: Program, *modules: str) -> Finished:
    """Runs a program to its end, in a process that has modules imported."""
    [ended] = zygote(*(modules or SDKS)).ended([program])
    return ended.finished
