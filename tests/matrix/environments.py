"""Environments that are made once and kept under `.matrix`, and the wheel that is installed in them.

An environment is named by its row and a digest of all that it is made from, and is brought up to date when it is older
than a day, since a requirement without `==` moves.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tests.matrix.table import SHOWN, Row

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".matrix"
_STALE = 24 * 3600  # seconds
_VENV_TIMEOUT, _INSTALL_TIMEOUT, _BUILD_TIMEOUT = 60, 240, 60  # seconds
_NO_REGISTRY = "from versions: none"  # what pip says of a package of which it found no version at all
_VERSIONS = """
import importlib.metadata, json, platform, sys, bttrace
versions = {"Python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        versions[name] = "-"
print(json.dumps([bttrace.__file__, versions]))
"""


class Failed(Exception):
    """A step that did not succeed, and what it printed."""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"{step}\n{output.strip()}")
        self.unreachable = _NO_REGISTRY in output


@dataclass(frozen=True)
class Tools:
    """A Python with pip, that installs into the environments, and the project's wheel."""

    python: Path
    wheel: Path

    def pip(self, python: Path, *arguments: str) -> None:
        """Installs into the environment of another Python."""
        install = [str(self.python), "-m", "pip", "--python", str(python), "install", "--quiet"]
        # Compiling all of an SDK takes longer than the few modules that a test imports.
        ran(
            [*install, "--no-compile", "--disable-pip-version-check", *arguments],
            _INSTALL_TIMEOUT,
            "pip install",
        )


def ran(command: Sequence[str], timeout: float, step: str) -> str:
    """What a command printed; raises `Failed` when it fails or takes longer."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BTTRACE_"))}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        # What was printed until then is bytes, in spite of `text` (Python 3.10 to 3.13, `subprocess.py`).
        printed = (late.stdout or b"").decode(errors="replace") if isinstance(late.stdout, bytes) else ""
        raise Failed(f"{step} took longer than {timeout:g} s", printed) from None
    if done.returncode:
        raise Failed(f"{step} ended with {done.returncode}", done.stdout)
    return done.stdout


def tools() -> Tools:
    """Makes the tools unless they are there, as in what `make test` sets up, and builds the wheel anew."""
    folder = FOLDER / f"tools-{_digest(sys.executable, sys.version)}"
    python = folder / "bin" / "python"
    if find_spec("hatchling") and find_spec("pip") and int(version("pip").partition(".")[0]) >= 23:
        python = Path(sys.executable)
    elif _age(folder) is None:
        ran([sys.executable, "-m", "venv", "--clear", str(folder)], _VENV_TIMEOUT, "venv")
        # The pip that comes with a Python may be too old to know --python.
        quiet = ["--quiet", "--disable-pip-version-check", "--upgrade"]
        ran(
            [str(python), "-m", "pip", "install", *quiet, "pip>=22.3", "hatchling>=1.25"],
            _INSTALL_TIMEOUT,
            "pip",
        )
        _made(folder)
    wheels = FOLDER / "wheel"
    for old in wheels.glob("*.whl"):
        old.unlink()
    build = ["hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    ran([str(python), "-m", *build], _BUILD_TIMEOUT, "building the wheel")
    [wheel] = wheels.glob("*.whl")
    return Tools(python, wheel)


def environment(row: Row, interpreter: str, tools: Tools, *, fresh: bool = False) -> Path:
    """The Python of a row's environment, with the wheel of today in it."""
    python = prepared(
        row.name, ("pytest", *row.requirements, str(tools.wheel)), interpreter, tools, fresh=fresh
    )
    tools.pip(python, "--force-reinstall", "--no-deps", str(tools.wheel))
    return python


def prepared(
    name: str, requirements: Sequence[str], interpreter: str, tools: Tools, *, fresh: bool = False
) -> Path:
    """The Python of an environment with these requirements, which is made unless it is there."""
    folder = FOLDER / f"{name}-{_digest(os.path.realpath(interpreter), *requirements)}"
    python = folder / "bin" / "python"
    age = _age(folder)
    if fresh or age is None:
        ran([interpreter, "-m", "venv", "--without-pip", "--clear", str(folder)], _VENV_TIMEOUT, "venv")
        age = None
    if age is None or age > _STALE:
        tools.pip(python, "--upgrade", *requirements)
        _made(folder)
    return python


def versions(python: Path, shown: Sequence[str] = SHOWN) -> dict[str, str]:
    """What is installed in an environment; raises `Failed` unless bttrace is, from the wheel."""
    told = ran([str(python), "-c", _VERSIONS, *shown], _VENV_TIMEOUT, "importing bttrace")
    file, found = json.loads(told)
    if not Path(file).is_relative_to(python.parents[1]):
        raise Failed("importing bttrace", f"it came from {file}")
    return dict(found)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]


def _age(folder: Path) -> float | None:
    stamp = folder / "made"
    return time.time() - stamp.stat().st_mtime if stamp.exists() else None


def _made(folder: Path) -> None:
    (folder / "made").touch()
