"""Running small programs as a user would: in a Python of their own, under the hook or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_STRANGERS = ("BTTRACE_", "BRAINTRUST_", "OPENAI_", "ANTHROPIC_", "PYTHON")


def environment(*variables: Mapping[str, str]) -> dict[str, str]:
    """Gives this process's environment without what could steer the hook, and with the variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGERS)}
    own["BTTRACE_STRICT"] = "1"
    for more in variables:
        own.update(more)
    return own


def hooked(
    code: str, *variables: Mapping[str, str], cwd: Path, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs code under `python -m bttrace.run -c`."""
    command = [sys.executable, "-m", "bttrace.run", "-c", code]
    return subprocess.run(
        command,
        env=environment(*variables),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
