"""The launchers of other tools, around ours and inside it: the program, its children and every call's one span."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.doors import FOLDER, PYTHON, ROOT, Finished, environment, finished, journal_rows
from tests.loopback import replies
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer

BIN = Path(sys.executable).parent
RUN = [PYTHON, "-m", "bttrace.run"]
QUIET = {
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
DDTRACE = (
    "('ddtrace' in sys.modules, hasattr(vars(openai.resources.chat.Completions)['create'], '__wrapped__'))"
)
OPENTELEMETRY = "(type(__import__('opentelemetry.trace').trace.get_tracer_provider()).__module__, 'sdk')"
LAUNCHERS = {
    "ddtrace": ("ddtrace-run", DDTRACE),
    "opentelemetry": ("opentelemetry-instrument", OPENTELEMETRY),
}
TOKENS = [None, 18, 26, 26]
"""What each call counts: the stream of openai is not asked for its usage."""


def answer(request: Request) -> replies.Reply:
    streams = request.json.get("stream")
    if request.route == "/v1/messages":
        return replies.message_stream() if streams else replies.message()
    return replies.chat_stream() if streams else replies.chat()


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def ran(
    provider: ProviderServer, command: Sequence[str], journals: Path | None, *path: str | Path
) -> Finished:
    ours = {} if journals is None else {"BTTRACE_EXPORTER": "local", "BTTRACE_JOURNAL_DIR": str(journals)}
    return finished(command, environment({**provider.env(), **QUIET, **ours}, *path), ROOT)


def spans(journals: Path) -> list[tuple[str, int, list[Any]]]:
    """What each process counted: how many calls, and the tokens of each."""
    found: list[tuple[str, int, list[Any]]] = []
    for file in journals.glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert all("error" not in row for row in rows)
        tokens = [row["metrics"].get("tokens") for row in rows]
        found.append((rows[0]["span_attributes"]["type"], len(rows), sorted(tokens, key=lambda n: n or 0)))
    return found


@pytest.mark.parametrize("order", ["theirs first", "ours first", "both folders"])
@pytest.mark.parametrize("neighbour", LAUNCHERS)
def test_both_see_every_call_of_the_program_and_of_its_child(
    neighbour: str, order: str, provider: ProviderServer, tmp_path: Path
) -> None:
    launcher, there = LAUNCHERS[neighbour]
    if not installed(neighbour) or not (BIN / launcher).exists():
        pytest.skip(f"there is no {neighbour} here")
    provider.reply(answer)
    program, theirs = ["-m", "tests.neighbours.program", there], [str(BIN / launcher)]
    bare = ran(provider, [*theirs, PYTHON, *program], None)
    commands = {
        "theirs first": [*theirs, *RUN, *program],
        "ours first": [*RUN, *theirs, PYTHON, *program],
        "both folders": [*theirs, PYTHON, *program],
    }
    hooked = ran(provider, commands[order], tmp_path, *([FOLDER] if order == "both folders" else []))
    assert (hooked.code, hooked.out) == (bare.code, bare.out)
    assert (bare.code, bare.out.count("True, True") + bare.out.count("opentelemetry.sdk")) == (0, 2)
    assert spans(tmp_path) == [("llm", 4, TOKENS)] * 2


@pytest.mark.skipif(not installed("opentelemetry.instrumentation"), reason="there is no OpenTelemetry here")
def test_their_launcher_alone_leaves_a_program_that_did_not_ask_untraced(
    provider: ProviderServer, tmp_path: Path
) -> None:
    """Our entry point is called wherever bttrace is installed, but the folder is not on the path."""
    launcher = str(BIN / LAUNCHERS["opentelemetry"][0])
    code = "import sys; print('bttrace.session' in sys.modules, 'wrapt' in sys.modules)"
    done = ran(provider, [launcher, PYTHON, "-c", code], tmp_path)
    assert done.out.startswith("False")
    assert list(tmp_path.iterdir()) == []


COVERED = """\
import json, openai, subprocess, sys
def ask():
    messages = [{"role": "user", "content": "hi"}]
    return openai.OpenAI().chat.completions.create(model="m", messages=messages).choices[0].message.content
def never():
    return 1
print(ask())
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True)
"""
REPORT = "import coverage, sys; c = coverage.CoverageData(sys.argv[1]); c.read(); print({f: sorted(c.lines(f)) for f in c.measured_files()})"


@pytest.mark.skipif(not installed("coverage"), reason="there is no coverage here")
def test_coverage_of_the_program_and_of_its_child_is_as_without_us(
    provider: ProviderServer, tmp_path: Path
) -> None:
    """It starts by a `.pth` file, before any sitecustomize; and watches what we may watch too."""
    provider.reply(answer)
    program, settings = tmp_path / "app.py", tmp_path / "coveragerc"
    program.write_text(COVERED)
    settings.write_text(f"[run]\nparallel = true\ninclude = {program}\ndata_file = ${{DATA}}/data\n")
    measured = []
    for name, path, ours in (("bare", [], {}), ("hooked", [FOLDER], {"BTTRACE_EXPORTER": "local"})):
        folder = tmp_path / name
        folder.mkdir()
        variables = {"COVERAGE_PROCESS_START": str(settings), "DATA": str(folder), **provider.env(), **ours}
        own = {**variables, "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
        done = finished([PYTHON, str(program)], environment(own, *path), tmp_path)
        assert (done.code, done.out) == (0, "Hello from loopback.\n" * 2)
        data = list(folder.glob("data*"))
        told = {finished([PYTHON, "-c", REPORT, str(file)], environment(), tmp_path).out for file in data}
        measured.append((len(data), told))
    assert measured[0] == measured[1]
    assert measured[0][0] == 2
    assert len(journal_rows(tmp_path / "journal")) == 2
