"""The same programs bare and hooked: same output, exit code, traceback, and requests on the wire."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished, journal_rows
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    Reply,
    anthropic_error,
    chat,
    chat_stream,
    embeddings,
    html,
    message,
    message_stream,
    openai_error,
    response,
    response_stream,
    sse,
)

PROGRAMS = Path(__file__).parent / "invisible"
# Each program, its exit code, and how many spans its calls make; None where it ends before they can be kept.
ENDS: dict[str, tuple[int, int | None]] = {
    "sync_calls": (0, 10),
    "sync_streams": (0, 13),
    "async_calls": (0, 15),
    "errors": (0, 47),
    "uncaught": (1, 1),
    "uncaught_in_a_stream": (1, 1),
    "exit_in_a_stream": (5, 1),
    "os_exit": (7, None),
    "interrupted": (-signal.SIGINT, 1),
    "threads": (0, 19),
    "anthropic_calls": (1, 6),
    "copies": (0, 7),
    "subclasses": (0, 14),
    "nothing_asked": (0, 0),
}
_PER_REQUEST = {"idempotency-key", "x-stainless-retry-uuid"}


class Provider(ProviderServer):
    """Answers by the name of the model; the same whatever came before, but for `flaky`."""

    def __init__(self) -> None:
        super().__init__()
        self._flaky = Counter[str]()
        self.reply(self._scripted)

    def _scripted(self, request: Request) -> Reply:
        body = request.json
        model, streamed = str(body.get("model")), bool(body.get("stream"))
        anthropic = request.route.endswith("/messages")
        if model.startswith("status-"):
            status = int(model.removeprefix("status-"))
            return anthropic_error(status) if anthropic else openai_error(status)
        if anthropic:
            return message_stream() if streamed else message()
        if request.route.endswith("/embeddings"):
            return embeddings()
        if request.route.endswith("/responses"):
            return response_stream() if streamed else response()
        if model == "flaky" and not self._flaky[model]:
            self._flaky[model] += 1
            return openai_error(500, headers={"retry-after-ms": "1"})
        return self._odd(model) or (chat_stream() if streamed else chat())

    @staticmethod
    def _odd(model: str) -> Reply | None:
        if model == "broken":
            return dataclasses.replace(chat_stream(), drop_after=2)
        if model == "error-event":
            events = (
                *chat_stream().events[:2],
                sse({"error": {"message": "overloaded", "type": "server_error"}}),
            )
            return dataclasses.replace(chat_stream(), events=events)
        return {
            "html": html(200),
            "not-json": Reply(body=b"{not json"),
            "drop": Reply(drop_after=0),
            "slow": dataclasses.replace(chat(), wait=2.0),
        }.get(model)


def wire(request: Request, port: int) -> tuple[str, str, list[tuple[str, str]], bytes]:
    """A request as it went over the wire, but for what is random in it."""
    headers = [
        (name, value.replace(str(port), "PORT"))
        for name, value in request.headers
        if name.lower() not in _PER_REQUEST
    ]
    return request.method, request.path, headers, request.body


def performed(program: str, folder: Path, hooked: bool) -> tuple[Finished, list[str]]:
    """Runs a program in a folder of its own, against a provider of its own."""
    folder.mkdir()
    with Provider() as provider:
        port = urlsplit(provider.url).port or 0
        env = environment({**(LOCAL if hooked else {}), **provider.env()}, *([FOLDER] if hooked else []))
        done = finished([PYTHON, PROGRAMS / f"{program}.py"], env, folder)
        sent = sorted(repr(wire(request, port)) for request in provider.requests)
    clean = [re.sub(rf"\b{port}\b|0x[0-9a-f]+", "N", text) for text in (done.out, done.err)]
    return Finished(done.code, *clean), sent


@pytest.mark.parametrize("program", ENDS)
def test_a_program_is_the_same_hooked(tmp_path: Path, program: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(performed, program, tmp_path / "bare", hooked=False)
        second = pool.submit(performed, program, tmp_path / "hooked", hooked=True)
        (bare, asked), (hooked, asked_hooked) = first.result(), second.result()

    assert hooked.out == bare.out, hooked.err
    assert (hooked.code, hooked.last_line, hooked.frames) == (bare.code, bare.last_line, bare.frames)
    assert hooked.said == []
    assert asked_hooked == asked
    if "Traceback" not in bare.err:
        assert hooked.err == bare.err
    code, spans = ENDS[program]
    assert hooked.code == code, hooked.err
    rows = journal_rows(tmp_path / "hooked/.bttrace")
    assert spans in (None, len(rows)), [row["span_attributes"] for row in rows]
    assert [path.name for path in (tmp_path / "bare").iterdir()] == []


def test_the_example_agent_is_the_same_under_the_launcher(tmp_path: Path) -> None:
    """And its trees follow on standard error, nowhere else."""
    examples = PROGRAMS.parents[1] / "examples"
    serve: list[str | Path] = [PYTHON, examples / "provider_server.py", "--"]
    bare = finished([*serve, PYTHON, examples / "openai_agent.py"], cwd=tmp_path)
    hooked = finished([*serve, *RUN, "--exporter", "local", examples / "openai_agent.py"], cwd=tmp_path)
    assert (hooked.code, hooked.out) == (bare.code, bare.out)
    assert bare.code == 0, bare.err
    [journal] = (tmp_path / ".bttrace").iterdir()
    rows = journal_rows(tmp_path / ".bttrace")
    names = [row["span_attributes"]["name"] for row in rows]
    assert len(names) == 12, names
    assert all(hooked.err.count(name) == names.count(name) for name in names)
    assert f"kept in .bttrace/{journal.name}" in hooked.err
    shown = finished([PYTHON, "-m", "bttrace.show", journal], cwd=tmp_path)
    assert shown.out.strip() in hooked.err


def test_content_is_left_out_on_demand(tmp_path: Path) -> None:
    with Provider() as provider:
        command: list[str | Path] = [
            *RUN,
            "--exporter",
            "local",
            "--no-content",
            PROGRAMS / "exit_in_a_stream.py",
        ]
        done = finished(command, environment(provider.env()), tmp_path)
    assert done.code == 5
    [row] = journal_rows(tmp_path / ".bttrace")
    assert "hi" not in json.dumps([row.get("input"), row.get("output")])
