"""`python -m bttrace.run`: the program is as plain Python would have it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipapp
from collections.abc import Sequence
from pathlib import Path

import pytest

import bttrace
from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished

PROBE = """\
import json, os, sys
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "orig_argv": sys.orig_argv[1:], "name": __name__,
    "file": getattr(main, "__file__", None), "package": __package__, "globals": sorted(globals()),
    "spec": main.__spec__ and [main.__spec__.name, main.__spec__.origin, main.__spec__.parent],
    "loader": getattr(main.__loader__, "__name__", type(main.__loader__).__name__),
    "flags": list(sys.flags), "warnings": sys.warnoptions, "x": sys._xoptions, "executable": sys.executable,
    "stdin": None if sys.argv[0] == "-" else sys.stdin.read(), "cwd": os.getcwd(), "meta": len(sys.meta_path),
}))
print("to stderr", file=sys.stderr)
"""
HOOKED = "import sys; print('bttrace.session' in sys.modules)"


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    """A folder with the probe in every form that Python runs."""
    for path in ("script.py", "plain", "module.py", "package/__init__.py", "elsewhere/empty.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
    for path in ("script.py", "plain", "module.py", "package/__main__.py"):
        (tmp_path / path).write_text(PROBE)
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/__main__.py").write_text(PROBE)
    zipapp.create_archive(tmp_path / "folder", tmp_path / "app.pyz")
    zipapp.create_archive(tmp_path / "folder", tmp_path / "archive.zip")
    return tmp_path


def both(
    program: Sequence[str], cwd: Path, stdin: str = "", flags: Sequence[str] = (), path: str | None = None
) -> tuple[Finished, Finished]:
    """The program run by plain Python, and through the door with the hook at work."""
    variables = {} if path is None else {"PYTHONPATH": path}
    bare = finished([PYTHON, *flags, *program], environment(variables), cwd, stdin)
    command = [PYTHON, *flags, "-m", "bttrace.run", *program]
    return bare, finished(command, environment({**LOCAL, **variables}), cwd, stdin)


FORMS = {
    "script": ["script.py", "one", "--two"],
    "absolute": ["{place}/script.py"],
    "no suffix": ["plain", "-x"],
    "module": ["-m", "module", "-c", "--", "-m"],
    "module joined": ["-mmodule", "one"],
    "package": ["-m", "package", "--project", "its own"],
    "code": ["-c", PROBE, "one", "--exporter", "its own"],
    "stdin": ["-", "one"],
    "folder": ["folder", "one"],
    "zipapp": ["app.pyz", "--", "one"],
    "zip": ["archive.zip"],
    "own options": ["script.py", "--project", "p", "--no-content", "--env-file", "nowhere", "--", "--help"],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_program_sees_what_it_sees_under_plain_python(place: Path, form: str) -> None:
    program = [word.format(place=place) if "{place}" in word else word for word in FORMS[form]]

    bare, hooked = both(program, place, PROBE if form == "stdin" else "a line\n")

    # One more finder is the hook itself; everything else is equal, and the program really ran.
    assert hooked.json.pop("meta") == bare.json.pop("meta") + 1
    expected, found = bare.json, hooked.json
    del expected["meta"], found["meta"]
    assert found == expected
    assert (hooked.code, hooked.err) == (bare.code, bare.err) == (0, "to stderr\n")


def test_a_relative_script_runs_from_another_folder(place: Path) -> None:
    bare, hooked = both(["../script.py"], place / "elsewhere")
    assert hooked.json["path"] == bare.json["path"]
    assert hooked.json["file"] == bare.json["file"]
    assert hooked.json["argv"] == ["../script.py"]


@pytest.mark.parametrize("path", ["", "lib", ":lib", "lib:", "a::b", ":", "{folder}:lib"])
def test_the_path_is_what_pythonpath_alone_would_give(place: Path, path: str) -> None:
    path = path.replace(":", os.pathsep)
    program = ["-c", "import sys; print(sys.path)"]
    bare, _ = both(
        program, place, path=path.replace("{folder}", "").lstrip(os.pathsep) if "{" in path else path
    )
    _, hooked = both(program, place, path=path.replace("{folder}", FOLDER))
    assert hooked == bare


def test_flags_of_the_interpreter_are_passed_on(place: Path) -> None:
    flags = ["-X", "dev", "-W", "error", "-O", "-u", "-Xutf8=0", "-Wignore::ImportWarning", "-bb"]
    bare, hooked = both(["script.py"], place, flags=flags)
    for fact in ("flags", "warnings", "x", "path"):
        assert hooked.json[fact] == bare.json[fact], fact


@pytest.mark.parametrize("last", ["-um", "-mbttrace.run", "-Om", "-Xdevm"])
def test_a_flag_joined_to_our_own_name_is_passed_on_once(place: Path, last: str) -> None:
    """`python -um bttrace.run` hides our own -m among the flags: handed on, it would run us for ever."""
    command = {
        "-um": [PYTHON, "-um", "bttrace.run"],
        "-mbttrace.run": [PYTHON, "-mbttrace.run"],
        "-Om": [PYTHON, "-B", "-Om", "bttrace.run"],
        "-Xdevm": [PYTHON, "-Xdev", "-m", "bttrace.run"],
    }[last]
    flags = {"-um": ["-u"], "-mbttrace.run": [], "-Om": ["-B", "-O"], "-Xdevm": ["-Xdev"]}[last]
    hooked = finished([*command, "script.py"], cwd=place)
    assert hooked.json["orig_argv"] == [*flags, "script.py"]


def test_flags_stay_behind_when_another_module_starts_us(place: Path) -> None:
    code = "from bttrace.run import main; main(['script.py'])"
    assert finished([PYTHON, "-u", "-c", code], cwd=place).json["orig_argv"] == ["-u", "script.py"]


ENDS = {
    "exit code": "import sys; sys.exit(3)",
    "exit text": "import sys; sys.exit('text')",
    "exception": "def deep():\n    raise ValueError('deep')\ndeep()",
    "chained": "try:\n    1/0\nexcept ZeroDivisionError as fault:\n    raise KeyError('x') from fault",
    "syntax": "def broken(:",
    "os exit": "import os; print('kept', flush=True); os._exit(7)",
    "atexit": "import atexit; atexit.register(print, 'last'); raise SystemExit(5)",
    "system exit in a thread": "import threading; threading.Thread(target=lambda: 1/0, name='t').start()",
    "assertion": "assert not 'hooked'",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_under_plain_python(tmp_path: Path, end: str) -> None:
    (tmp_path / "app.py").write_text(ENDS[end])
    bare, hooked = both(["app.py"], tmp_path)
    assert hooked == bare


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_program_itself(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "app.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(50)\n")

    def signalled(command: Sequence[str]) -> tuple[int, list[str]]:
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(LOCAL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            err = process.communicate(timeout=20)[1].splitlines()
            return process.returncode, err[:1] + err[-1:]  # between them, wherever the signal met it

    bare, hooked = signalled([PYTHON, "app.py"]), signalled([*RUN, "app.py"])
    assert hooked == bare
    assert hooked[0] == -number


def test_a_script_that_does_not_exist_gets_pythons_own_answer(tmp_path: Path) -> None:
    bare, hooked = both(["nowhere.py"], tmp_path)
    assert hooked == bare
    assert hooked.code == 2
    assert "can't open file" in hooked.err


@pytest.mark.parametrize("program", [["-m", "no_such_module"], ["-m"], ["-c"], ["empty"]])
def test_what_python_can_not_run_gets_pythons_own_answer(tmp_path: Path, program: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    bare, hooked = both(program, tmp_path)
    assert hooked == bare
    assert hooked.code != 0


def test_a_command_that_does_not_exist_gets_one_message(tmp_path: Path) -> None:
    hooked = finished([*RUN, "no-such-command", "x"], cwd=tmp_path)
    assert (hooked.code, hooked.out, len(hooked.err.splitlines())) == (127, "", 1)
    assert hooked.err.startswith("bttrace: ")
    assert "'no-such-command'" in hooked.err
    assert "PATH" in hooked.err


def test_a_command_that_can_not_run_gets_one_message(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(b"\0neither a script nor a binary")
    tool.chmod(0o755)
    hooked = finished([*RUN, "./tool"], cwd=tmp_path)
    assert (hooked.code, hooked.out, len(hooked.err.splitlines())) == (126, "", 1)
    assert "tool" in hooked.said[0]


def _console_script(folder: Path, name: str = "serve") -> Path:
    script = folder / name
    folder.mkdir(exist_ok=True)
    script.write_text(f"#!{PYTHON}\nimport sys\nprint(sys.argv[1:], 'bttrace.session' in sys.modules)\n")
    script.chmod(0o755)
    return script


def test_a_command_on_path_is_traced(tmp_path: Path) -> None:
    tools = _console_script(tmp_path / "tools").parent
    env = environment({**LOCAL, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
    hooked = finished([*RUN, "serve", "app:app", "--workers", "2"], env, tmp_path)
    assert hooked == Finished(0, "['app:app', '--workers', '2'] True\n", "")


def test_a_command_of_the_virtual_environment_needs_no_activation(tmp_path: Path) -> None:
    """`venv/bin/python -m bttrace.run gunicorn` finds the gunicorn beside it."""
    beside = Path(sys.executable).parent / "bttrace"
    if not beside.exists():
        pytest.skip("bttrace's own console script is not installed beside this Python")
    env = environment({"PATH": str(tmp_path)})
    assert finished([*RUN, "bttrace", "path"], env) == Finished(0, f"{FOLDER}\n", "")


def test_a_folder_named_like_a_command_does_not_hide_it(tmp_path: Path) -> None:
    tools = _console_script(tmp_path / "tools").parent
    (tmp_path / "serve").mkdir()
    env = environment({"PATH": str(tools)})
    assert finished([*RUN, "serve"], env, tmp_path).out == "[] False\n"


def test_a_command_gets_the_signals_and_the_name_that_a_shell_would_give_it(tmp_path: Path) -> None:
    """Python ignores SIGPIPE, and what is ignored stays so in what it becomes: `yes | head` would complain."""
    code = "kill -s PIPE $$; echo alive"
    assert finished(["sh", "-c", code]).code == finished([*RUN, "sh", "-c", code]).code == -signal.SIGPIPE
    failing = ["ls", "nowhere"]
    assert finished([*RUN, *failing], cwd=tmp_path) == finished(failing, cwd=tmp_path)


def test_nothing_to_run_is_said(tmp_path: Path) -> None:
    for command in (RUN, [PYTHON, "-m", "bttrace", "run"], [*RUN, "--exporter", "local"]):
        hooked = finished(command, cwd=tmp_path)
        assert (hooked.code, hooked.out, len(hooked.said)) == (2, "", 1)
        assert "bttrace run app.py" in hooked.err


def test_an_unknown_option_is_said(tmp_path: Path) -> None:
    hooked = finished([*RUN, "--projct", "x", "app.py"], cwd=tmp_path)
    assert hooked.code == 2
    assert "--projct" in hooked.err
    assert "Traceback" not in hooked.err


def test_a_closed_standard_output_is_the_programs_own_affair(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write(repr(sys.stdout))"
    hooked = finished(["sh", "-c", '"$@" >&-', "sh", *RUN, "-c", code], cwd=tmp_path)
    assert hooked == Finished(0, "", "None")


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_a_flag_that_keeps_the_hook_out_is_said_once_if_anything_is_lost(tmp_path: Path, flag: str) -> None:
    command = [PYTHON, flag, "-m", "bttrace.run", "-c", HOOKED]
    path = [Path(bttrace.__file__).parents[1]] if flag == "-S" else []  # which keeps installed packages out
    hooked = finished(command, environment(LOCAL, *path), tmp_path)
    assert (hooked.code, hooked.out) == (0, "False\n")
    [line] = hooked.said
    assert flag in line
    assert finished(command, environment({}, *path), tmp_path) == Finished(0, "False\n", "")


def test_the_probe_can_tell_a_difference(place: Path) -> None:
    """The comparison above would be worth nothing if the probe were blind."""
    bare = json.loads(finished([PYTHON, "script.py"], cwd=place).out)
    other = json.loads(finished([PYTHON, "-O", "script.py", "x"], environment({}, place), place).out)
    assert all(bare[fact] != other[fact] for fact in ("argv", "path", "orig_argv", "flags"))
