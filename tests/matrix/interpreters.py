"""Where a machine may have the Python of a version: PATH, and pyenv's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_TIMEOUT = 30


def candidates(version: str) -> Iterator[str]:
    """Paths at which a Python of a version like "3.12" may be; pyenv's shims on PATH may lead to none."""
    if version in ("", "{}.{}".format(*sys.version_info)):
        yield sys.executable
    found = shutil.which(f"python{version}")
    if found:
        yield found
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(versions.glob(f"{version}.*/bin/python")))


def interpreter(version: str) -> str | None:
    """The first of them that runs and is of that version."""
    for candidate in candidates(version):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            tried = subprocess.run(
                [candidate, "-c", code], capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0 and tried.stdout.strip().startswith(version):
            return candidate
    return None
