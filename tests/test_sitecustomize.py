"""The door on PYTHONPATH: whoever else is at home there notices nothing."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from bttrace import path
from tests.doors import FOLDER, LOCAL, PYTHON, Finished, environment, finished, other_python

SRC = Path(path.__file__).parents[1]
FACTS = """\
import sys
import json
import re
module = sys.modules.get("sitecustomize")
kept = {name: re.sub(" at 0x[0-9a-f]+", "", repr(getattr(module, name, None))) for name in
        ("__name__", "__file__", "__package__", "__path__", "__cached__", "__spec__", "__loader__", "MINE")}
print(json.dumps({"path": sys.path, "sitecustomize": kept, "argv": sys.argv, "meta": len(sys.meta_path),
                  "said": getattr(sys, "said", [])}))
"""
TRACED = "import bttrace; print(bttrace.status().enabled)"
HOOKED = "import sys; print('bttrace.session' in sys.modules)"
OWN = """\
import importlib, json, os, sys
import importlib.util
sys.said = getattr(sys, "said", []) + ["user's"]
MINE = [__name__, os.path.basename(__file__), __spec__ and __spec__.name, sys.modules[__name__].__file__ == __file__]
assert importlib.util.find_spec("json").name == "json"
assert importlib.import_module("json") is json
"""
SHIM = """\
import os, sys
sys.said = getattr(sys, "said", []) + ["shim's"]
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
ours = sys.modules.pop("sitecustomize")
try:
    import sitecustomize
except ImportError:
    sys.modules["sitecustomize"] = ours
"""
# The same trick by way of the import system's parts.
SHIM_OF_SPECS = """\
import importlib.machinery, importlib.util, os, sys
sys.said = getattr(sys, "said", []) + ["shim's"]
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
if spec is not None:
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)
"""

GONE = (
    'mkdir "$1" && cd "$1" && rmdir "$1" && shift && exec "$@"'  # runs a command in a folder that is no more
)


def tool(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(text)
    return folder


def both(code: str, *entries: str | Path, flags: tuple[str, ...] = ()) -> tuple[Finished, Finished]:
    """The code run without our folder on PYTHONPATH, and with it and the hook at work."""
    bare = finished([PYTHON, *flags, "-c", code], environment({}, *entries))
    hooked = finished([PYTHON, *flags, "-c", code], environment(LOCAL, FOLDER, *entries))
    return bare, hooked


def test_the_folder_is_off_the_path_and_the_program_is_traced() -> None:
    bare, hooked = both("import sys; print(sys.path)")
    assert hooked == bare
    assert finished([PYTHON, "-c", TRACED], environment(LOCAL, FOLDER)).out == "True\n"


@pytest.mark.parametrize("form", ["file", "package", "zip", "namespace"])
def test_the_users_own_sitecustomize_is_loaded_as_without_us(tmp_path: Path, form: str) -> None:
    place = tmp_path / "site"
    if form == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("sitecustomize.py", OWN)
    elif form == "file":
        tool(place, OWN)
    else:
        (place / "sitecustomize").mkdir(parents=True)
        if form == "package":
            (place / "sitecustomize/__init__.py").write_text(OWN)

    bare, hooked = both(FACTS, place)

    expected, found = bare.json, hooked.json
    assert found.pop("meta") == expected.pop("meta") + 1
    assert found == expected
    assert expected["said"] == ([] if form == "namespace" else ["user's"])
    assert hooked.err == bare.err == ""


FAULTS = {
    "exception": "raise ValueError('mine')",
    "import error": "import no_such_module_of_mine",
    "its own name": "raise ImportError('gone', name='sitecustomize')",
    "syntax error": "def broken(:",
    "exit": "raise SystemExit(4)",
    "interrupt": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_users_own_sitecustomize_raises_is_reported_as_without_us(
    tmp_path: Path, fault: str
) -> None:
    code = "import sys; print('ran', sys.modules.get('sitecustomize'))"
    bare, hooked = both(code, tool(tmp_path, FAULTS[fault]))
    if (
        fault == "its own name"
    ):  # Python passes over it; our module stays in its place, as it does when there is none
        assert hooked.out.startswith("ran <module 'sitecustomize'")
        hooked = Finished(hooked.code, bare.out, hooked.err)
    if fault in ("exit", "interrupt"):  # a traceback that names the file, and so shows our import of it
        assert (hooked.code, hooked.out, hooked.last_line) == (bare.code, bare.out, bare.last_line)
    else:
        assert hooked == bare


def test_a_program_is_traced_although_the_users_own_sitecustomize_fails(tmp_path: Path) -> None:
    env = environment(LOCAL, FOLDER, tool(tmp_path, "raise ValueError('mine')"))
    assert finished([PYTHON, "-c", TRACED], env).out == "True\n"


def test_children_are_traced(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(
        "import multiprocessing, subprocess, sys\n"
        "def traced():\n"
        "    import bttrace\n"
        "    print(bttrace.status().enabled, flush=True)\n"
        "if __name__ == '__main__':\n"
        f"    subprocess.run([sys.executable, '-c', {TRACED!r}])\n"
        "    child = multiprocessing.get_context('spawn').Process(target=traced)\n"
        "    child.start()\n"
        "    child.join(20)\n"
    )
    assert finished([PYTHON, program], environment(LOCAL, FOLDER)) == Finished(0, "True\nTrue\n", "")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.10", "3.12", "3.13"])
def test_another_python_without_bttrace_is_undisturbed(tmp_path: Path, version: str) -> None:
    python = other_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} without bttrace here")
    user = tool(tmp_path / "user", "import sys\nsys.said = [__name__, __file__.split('.')[-1][:2]]\n")
    # Python 2.7 would write .pyc files into our folder, and print lists of other reprs: hence the plain code.
    code = "import sys; print(sys.path); print(sorted(sys.modules)); print(getattr(sys, 'said', None))"
    for entries in ([], [user]):
        command = [python, "-B", "-c", code]
        bare = finished(command, environment({}, *entries))
        hooked = finished(command, environment(LOCAL, FOLDER, *entries))
        if not entries:
            modules = "".join(hooked.out.splitlines()[1:2])
            assert "'sitecustomize'" in modules
            hooked = Finished(hooked.code, hooked.out.replace("'sitecustomize', ", "", 1), hooked.err)
            bare = Finished(bare.code, bare.out.replace("'sitecustomize', ", "", 1), bare.err)
        assert hooked == bare
    assert "['sitecustomize', 'py']" in hooked.out


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_another_python_with_bttrace_on_its_path_is_traced(tmp_path: Path, version: str) -> None:
    python = other_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    user = tool(tmp_path / "user", OWN)
    code = f"{FACTS}\n{TRACED}"
    hooked = finished([python, "-B", "-c", code], environment(LOCAL, FOLDER, SRC, user))
    bare = finished([python, "-B", "-c", FACTS], environment({}, SRC, user))
    facts, traced = hooked.out.splitlines()
    found, expected = Finished(0, facts, "").json, bare.json
    assert found.pop("meta") == expected.pop("meta") + 1
    assert (found, traced, hooked.err) == (expected, "True", "")


def test_the_folder_may_be_on_the_path_twice(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(FOLDER)
    user = tool(tmp_path / "user", OWN)
    code = f"{FACTS}\n{TRACED}"
    bare = finished([PYTHON, "-c", FACTS], environment({}, user)).json
    for ours in ([FOLDER, FOLDER], [FOLDER, f"{FOLDER}/", str(link)], [str(link), FOLDER]):
        facts, traced = finished([PYTHON, "-c", code], environment(LOCAL, *ours, user)).out.splitlines()
        found = Finished(0, facts, "").json
        assert found["path"] == bare["path"]
        assert found["said"] == ["user's"]
        assert found["sitecustomize"] == bare["sitecustomize"]
        assert traced == "True"


def test_usercustomize_still_runs(tmp_path: Path) -> None:
    python: str = getattr(sys, "_base_executable", sys.executable)  # a virtual environment has no user site
    (tmp_path / "usercustomize.py").write_text("print('usercustomize')\n")
    bare = finished([python, "-c", "pass"], environment({}, tmp_path))
    if bare.out != "usercustomize\n":
        pytest.skip("this Python runs no usercustomize")
    hooked = finished([python, "-c", TRACED], environment(LOCAL, FOLDER, SRC, tmp_path))
    assert hooked == Finished(0, "usercustomize\nTrue\n", "")


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_a_flag_that_keeps_us_out_does_so_silently(flag: str) -> None:
    bare, hooked = both("import sys; print(sorted(sys.modules))", flags=(flag,))
    assert hooked == bare
    assert both(HOOKED, flags=("-s",))[1].out == "True\n"  # and another flag does not


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("shim", [SHIM, SHIM_OF_SPECS])
@pytest.mark.parametrize("user", [True, False])
def test_two_tools_play_the_same_trick(tmp_path: Path, order: str, shim: str, *, user: bool) -> None:
    other = tool(tmp_path / "other", shim)
    entries: list[str | Path] = [FOLDER, other] if order == "before" else [other, FOLDER]
    below = [tool(tmp_path / "user", OWN)] if user else []
    expected = finished([PYTHON, "-c", FACTS], environment({}, *below)).json

    hooked = finished([PYTHON, "-c", f"{FACTS}\n{TRACED}"], environment(LOCAL, *entries, *below))

    facts, traced = hooked.out.splitlines()
    found = Finished(0, facts, "").json
    assert (traced, hooked.err) == ("True", "")
    assert found["said"] == (["shim's", "user's"] if user else ["shim's"])
    assert found["path"] == expected["path"]
    if user:
        assert found["sitecustomize"]["__file__"] == expected["sitecustomize"]["__file__"]


def test_a_working_folder_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    code = "import sys; print(sys.path); print('bttrace.session' in sys.modules)"

    def run(*entries: str, **variables: str) -> Finished:
        command = ["sh", "-c", GONE, "sh", str(tmp_path / "gone"), PYTHON, "-c", code]
        return finished(command, environment(variables, *entries))

    lib = str(tmp_path / "lib")
    bare, hooked = run(lib), run(FOLDER, lib, **LOCAL)
    assert (hooked.code, hooked.err) == (0, bare.err) == (0, "")
    assert hooked.out.splitlines() == [bare.out.splitlines()[0], "True"]
    assert run(FOLDER, lib) == bare


def test_a_relative_path_in_a_working_folder_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    """Python 3.10 and older start there; newer ones give up by themselves."""
    python = other_python("3.10")
    if python is None:
        pytest.skip("there is no Python 3.10 without bttrace here")
    command = ["sh", "-c", GONE, "sh", str(tmp_path / "gone"), python, "-c", "import sys; print(sys.path)"]
    bare = finished(command, environment({}, "lib"))
    assert bare.code == 0
    assert finished(command, environment(LOCAL, FOLDER, "lib")) == bare


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_a_python_that_is_too_old_for_bttrace_is_undisturbed(version: str) -> None:
    python = other_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    command = [python, "-B", "-c", "import sys; print('bttrace' in sys.modules)"]
    assert finished(command, environment(LOCAL, FOLDER, SRC)) == Finished(0, "False\n", "")


def test_a_broken_bttrace_is_silent(tmp_path: Path) -> None:
    (tmp_path / "bttrace").mkdir()
    (tmp_path / "bttrace/__init__.py").write_text("import no_such_module")
    assert both("print('mine')", tmp_path)[1] == Finished(0, "mine\n", "")


def test_a_fault_of_ours_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bttrace").mkdir()
    (tmp_path / "bttrace/__init__.py").write_text("def enable(): raise ValueError('ours')")
    hooked = both("print('mine')", tmp_path)[1]
    assert (hooked.code, hooked.out, len(hooked.err.splitlines())) == (0, "mine\n", 1)
    assert "ValueError: ours" in hooked.said[0]
