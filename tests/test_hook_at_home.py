"""The hook among what else a Python starts with: Debian's sitecustomize, a tool that hides it, itself, and no process of its own.

Whoever loads a sitecustomize before the program can listen to what Python audits; so it hears what the hook does.
"""

from __future__ import annotations

import json
import os
import shutil
import zipapp
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bttrace import path
from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished, journal_rows
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

SRC = Path(path.__file__).parents[1]
DEBIAN = "/usr/bin/python3"
TRACED = "import bttrace; print(bttrace.status().enabled)"
CALL = """\
import openai
client = openai.OpenAI(max_retries=0)
print(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]).choices[0].message.content)
"""
# Told at the exit, after what all handlers that were registered later did.
LISTENER = """\
import atexit, json, os, sys
heard = []
def hear(event, arguments):
    if event.startswith(("subprocess.", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.system", "pty.", "_thread.")):
        heard.append([event, repr(arguments)[:200]])
    elif event == "socket.connect":
        heard.append([event, arguments[1][1]])
    elif event in ("socket.getaddrinfo", "os.mkdir", "os.rename", "os.remove"):
        heard.append([event, str(arguments[0] if event.startswith("os") else event)])
    elif event == "open" and (arguments[1] or "r") not in ("r", "rb"):
        heard.append([event, str(arguments[0])])
sys.addaudithook(hear)
def tell(place=os.environ["HEARD"]):
    seen = list(heard)
    with open(place, "w") as file:
        json.dump(seen, file)
atexit.register(tell)
"""


@pytest.fixture(name="listener")
def _listener(tmp_path: Path) -> Path:
    folder = tmp_path / "listener"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LISTENER)
    return folder


def heard(folder: Path, *command: str, env: dict[str, str], before: Path | None = None) -> Counter[str]:
    """What was heard of a command that ended well, each kind of thing with how often."""
    place = folder / "heard.json"
    path = [folder] if before is None else [before, folder]
    done = finished(command, environment({**env, "HEARD": str(place)}, *path), folder.parent)
    assert (done.code, done.out, done.err) == (0, "Hello from loopback.\n", "")
    return Counter(f"{event} {about}" for event, about in json.loads(place.read_text()))


def test_the_hook_starts_no_process_and_talks_to_braintrust_alone(
    provider: ProviderServer, braintrust_api: BraintrustServer, listener: Path
) -> None:
    provider.reply(replies.chat())
    bare = heard(listener, PYTHON, "-c", CALL, env=provider.env())
    variables = {**provider.env(), **braintrust_api.env(), "BTTRACE_SPOOL": "off"}
    hooked = heard(listener, PYTHON, "-c", CALL, env=variables, before=Path(FOLDER))
    port = braintrust_api.url.rpartition(":")[2]
    more = hooked - bare
    assert not bare - hooked
    assert f"socket.connect {port}" in more
    assert {event.split()[0] for event in more} <= {
        "socket.connect",
        "socket.getaddrinfo",
        "_thread.start_new_thread",
    }
    assert {event for event in more if event.startswith("socket.connect")} == {f"socket.connect {port}"}
    assert len(braintrust_api.rows()) == 1


def test_without_a_key_a_program_that_asks_a_model_does_nothing_else(
    provider: ProviderServer, listener: Path
) -> None:
    provider.reply(replies.chat())
    bare = heard(listener, PYTHON, "-c", CALL, env=provider.env())
    assert heard(listener, PYTHON, "-c", CALL, env=provider.env(), before=Path(FOLDER)) == bare
    assert heard(listener, *RUN, "-c", CALL, env=provider.env()) - bare == Counter()
    assert {event.split()[0] for event in bare} >= {"socket.connect"}


def test_a_run_inside_a_run_is_one(provider: ProviderServer, tmp_path: Path) -> None:
    provider.reply(replies.chat())
    code = f"import os\n{CALL}print(os.environ['PYTHONPATH'].split(os.pathsep).count({FOLDER!r}))"
    variables = {**LOCAL, **provider.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
    done = finished([*RUN, *RUN, "-c", code], environment(variables), tmp_path)
    assert (done.code, done.out) == (0, "Hello from loopback.\n1\n")
    assert len(journal_rows(tmp_path / "journal")) == 1


def test_a_child_in_a_run_inside_a_run_is_traced_once(provider: ProviderServer, tmp_path: Path) -> None:
    provider.reply(replies.chat())
    inner = [*RUN, "-c", CALL]
    code = f"import subprocess, sys; sys.exit(subprocess.call({inner!r}))"
    variables = {**LOCAL, **provider.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
    done = finished([*RUN, "-c", code], environment(variables), tmp_path)
    assert (done.code, done.out) == (0, "Hello from loopback.\n")
    assert len(journal_rows(tmp_path / "journal")) == 1


RELOADS = """\
import os, subprocess, sys
if os.environ.get("MY_RUN") is None:
    for restart in range(2):
        again = [sys.executable, *sys.orig_argv[1:]]
        code = subprocess.call(again, env={**os.environ, "MY_RUN": str(restart)})
        if code != 3:
            sys.exit(code)
print("run", os.environ["MY_RUN"])
"""


@pytest.mark.parametrize("door", ["folder", "run"])
def test_a_program_that_reloads_itself_is_traced_in_each_of_its_lives(
    provider: ProviderServer, tmp_path: Path, door: str
) -> None:
    """As the reloaders of web servers do: a parent that only watches starts the same command again, until it is not asked to."""
    provider.reply(replies.chat())
    (tmp_path / "app.py").write_text(f"{RELOADS}{CALL}sys.exit(3 if os.environ['MY_RUN'] == '0' else 0)\n")
    variables = {**LOCAL, **provider.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
    command = [*RUN, "app.py"] if door == "run" else [PYTHON, "app.py"]
    done = finished(command, environment(variables, *([FOLDER] if door == "folder" else [])), tmp_path)
    expected = "".join(f"run {number}\nHello from loopback.\n" for number in range(2))
    assert (done.code, done.out) == (0, expected)
    assert len(journal_rows(tmp_path / "journal")) == 2
    assert len(list((tmp_path / "journal").iterdir())) == 2


def test_an_application_in_a_zip_is_traced(provider: ProviderServer, tmp_path: Path) -> None:
    provider.reply(replies.chat())
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(f"{CALL}import sys; print(sys.path[0], __spec__.name)")
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    bare = finished([PYTHON, "app.pyz"], environment(provider.env()), tmp_path)
    variables = {**LOCAL, **provider.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
    hooked = finished([PYTHON, "app.pyz"], environment(variables, FOLDER), tmp_path)
    assert (hooked.code, hooked.out) == (bare.code, bare.out) == (0, bare.out)
    assert len(journal_rows(tmp_path / "journal")) == 1


@pytest.mark.parametrize("apport", [True, False])
def test_debians_own_sitecustomize_runs_as_without_us(tmp_path: Path, apport: bool) -> None:
    """It stands with the standard library, and puts a hook of its own into `sys.excepthook` where apport is installed."""
    found = (
        finished([DEBIAN, "-c", "import sitecustomize; print(sitecustomize.__file__)"])
        if shutil.which(DEBIAN)
        else Finished(1, "", "")
    )
    if found.code or "/usr/lib" not in found.out:
        pytest.skip("there is no Debian's Python with a sitecustomize here")
    if apport:
        (tmp_path / "apport_python_hook.py").write_text(
            "import sys\ndef install(): sys.excepthook = lambda *told: print('apport', told[0].__name__)\n"
        )
    code = "import sitecustomize, sys\nprint(sitecustomize.__file__)\nraise KeyError('mine')"
    bare = finished([DEBIAN, "-B", "-c", code], environment({}, tmp_path))
    hooked = finished([DEBIAN, "-B", "-c", code], environment(LOCAL, FOLDER, SRC, tmp_path))
    assert hooked == bare
    assert ("apport KeyError" in bare.out) is apport
    assert finished([DEBIAN, "-B", "-c", TRACED], environment(LOCAL, FOLDER, SRC, tmp_path)).out == "True\n"


HIDES = """\
from importlib.metadata import entry_points
for entry in entry_points(group="opentelemetry_pre_instrument"):
    entry.load()()
"""


def test_a_sitecustomize_that_imports_no_other_but_calls_our_entry_point(tmp_path: Path) -> None:
    """As OpenTelemetry's; `tests/neighbours` has the real one."""
    (tmp_path / "sitecustomize.py").write_text(HIDES)
    for ours, exporter, traced in (
        (FOLDER, "local", True),
        (FOLDER, "none", False),
        (os.devnull, "local", False),
    ):
        env = environment({"BTTRACE_EXPORTER": exporter}, tmp_path, ours)
        assert finished([PYTHON, "-c", TRACED], env) == Finished(0, f"{traced}\n", ""), (ours, exporter)


PACKAGES = """\
import importlib.metadata as metadata, importlib.util, pkgutil, json, sys
found = sorted((d.metadata["Name"], d.version, len(d.files or ())) for d in metadata.distributions())
points = sorted(str(point) for point in metadata.entry_points())
modules = sorted(module.name for module in pkgutil.iter_modules())
specs = [importlib.util.find_spec(name).origin for name in ("openai", "anthropic", "json")]
version, top = metadata.version("openai"), metadata.packages_distributions()["openai"]
print(json.dumps([found, points, modules, specs, version, top]))
"""


@pytest.mark.parametrize("key", [{}, LOCAL])
def test_what_is_installed_is_told_as_without_us(key: dict[str, str]) -> None:
    told: list[Any] = [
        finished([PYTHON, "-c", PACKAGES], environment(env, *path)).json
        for env, path in (({}, []), (key, [FOLDER]))
    ]
    assert told[0] == told[1]
