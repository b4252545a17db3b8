"""Starting programs bare and through a door, and what of them is compared.

Bare: as if bttrace were not there. Hooked: through one of the doors, with the local exporter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bttrace.path import folder
from bttrace.spans.tree import merged
from tests.matrix.interpreters import candidates

ROOT = Path(__file__).parents[1]
FOLDER = folder()
PYTHON = sys.executable
RUN = (PYTHON, "-m", "bttrace.run")
TIMEOUT = 120  # seconds; a program that takes longer hangs, on a busy machine too
LOCAL = {"BTTRACE_EXPORTER": "local"}
_STRANGERS = ("BTTRACE_", "BRAINTRUST_", "OPENAI_", "ANTHROPIC_", "PYTHON")
_FRAME = re.compile(r'^ +File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE)
_OURS = (f"{os.sep}bttrace{os.sep}", f"{os.sep}wrapt{os.sep}", "<frozen importlib")


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit code, negative for a signal, and its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON; its standard error explains a failure."""
        assert self.out, self.err
        return json.loads(self.out)

    @property
    def said(self) -> list[str]:
        """What bttrace logged."""
        return [line for line in self.err.splitlines() if line.startswith("bttrace: ")]

    @property
    def frames(self) -> list[tuple[str, str, str]]:
        """The frames of its traceback, but for those that a hook cannot hide."""
        return [
            (frame["file"], frame["line"], frame["function"])
            for frame in _FRAME.finditer(self.err)
            if not any(part in frame["file"] for part in _OURS)
        ]

    @property
    def last_line(self) -> str:
        """The last line of standard error, which is a traceback's exception."""
        return (self.err.splitlines() or [""])[-1]


def fresh_spool() -> str:
    """A folder that is not there yet, for what is not delivered: no test shall find another's, nor the developer's."""
    return str(Path(_spools().name, uuid.uuid4().hex))


@cache
def _spools() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="bttrace-spools-", ignore_cleanup_errors=True)


def environment(variables: Mapping[str, str] | None = None, *path: str | Path) -> dict[str, str]:
    """An environment without anything of the developer's; `path` is `PYTHONPATH`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGERS)}
    env["BTTRACE_STRICT"] = "1"
    env["BTTRACE_PRICES"] = "false"  # what is computed changes with the table
    env["BTTRACE_SPOOL_DIR"] = fresh_spool()
    if path:
        env["PYTHONPATH"] = os.pathsep.join(str(entry) for entry in path)
    return {**env, **(variables or {})}


def finished(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> Finished:
    """Runs a command to its end."""
    done = subprocess.run(
        [str(word) for word in command],
        env=environment() if env is None else env,
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def hooked(code: str, *variables: Mapping[str, str], cwd: Path) -> Finished:
    """Runs code under `bttrace run`, with all these variables."""
    together = {name: value for given in variables for name, value in given.items()}
    return finished([*RUN, "-c", code], environment(together), cwd)


def journal_rows(journals: Path) -> list[dict[str, Any]]:
    """The rows of every journal in a folder, merged."""
    lines = (line for file in journals.glob("*.jsonl") for line in file.read_text().splitlines())
    return merged(json.loads(line) for line in lines)


@cache
def other_python(version: str) -> str | None:
    """The path of another Python, from PATH or from pyenv, which knows nothing of bttrace."""
    code = "import sys; print('%d.%d' % sys.version_info[:2]); __import__('bttrace')"
    for candidate in candidates(version):
        tried = finished([candidate, "-c", code])
        if tried.out.strip() == version and "bttrace" in tried.err:
            return candidate
    return None
