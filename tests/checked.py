"""`bttrace check` as it is run: the real command in a child process, toward a loopback Braintrust.

Most states have nothing to do with an SDK. There `openai.py` stands in the working folder, which is no SDK and
imported at once, and is found as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.doors import FOLDER, PYTHON, Finished, environment, finished
from tests.loopback.braintrust import BraintrustServer

KEY = "sk-loopback-key-of-braintrust-7f3a"
LONGEST = 15  # seconds


def server() -> BraintrustServer:
    """A Braintrust with two organisations' worth of nothing but one project."""
    made = BraintrustServer(key=KEY, orgs=("acme",))
    made.project_id("My Project")
    return made


def no_sdk(folder: Path) -> Path:
    """A working folder in which `openai` is no SDK."""
    folder.mkdir(exist_ok=True)
    (folder / "openai.py").write_text("")
    return folder


def run(
    braintrust: BraintrustServer | None,
    cwd: Path,
    *words: str,
    variables: Mapping[str, str] | None = None,
    path: tuple[str | Path, ...] = (FOLDER,),
    command: tuple[str, ...] = (PYTHON, "-m", "bttrace.check"),
) -> Finished:
    """Runs the command for `openai`."""
    lead = {} if braintrust is None else braintrust.env()
    return finished([*command, *words, "openai"], environment({**lead, **(variables or {})}, *path), cwd)


def told(done: Finished) -> dict[str, Any]:
    """What it printed with `--json`; that is in time, and agrees with the exit code."""
    found: dict[str, Any] = done.json
    assert done.code == (0 if found["ok"] else 1)
    assert found["seconds"] <= LONGEST
    return found


def findings(outcome: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By code, what is not well: about what, and how bad."""
    return {one["code"]: (one["about"], one["level"]) for one in outcome["findings"] if one["code"]}


def said(outcome: Mapping[str, Any], code: str) -> str:
    """What is said with a code."""
    [sentence] = [one["said"] for one in outcome["findings"] if one["code"] == code]
    return str(sentence)
