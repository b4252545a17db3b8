"""Without a key there is no trace of us; with one, next to none until an SDK is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished

KEY = {"BRAINTRUST_API_KEY": "sk-loopback"}
OFF = {
    "no key": {},
    "blank key": {"BRAINTRUST_API_KEY": " "},
    "disabled": {**KEY, **LOCAL, "BTTRACE_DISABLED": "1"},
    "exporter none": {**KEY, "BTTRACE_EXPORTER": "none"},
    "talkative": {"BTTRACE_LOG": "info"},
}
# What a process looks like from inside; threads and open files that Python knows nothing of, where /proc has them.
PROGRAM = """\
import os, sys

def open_files():
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        try:
            yield os.readlink("/proc/self/fd/" + number)
        except OSError:  # the folder that is being listed
            pass

facts = {
    "modules": sorted(sys.modules),
    "meta_path": [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path],
    "path_hooks": len(sys.path_hooks),
    "path": sys.path,
    "threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None,
    "files": sorted(file for file in open_files() if not file.startswith(("pipe:", "/proc/"))),
}
import json
print(json.dumps(facts))
"""
ENABLED = "import bttrace; bttrace.enable(); del bttrace\n"


def facts(
    code: str, env: dict[str, str], cwd: Path | None = None, *, command: tuple[str, ...] = (PYTHON,)
) -> Any:
    done = finished([*command, "-c", code], env, cwd)
    assert (done.code, done.err) == (0, "")
    return done.json


@pytest.mark.parametrize("off", OFF)
def test_the_folder_on_the_path_leaves_only_its_name(tmp_path: Path, off: str) -> None:
    bare = facts(PROGRAM, environment(), tmp_path)
    hooked = facts(PROGRAM, environment(OFF[off], FOLDER), tmp_path)
    assert set(hooked["modules"]) - set(bare["modules"]) == {"sitecustomize"}
    hooked["modules"].remove("sitecustomize")
    assert hooked == bare


@pytest.mark.parametrize("off", OFF)
def test_the_launcher_leaves_only_that_too(tmp_path: Path, off: str) -> None:
    bare = facts(PROGRAM, environment(), tmp_path)
    hooked = facts(PROGRAM, environment(OFF[off]), tmp_path, command=RUN)
    hooked["modules"].remove("sitecustomize")
    assert hooked == bare


@pytest.mark.parametrize("off", OFF)
def test_enable_imports_nothing_but_our_light_modules(tmp_path: Path, off: str) -> None:
    bare = facts(PROGRAM, environment(), tmp_path)
    hooked = facts(ENABLED + PROGRAM, environment(OFF[off]), tmp_path)
    new = set(hooked.pop("modules")) - set(bare.pop("modules"))
    if off == "talkative":  # BTTRACE_LOG brings logging along
        new = {name for name in new if name.startswith("bttrace")} - {"bttrace.log"} | {"__future__"}
    assert new == {
        "__future__",
        "bttrace",
        "bttrace.config",
        "bttrace.guard",
        "bttrace.imports",
        "bttrace.limits",
        "bttrace.providers",
        "bttrace.registries",
        "bttrace.session",
        "bttrace.speech",
    }
    assert hooked == bare


def test_the_sdk_is_not_patched_without_a_key(tmp_path: Path) -> None:
    code = (
        "import sys, openai, threading\n"
        "from openai import _base_client, _streaming\n"
        "print([type(vars(cls)[name]).__name__ for cls, name in [(_base_client.SyncAPIClient, 'request'),"
        " (_base_client.BaseClient, '_build_request'), (_streaming.Stream, '__stream__')]])\n"
        "print(type(openai.__loader__).__name__, openai.__spec__.loader is openai.__loader__)\n"
        "print('wrapt' in sys.modules, 'bttrace' in sys.modules, threading.active_count())\n"
    )
    hooked = finished([PYTHON, "-c", code], environment({}, FOLDER), tmp_path)
    expected = "['function', 'function', 'function']\nSourceFileLoader True\nFalse False 1\n"
    assert hooked == Finished(0, expected, "")


STATUS = "import bttrace; bttrace.enable(); s = bttrace.status(); print(s.enabled, s.exporters, s.reason)"


def key_found(cwd: Path, env: dict[str, str] | None = None) -> Finished:
    return finished([PYTHON, "-c", STATUS], environment(env, FOLDER), cwd)


@pytest.mark.parametrize(
    "line", ["BRAINTRUST_API_KEY=k", " export BRAINTRUST_API_KEY='k' # mine", "BRAINTRUST_API_KEY = k"]
)
def test_the_nearest_env_file_gives_the_key(tmp_path: Path, line: str) -> None:
    below = tmp_path / "a/b/c"
    below.mkdir(parents=True)
    (tmp_path / ".env.braintrust").write_text(f"# keys\nOTHER=1\n{line}\n")
    assert key_found(tmp_path).out == "True ('braintrust',) \n"
    assert key_found(below).out == "True ('braintrust',) \n"
    assert (
        facts("import sys; print(int('bttrace.session' in sys.modules))", environment({}, FOLDER), below) == 1
    )

    # The nearest file decides, with or without a key (braintrust 0.47, `env.py`).
    (tmp_path / "a/.env.braintrust").write_text("OTHER=1\n")
    assert key_found(below).out.startswith("False () there is no BRAINTRUST_API_KEY")


def test_an_env_file_without_a_key_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / ".env.braintrust").write_text("OTHER=1\n")
    bare = facts(PROGRAM, environment(), tmp_path)
    hooked = facts(PROGRAM, environment({}, FOLDER), tmp_path)
    hooked["modules"].remove("sitecustomize")
    assert hooked == bare


def test_braintrust_itself_agrees_on_the_env_file(tmp_path: Path) -> None:
    pytest.importorskip("braintrust")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / ".env.braintrust").write_text('export BRAINTRUST_API_KEY="quoted key" # x\n')
    (tmp_path / "a/.env.braintrust").write_text("BRAINTRUST_API_KEY=nearer\n")
    theirs = "from braintrust.env import BraintrustEnv as e; print(e.API_KEY.get(None, use_dotenv=True))"
    ours = "from bttrace.config import read; import os; print(read(os.environ).api_key)"
    for folder, key in ((tmp_path, "quoted key"), (tmp_path / "a/b", "nearer")):
        for code in (theirs, ours):
            assert finished([PYTHON, "-c", code], environment(), folder).out == f"{key}\n", code


@pytest.mark.parametrize("on", [KEY, LOCAL, {**KEY, "BTTRACE_EXPORTER": "braintrust,local,console"}])
def test_with_a_key_start_up_is_light(tmp_path: Path, on: dict[str, str]) -> None:
    """No third-party module, no thread, no socket, no file, no scan of entry points, nothing said."""
    bare = facts(PROGRAM, environment(), tmp_path)
    hooked = facts(PROGRAM, environment(on, FOLDER), tmp_path)
    new = set(hooked.pop("modules")) - set(bare.pop("modules"))
    assert {name for name in new if not name.startswith("bttrace")} == {
        "__future__",
        "atexit",
        "sitecustomize",
    }
    assert hooked.pop("meta_path") == ["ImportHook", *bare.pop("meta_path")]
    assert hooked == bare
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", ["folder", "run", "enable"])
def test_the_one_info_line(tmp_path: Path, door: str) -> None:
    variables = {**KEY, "BTTRACE_LOG": "info", "BRAINTRUST_PROJECT_NAME": "Harbour"}
    commands = {
        "folder": ([PYTHON, "-c", "pass"], environment(variables, FOLDER)),
        "run": ([*RUN, "-c", "pass"], environment(variables)),
        "enable": ([PYTHON, "-c", ENABLED], environment(variables)),
    }
    done = finished(*commands[door], tmp_path)
    [line] = done.err.splitlines()
    for word in ("bttrace: ", "'Harbour'", "exporter braintrust", "openai", "anthropic"):
        assert word in line
    assert (done.code, done.out) == (0, "")
