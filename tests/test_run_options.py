"""The options of `python -m bttrace.run`, and the `bttrace` command."""

from __future__ import annotations

from pathlib import Path

import pytest

import bttrace
from tests.doors import FOLDER, PYTHON, RUN, Finished, environment, finished

HOOKED = "import sys; print('bttrace.session' in sys.modules)"
VARIABLES = """\
import json, os
print(json.dumps({n: v for n, v in os.environ.items() if n.startswith(("BTTRACE_", "BRAINTRUST_", "OWN"))}))
"""


def variables(*options: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> dict[str, str]:
    """The variables of ours that the program finds."""
    found = finished([*RUN, *options, "-c", VARIABLES], environment(env), cwd).json
    assert isinstance(found, dict)
    for set_by_the_tests in ("BTTRACE_STRICT", "BTTRACE_PRICES", "BTTRACE_SPOOL_DIR", "BTTRACE_RUN_PID"):
        del found[set_by_the_tests]
    return found


def test_options_become_variables() -> None:
    assert variables("--project", "P", "--exporter=console,local", "--no-content") == {
        "BRAINTRUST_PROJECT_NAME": "P",
        "BTTRACE_EXPORTER": "console,local",
        "BTTRACE_CAPTURE_CONTENT": "false",
    }


def test_an_option_wins_over_the_environment() -> None:
    env = {"BRAINTRUST_PROJECT_NAME": "Q", "BRAINTRUST_PROJECT_ID": "id-of-q", "BTTRACE_EXPORTER": "none"}
    assert variables("--project", "P", "--exporter", "local", env=env) == {
        "BRAINTRUST_PROJECT_NAME": "P",
        "BTTRACE_EXPORTER": "local",
    }
    assert variables(env=env) == env


def test_an_env_file_adds_to_the_environment_and_never_wins(tmp_path: Path) -> None:
    file = tmp_path / "app.env"
    file.write_text(
        "# a comment\nexport OWN_ONE='1 # kept'\nOWN_TWO=two # gone\n\nOWN_THREE=\"a=b\"\nBRAINTRUST_API_KEY=file\nodd\n"
    )
    assert variables(
        "--env-file", str(file), env={"BRAINTRUST_API_KEY": "mine", "BTTRACE_EXPORTER": "none"}
    ) == {
        "OWN_ONE": "1 # kept",
        "OWN_TWO": "two",
        "OWN_THREE": "a=b",
        "BRAINTRUST_API_KEY": "mine",
        "BTTRACE_EXPORTER": "none",
    }


def test_an_env_file_starts_tracing(tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("BTTRACE_EXPORTER=local\n")
    assert finished([*RUN, "--env-file", "app.env", "-c", HOOKED], cwd=tmp_path).out == "True\n"


@pytest.mark.parametrize("kind", ["missing", "a folder", "not text", "null bytes"])
def test_an_env_file_that_can_not_be_read_is_said_once(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "app.env"
    if kind == "a folder":
        file.mkdir()
    elif kind != "missing":
        file.write_bytes(b"OWN=\xff\xfe" if kind == "not text" else b"OWN=\0")
    hooked = finished([*RUN, "--env-file", str(file), "-c", "import sys; print('mine'); sys.exit(4)"])
    assert (hooked.code, hooked.out, len(hooked.err.splitlines())) == (4, "mine\n", 1)
    assert str(file) in hooked.said[0]
    assert "check the path" in hooked.said[0]


# The bttrace command.


def test_the_command_runs_a_program_as_the_module_does(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import json, sys; print(json.dumps({'argv': sys.argv}))")
    module = finished([*RUN, "script.py", "--", "--project", "x"], cwd=tmp_path)
    command = finished([PYTHON, "-m", "bttrace", "run", "script.py", "--", "--project", "x"], cwd=tmp_path)
    assert command == module
    assert command.json["argv"] == ["script.py", "--", "--project", "x"]


def test_the_command_takes_options_before_the_program(tmp_path: Path) -> None:
    command = [PYTHON, "-m", "bttrace", "run", "--project", "P", "--", "-c", VARIABLES]
    assert finished(command, cwd=tmp_path).json["BRAINTRUST_PROJECT_NAME"] == "P"


def test_the_command_prints_the_folder() -> None:
    for command in ([PYTHON, "-m", "bttrace.path"], [PYTHON, "-m", "bttrace", "path"]):
        assert finished(command) == Finished(0, f"{FOLDER}\n", "")
    assert (Path(FOLDER) / "sitecustomize.py").is_file()


def test_the_command_explains_itself() -> None:
    shown = finished([PYTHON, "-m", "bttrace", "--help"])
    assert (shown.code, shown.err) == (0, "")
    for word in ("run", "show", "path", "BRAINTRUST_API_KEY", "PYTHONPATH", "bttrace.enable()"):
        assert word in shown.out
    assert finished([PYTHON, "-m", "bttrace"]) == Finished(2, "", shown.out)
    assert "--env-file FILE" in finished([PYTHON, "-m", "bttrace", "run", "--help"]).out


def test_the_command_knows_its_version() -> None:
    assert finished([PYTHON, "-m", "bttrace", "--version"]).out == f"bttrace {bttrace.__version__}\n"


def test_children_of_the_program_are_traced(tmp_path: Path) -> None:
    code = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {HOOKED!r}]))"
    assert finished([*RUN, "--exporter", "local", "-c", code], cwd=tmp_path) == Finished(0, "True\n", "")
