"""An SDK in which a place that we patch is gone: the application runs on, one line says what is not covered.

What can be traced still is, and every call that was begun ends. The SDK is the real one, with methods moved out of
reach by `changed/sitecustomize.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, ROOT, Finished, environment, finished, journal_rows
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat, chat_stream, openai_error

CHANGED = ROOT / "tests" / "changed"
SAID = "Hello from loopback."
Told = tuple[str | None, str | None]
"""Of a span: the text of its output, and how its stream ended; its error instead, where there is one."""

WHOLE: dict[str | None, Told] = {
    "call": (SAID, None),
    "read": (SAID, "exhausted"),
    "left": ("Hello", "closed"),
    "unread": (None, "closed"),
    "raw": (SAID, "exhausted"),
    "whole": (SAID, "exhausted"),
    "helped": (SAID, "exhausted"),
    "failed": ("BadRequestError", None),
    "acall": (SAID, None),
    "aread": (SAID, "exhausted"),
}
ASYNC = ("acall", "aread")
CLIENTS = ("SyncAPIClient", "AsyncAPIClient")
STREAMS = ("Stream", "AsyncStream")
RAW = ("APIResponse", "AsyncAPIResponse")


def places(module: str, owners: tuple[str, ...], *names: str) -> list[str]:
    return [f"openai.{module}.{owner}.{name}" for owner in owners for name in names]


ANSWERS = places("_base_client", CLIENTS, "_process_response")
READS = places("_streaming", STREAMS, "__stream__")
CLOSES = [*places("_streaming", STREAMS, "close"), *places("_response", RAW, "close")]
UNSEEN: Told = (None, None)
# What is gone, what the warning says of it, and what the spans say that they would not say otherwise.
GONE: dict[str, tuple[list[str], str, dict[str | None, Told | None]]] = {
    "calls": (
        places("_base_client", ("SyncAPIClient",), "request"),
        "calls",
        {name: None for name in WHOLE if name not in ASYNC},
    ),
    "async calls": (
        places("_base_client", ("AsyncAPIClient",), "request"),
        "async calls",
        dict.fromkeys(ASYNC),
    ),
    "requests": (
        places("_base_client", ("BaseClient",), "_build_request"),
        "retries and what failed calls asked",
        {"failed": None, None: WHOLE["failed"]},
    ),
    "answers": (
        ANSWERS,
        "answers, async answers",
        {"call": UNSEEN, "acall": UNSEEN, "raw": UNSEEN, "whole": UNSEEN},
    ),
    "streams": (
        READS,
        "streams, async streams",
        dict.fromkeys(("read", "left", "unread", "raw", "helped", "aread"), UNSEEN),
    ),
    "closes": (
        CLOSES,
        "closed streams, async closed streams",
        {"left": ("Hello", "dropped"), "unread": (None, "dropped"), "whole": (None, "dropped")},
    ),
    "raw bodies": (
        places("_response", RAW, "iter_bytes", "iter_text", "iter_lines"),
        "raw bodies, async raw bodies",
        {"raw": (None, "exhausted")},
    ),
    "all but calls": (
        [*ANSWERS, *READS, *CLOSES],
        "answers, async answers, streams, async streams, closed streams, async closed streams",
        dict.fromkeys((name for name in WHOLE if name != "failed"), UNSEEN),
    ),
}


def reply(request: Request) -> Reply:
    name = request.json["messages"][0]["content"]
    if name == "failed":
        return openai_error(400, "No such model.")
    return chat_stream() if request.json.get("stream") else chat()


def told(row: dict[str, Any]) -> tuple[str | None, Told]:
    """Gives what a call asked, and what of its span is looked at."""
    asked = row["input"][0]["content"] if "input" in row else None
    if "error" in row:
        return asked, (row["error"].partition(":")[0], None)
    text = row["output"][0]["message"]["content"] if row.get("output") else None
    return asked, (text, row["metadata"].get("stream_end"))


def ran(provider: ProviderServer, folder: Path, changes: list[str], *path: str | Path) -> Finished:
    """Runs the program with a changed SDK; `path` is the door, if there is one."""
    own = {**LOCAL, **provider.env(), "CHANGES": json.dumps(changes), "STATUS": str(folder / "status")}
    return finished([PYTHON, CHANGED / "program.py"], environment(own, *path, CHANGED), folder)


@pytest.fixture(scope="module", name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(reply)
        yield server


@pytest.fixture(scope="module", name="bare")
def _bare(provider: ProviderServer, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = ran(provider, tmp_path_factory.mktemp("bare"), [])
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("gone", GONE)
def test_what_can_be_traced_still_is(
    gone: str, bare: Finished, provider: ProviderServer, tmp_path: Path
) -> None:
    missing, words, differs = GONE[gone]
    done = ran(provider, tmp_path, missing, FOLDER)
    assert (done.code, done.out) == (0, bare.out), done.err
    assert done.err == (
        f"bttrace: openai {openai.__version__} is traced in part. Not covered: {words}; "
        "bttrace.status() names what is missing. The application is not affected.\n"
    )
    expected = {name: what for name, what in {**WHOLE, **differs}.items() if what is not None}
    rows = [told(row) for row in journal_rows(tmp_path / ".bttrace")]
    assert sorted(rows, key=repr) == sorted(expected.items(), key=repr)
    status = (tmp_path / "status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("openai")]
    listed = line.partition("not covered: ")[2].split(", ")
    assert sorted(listed) == sorted(missing)


def test_what_is_not_needed_may_be_gone(bare: Finished, provider: ProviderServer, tmp_path: Path) -> None:
    gone = ["__version__"]
    if openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0] != "httpx":
        gone.append("httpx")
    assert ran(provider, tmp_path, gone, FOLDER) == bare
    assert dict(map(told, journal_rows(tmp_path / ".bttrace"))) == WHOLE
    assert "openai unknown: patched\n" in (tmp_path / "status").read_text()


@pytest.mark.parametrize(
    "files", [{"openai/__init__.py": ""}, {"openai.py": "value = 1"}], ids=["package", "module"]
)
def test_a_module_of_the_same_name_that_is_no_sdk(files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    code = "import openai, bttrace; print(openai.__name__, bttrace.status().enabled)"
    done = finished([PYTHON, "-c", code], environment(LOCAL, FOLDER, tmp_path), tmp_path)
    assert done == Finished(
        0, "openai True\n", "bttrace: openai unknown is not an SDK that bttrace knows, and is not traced.\n"
    )
