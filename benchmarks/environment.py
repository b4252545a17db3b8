"""The environments that measured processes run in, and how they are started and ended.

Owns which variables they get. A process that is *bare* has nothing of ours; one that is
*hooked* has the `sitecustomize` folder on its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .timing import Gone

HERE = Path(__file__).resolve().parent
DOOR = HERE.parent / "sitecustomize"
_NOT_OURS = ("BTTRACE_", "BRAINTRUST_", "PYTHON", "OPENAI_", "ANTHROPIC_", "OTEL_")
_NOT_PEERS = ("DD_", "LANGFUSE_", "LOGFIRE_", "TRACELOOP_")
_NOT_PROXIES = "_proxy"


def bare(scratch: str) -> dict[str, str]:
    """Gives an environment without us, whose compiled modules are kept in the scratch folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_OURS + _NOT_PEERS) and not name.lower().endswith(_NOT_PROXIES)
    }
    # Without it, a machine that may not write beside the sources compiles our modules at each start.
    return {**kept, "PYTHONPYCACHEPREFIX": os.path.join(scratch, "compiled")}


def hooked(scratch: str, **variables: str) -> dict[str, str]:
    """Gives that environment with the door on its path, and more variables."""
    return {**bare(scratch), "PYTHONPATH": str(DOOR), **variables}


@contextmanager
def program(
    script: str,
    *arguments: str,
    environ: Mapping[str, str],
    cwd: str,
    python: str = sys.executable,
    errors: str = "",
) -> Iterator[Program]:
    """Runs a script of this folder that talks over its standard input and output, until the block ends.

    What it says of errors goes to a file, if one is named.
    """
    running = Program([python, str(HERE / script), *arguments], environ, cwd, errors)
    try:
        yield running
    finally:
        running.end()


class Program:
    """A running script: lines go in, lines come out."""

    def __init__(self, command: list[str], environ: Mapping[str, str], cwd: str, errors: str) -> None:
        self._errors = errors
        with ExitStack() as stack:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(open(errors, "wb")) if errors else None,
                env=dict(environ),
                cwd=cwd,
                text=True,
            )

    def line(self) -> str:
        """Gives the next line it printed; raises `Gone` when it ended."""
        out = self._process.stdout
        line = out.readline() if out is not None else ""
        if not line:
            code = self._process.wait(10)
            said = Path(self._errors).read_text(errors="replace").splitlines() if self._errors else []
            raise Gone(f"it ended with {code}: {said[-1] if said else 'it says nothing'}")
        return line.strip()

    def answer(self, question: str) -> str:
        """Sends a line and gives the one that comes back."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(f"{question}\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return self.line()  # which says why
        return self.line()

    def end(self) -> None:
        """Lets it end by closing its input, and ends it if it does not."""
        process = self._process
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
