"""The README is true: its commands run, its output is what they print, its variables are those that are read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bttrace import config
from tests.doors import ROOT, environment
from tests.loopback.braintrust import BraintrustServer

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line[2:]
    for kind, text in BLOCKS
    if kind == "console"
    for line in text.splitlines()
    if line.startswith("$ ")
]
SET_UP = {
    "make demo",
    "make test",
    "make matrix",
    "make test-frameworks",
    "make bench",
}  # they make an environment; `make demo`'s agents run here all the same
PICTURE = README.split("$ bttrace run --exporter local examples/openai_agent.py\n")[1].split("```")[0]


def _in_shell(
    command: str, cwd: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command as a reader would: `python` and `bttrace` are those of this environment."""
    own = environment(variables)
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    serve = [sys.executable, str(ROOT / "examples" / "provider_server.py"), "--", "sh", "-c", command]
    return subprocess.run(serve, env=own, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def _shape(text: str) -> list[str]:
    """Gives lines with everything that differs between two runs taken out."""
    return [re.sub(r"[\d.,TZ-]+|\bm?s\b", "#", line) for line in text.strip().splitlines()]


def test_the_picture_is_what_the_command_prints(tmp_path: Path) -> None:
    done = _in_shell(
        f"bttrace run --exporter local {ROOT}/examples/openai_agent.py", tmp_path, {"BTTRACE_PRICES": "true"}
    )
    assert done.returncode == 0
    said, tree = PICTURE.strip().split("\n\n", 1)
    assert done.stdout.strip() == said
    assert _shape(done.stderr) == _shape(tree)


@pytest.mark.parametrize("command", [command for command in COMMANDS if "app.py" in command])
def test_each_door_delivers_to_braintrust(command: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text((ROOT / "examples" / "openai_agent.py").read_text())
    with BraintrustServer() as server:
        address = {name: value for name, value in server.env().items() if name != "BRAINTRUST_API_KEY"}
        done = _in_shell(
            command.replace("BRAINTRUST_API_KEY=...", f"BRAINTRUST_API_KEY={server.key}"), tmp_path, address
        )
        assert (done.returncode, done.stderr) == (0, "")
        names = [row["span_attributes"]["name"] for row in server.rows("My Project")]
        assert [names.count(name) for name in ("agent turn", "llm.generation (gpt-5.4-mini)")] == [1, 3]


def test_every_command_is_run_or_sets_up() -> None:
    known = SET_UP | {"bttrace run --exporter local examples/openai_agent.py", "bttrace check openai"}
    assert {command for command in COMMANDS if "app.py" not in command} == known
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {command.removeprefix("make ") for command in SET_UP} <= targets


def test_the_python_examples_run(tmp_path: Path) -> None:
    examples = [text for kind, text in BLOCKS if kind == "python"]
    assert len(examples) == 2
    agent = f"import sys; sys.path.insert(0, {str(ROOT / 'examples')!r})\nimport openai_agent\n"
    run = "def run_my_agent(): openai_agent.main()\n"
    for number, example in enumerate(examples):
        program = tmp_path / f"example{number}.py"
        program.write_text(agent + run + example)
        done = _in_shell(f"python {program}", tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_the_variables_are_those_that_are_read() -> None:
    listed = set(
        re.findall(r"`((?:BTTRACE|BRAINTRUST)_[A-Z_]+)`", README.split("## Environment")[1].split("## ")[0])
    )
    assert listed == {*config.known_variables(), "BTTRACE_STRICT"}


def test_the_options_of_enable_are_those_that_are_read() -> None:
    import bttrace

    documented = set(re.findall(r"`(\w+)`", bttrace.enable.__doc__ or "")) & set(config._SETTINGS)
    assert documented == set(config._SETTINGS) - {"disabled", "log"}
