"""Programs that make calls and end, each bare and under bttrace, and what is compared of the two."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.doors import environment
from tests.loopback.provider import ProviderServer
from tests.zygote import Program, zygote

_ADDRESS = re.compile("0x[0-9a-f]+")
PRELUDE = """
import os, sys, time, openai
if os.environ.get("BRAINTRUST_API_KEY"):
    import bttrace
    bttrace.enable()
client = openai.OpenAI(http_client=openai.DefaultHttpxClient(verify=False), max_retries=0)
def ask(text="hello"):
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content
"""
OVER = 'print("over", time.monotonic(), flush=True)\n'
"""A last statement, by which `Ending.delay` knows when the program had nothing more to do."""


@dataclass(frozen=True)
class Ending:
    """How a program ended, and when by the monotonic clock."""

    code: int
    out: str
    err: str
    at: float

    @property
    def delay(self) -> float:
        """The seconds from the program's last statement to the end of the process."""
        return self.at - float(self.out.rpartition("over ")[2])

    @property
    def said(self) -> list[str]:
        """What bttrace logged."""
        return [line for line in self.err.splitlines() if line.startswith("bttrace: ")]

    @property
    def seen(self) -> tuple[int, str, str]:
        """What the application's user sees of it, but for addresses in memory and what bttrace logged."""
        err = [line for line in self.err.splitlines() if not line.startswith("bttrace: ")]
        out = self.out.partition("over ")[0]
        return self.code, _ADDRESS.sub("0x", out), _ADDRESS.sub("0x", "\n".join(err))


def endings(
    programs: Sequence[tuple[str, Mapping[str, str]]], provider: ProviderServer, cwd: Path, at_once: int = 4
) -> list[Ending]:
    """Runs programs, a few at a time; each is its code, and the variables that it has."""
    cases = [Program(code, env={**environment(), **provider.env(), **env}, cwd=cwd) for code, env in programs]
    ended = zygote("openai", at_once=at_once).ended(cases)
    return [Ending(end.finished.code, end.finished.out, end.finished.err, end.at) for end in ended]
