"""`bttrace run --workflow`: the run is the root of all that happens in it, in every thread and every forked child."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bttrace.journal import rows
from tests.doors import LOCAL, PYTHON, RUN, Finished, environment, finished
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.nested import Row, named, nested

ASKED = "llm.generation (gpt-4o-mini-2024-07-18)"
ASK = """\
import os, sys, threading
from openai import OpenAI
client = OpenAI()
def ask(said="hi"):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}])
"""


@pytest.fixture(name="server")
def _server(provider: ProviderServer) -> ProviderServer:
    provider.reply(chat("Hello."))
    return provider


def ran(
    program: Sequence[str], server: ProviderServer, cwd: Path, option: str = "--workflow", **variables: str
) -> Finished:
    env = environment({**LOCAL, **server.env(), **variables})
    return finished([*RUN, *([option] if option else []), *program], env, cwd)


def told(cwd: Path) -> list[Row]:
    """The rows of every journal there, each span once."""
    return [row for file in sorted((cwd / ".bttrace").glob("*.jsonl")) for row in rows(file)[0]]


def test_the_run_is_the_root_of_every_thread(server: ProviderServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        ASK + "ask()\nthread = threading.Thread(target=ask)\nthread.start()\nthread.join()\n"
        "import atexit; atexit.register(ask)\n"
    )
    done = ran(["app.py", "--key", "sk-secret"], server, tmp_path)
    assert (done.code, done.out) == (0, "")
    found = told(tmp_path)
    assert nested(found) == [["workflow:app", ASKED, ASKED, ASKED]]
    root = named(found, "workflow:app")
    assert root["span_attributes"] == {"name": "workflow:app", "type": "task"}
    assert root["input"] == {"program": "app.py", "arguments": 2}
    assert (root.get("output"), root.get("error")) == (None, None)
    assert (root["metadata"]["usage"]["tokens"], "status" in root["metadata"]) == (3 * 18, False)
    assert root["metrics"]["end"] >= max(row["metrics"]["end"] for row in found)
    assert "sk-secret" not in json.dumps(found)
    assert "workflow:app" in done.err  # the trees are printed as ever


@pytest.mark.parametrize(
    ("program", "option", "name", "told_program"),
    [
        (["app.py"], "--workflow", "app", "app.py"),
        (["./folder/../app.py", "x"], "--workflow", "app", "app.py"),
        (["-m", "app", "x"], "--workflow", "app", "app"),
        (["-mpackage.part", "x"], "--workflow", "package.part", "package.part"),
        (["-c", "pass", "x"], "--workflow", "python", "-c"),
        (["package"], "--workflow", "package", "package"),
        (["app.py"], "--workflow=nightly report", "nightly report", "app.py"),
        (["app.py"], "--workflow=", "app", "app.py"),
        ([PYTHON, "app.py"], "--workflow", Path(PYTHON).name, "app.py"),
    ],
)
def test_the_run_is_named(
    program: list[str], option: str, name: str, told_program: str, provider: ProviderServer, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "package").mkdir()
    for path in ("app.py", "package/__init__.py", "package/__main__.py", "package/part.py"):
        (tmp_path / path).touch()
    done = ran(program, provider, tmp_path, option)
    assert (done.code, done.out, done.said) == (0, "", [])
    [row] = told(tmp_path)
    assert row["span_attributes"]["name"] == f"workflow:{name}"
    expected = len(program) - 1 - program.count("-m") - program.count("-c") - program.count(PYTHON)
    assert row["input"] == {"program": told_program, "arguments": expected}


def test_without_the_option_there_is_no_root(server: ProviderServer, tmp_path: Path) -> None:
    ran(["-c", ASK + "ask()"], server, tmp_path, option="")
    assert nested(told(tmp_path)) == [ASKED]


def test_a_name_that_is_taken_for_the_program_is_explained(server: ProviderServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    done = ran(["nightly", "app.py"], server, tmp_path)
    assert (done.code, len(done.said)) == (127, 1)
    assert "--workflow=NAME" in done.said[0]


def test_the_option_is_explained() -> None:
    assert "--workflow=NAME" in " ".join(finished([*RUN, "--help"]).out.split())


# How it ends.

ENDS: dict[str, tuple[str, str | None]] = {
    "an exception": ("raise ValueError('no luck')", "ValueError: no luck"),
    "one in a function": ("def f(): return [][1]\nf()", "IndexError: list index out of range"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "one from another": (
        "try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise OSError('x') from e",
        "OSError: x",
    ),
    "none": ("pass", None),
    "sys.exit(3)": ("import sys; sys.exit(3)", None),  # which nobody can tell from its end
    "one in a thread": (
        "import threading; t = threading.Thread(target=lambda: 1/0); t.start(); t.join()",
        None,
    ),
    "one in a console": (
        "import code\ntry:\n    code.InteractiveConsole().runsource('1/0')\nexcept BaseException: pass",
        None,
    ),
    "one that was caught": ("try:\n    1/0\nexcept ZeroDivisionError: pass", None),
}


@pytest.mark.parametrize("form", ["script", "module", "code"])
@pytest.mark.parametrize("end", ENDS)
def test_how_the_run_ended(end: str, form: str, provider: ProviderServer, tmp_path: Path) -> None:
    code, error = ENDS[end]
    (tmp_path / "app.py").write_text(code)
    program = {"script": ["app.py"], "module": ["-m", "app"], "code": ["-c", code]}[form]
    bare = finished([PYTHON, *program], environment(), tmp_path)
    done = ran(program, provider, tmp_path)
    assert (done.code, done.out) == (bare.code, bare.out)
    assert done.err.startswith(bare.err)
    [row] = told(tmp_path)
    assert row.get("error") == error
    assert row["metadata"].get("status") == (None if error is None else "error")
    assert "end" in row["metrics"]


def test_an_error_is_told_without_its_text_if_content_is_left_out(
    provider: ProviderServer, tmp_path: Path
) -> None:
    ran(["-c", "raise ValueError('secret')"], provider, tmp_path, BTTRACE_CAPTURE_CONTENT="false")
    [row] = told(tmp_path)
    assert (row.get("error"), row.get("input")) == ("ValueError", None)


def test_the_run_is_seen_while_it_goes_on(provider: ProviderServer, tmp_path: Path) -> None:
    env = environment({**LOCAL, **provider.env()})
    command = [*RUN, "--workflow", "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        command,
        env=env,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        deadline = time.monotonic() + 20
        while not (seen := told(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.stdin.close()
        assert process.wait(20) == 0
    assert ["end" in row["metrics"] for row in seen] == [False]
    [row] = told(tmp_path)
    assert (row["id"], "end" in row["metrics"]) == (seen[0]["id"], True)


# Other processes.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("when", ["at once", "after a call"])
def test_a_forked_child_is_in_the_run_but_does_not_end_it(
    when: str, server: ProviderServer, tmp_path: Path
) -> None:
    code = ASK + (
        "{first}\n"
        "child = os.fork()\n"
        "if not child:\n    ask('child')\n    sys.exit(5)\n"
        "assert os.waitpid(child, 0)[1] == 5 << 8\nask('parent')\n"
    ).format(first="" if when == "at once" else "ask('first')")
    done = ran(["-c", code], server, tmp_path)
    assert done.code == 0, done.err
    found = told(tmp_path)
    count = 2 if when == "at once" else 3
    assert nested(found) == [["workflow:python", *[ASKED] * count]]
    root = named(found, "workflow:python")
    [child] = [row for row in found if "child" in json.dumps(row.get("input"))]
    assert root["metrics"]["end"] > child["metrics"]["end"]
    assert root["metadata"]["usage"]["tokens"] == (count - 1) * 18  # what it knows of


def test_other_programs_that_it_starts_have_trees_of_their_own(
    server: ProviderServer, tmp_path: Path
) -> None:
    (tmp_path / "child.py").write_text(ASK + "ask()\n")
    (tmp_path / "app.py").write_text(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, 'child.py'], check=True)\n"
        "subprocess.run([sys.executable, '-m', 'bttrace.run', 'child.py'], check=True)\n"
    )
    done = ran(["app.py"], server, tmp_path)
    assert done.code == 0, done.err
    assert sorted(nested(told(tmp_path)), key=str) == [ASKED, ASKED, "workflow:app"]


def test_the_default_signal_ends_the_program_as_ever(provider: ProviderServer, tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert ran(["-c", code], provider, tmp_path).code == -signal.SIGTERM


# With the rest.


def test_named_workflows_are_in_the_run(server: ProviderServer, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(ASK + "def handle(said):\n    ask(said)\n    return said\n")
    (tmp_path / "app.py").write_text("from flows import ask, handle\nask()\nhandle('x')\n")
    ran(["app.py"], server, tmp_path, BTTRACE_WORKFLOWS="flows:handle", BTTRACE_TASKS="flows:ask")
    found = told(tmp_path)
    assert nested(found) == [["workflow:app", ["task:ask", ASKED], ["workflow:handle", ["task:ask", ASKED]]]]
    assert named(found, "workflow:app")["metadata"]["usage"]["tokens"] == 2 * 18
    assert named(found, "workflow:handle")["metadata"] == {
        "status": "success",
        "usage": named(found, "workflow:handle")["metadata"]["usage"],
    }


def test_calls_in_the_applications_own_braintrust_spans_stay_there(
    server: ProviderServer, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    code = ASK + (
        "import braintrust\n"
        "logger = braintrust.init_logger(project='My Project')\n"
        "with logger.start_span('mine'):\n    ask()\n"
        "ask()\n"
    )
    done = ran(["-c", code], server, tmp_path, **braintrust_api.env(), BTTRACE_EXPORTER="braintrust,local")
    assert done.code == 0, done.err
    assert nested(braintrust_api.rows("My Project")) == [["workflow:python", ASKED], ["mine", ASKED]]
    found = told(tmp_path)
    root = named(found, "workflow:python")
    assert "end" in root["metrics"]  # though braintrust's own exit handler makes ours run sooner
    inside, outside = (row for row in found if row is not root)
    assert outside["span_parents"] == [root["span_id"]]
    assert inside["root_span_id"] != root["root_span_id"]


def test_nothing_is_done_without_a_key(tmp_path: Path) -> None:
    done = finished(
        [*RUN, "--workflow", "-c", "import sys; print('bttrace' in sys.modules)"], environment(), tmp_path
    )
    assert done == Finished(0, "False\n", "")
    assert not list(tmp_path.iterdir())
