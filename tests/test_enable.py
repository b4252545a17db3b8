"""`bttrace.enable()` and `disable()`: on at any time, and off without a trace."""

from __future__ import annotations

import importlib.util
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from tests.doors import LOCAL, PYTHON, Finished, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream

ASKED: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(name="server")
def _server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(lambda request: chat_stream() if request.json.get("stream") else chat())
        yield server


@pytest.fixture(name="client")
def _client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    """A client that was built before anything was enabled."""
    with openai.OpenAI(base_url=server.openai_url, api_key="k", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI) -> str | None:
    return client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content


def enable(journals: Path, **options: Any) -> None:
    bttrace.enable(exporter="local", journal_dir=str(journals), **options)


def classes() -> dict[tuple[str, str], dict[str, object]]:
    """What every class of the SDK consists of. Asks no object what it is, for that would load the SDK's lazy ones."""
    found = {}
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "openai"]:
        for cls in list(vars(module).values()):
            if issubclass(type(cls), type) and cls.__module__.startswith("openai"):
                found[cls.__module__, cls.__qualname__] = dict(vars(cls))
    return found


def identities(of: dict[tuple[str, str], dict[str, object]]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    return {key: [(name, id(value)) for name, value in parts.items()] for key, parts in of.items()}


def test_enable_covers_clients_that_were_built_before(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path)
    assert ask(client) == "Hello from loopback."
    assert bttrace.flush()
    assert len(journal_rows(tmp_path)) == 1


def test_enable_is_idempotent(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path / "first")
    finders = list(sys.meta_path)
    patched = identities(classes())
    enable(tmp_path / "second", project="other")
    bttrace.enable()
    assert (sys.meta_path, identities(classes())) == (finders, patched)
    ask(client)
    bttrace.flush()
    assert len(journal_rows(tmp_path / "first")) == 1
    assert not (tmp_path / "second").exists()


def test_disable_leaves_everything_as_it_was(client: openai.OpenAI, tmp_path: Path) -> None:
    ask(client)  # what the SDK makes on first use is there now
    held = classes()  # and its values are held, so that no identity can be used again
    before = (identities(held), [*sys.meta_path], [*sys.path], set(threading.enumerate()), [*sys.path_hooks])
    loader, spec = openai.__loader__, openai.__spec__
    for _ in range(3):
        enable(tmp_path)
        assert identities(classes()) != before[0]
        ask(client)
        bttrace.disable()
        bttrace.disable()
        after = (
            identities(classes()),
            [*sys.meta_path],
            [*sys.path],
            set(threading.enumerate()),
            [*sys.path_hooks],
        )
        assert after == before
        assert (openai.__loader__, openai.__spec__, spec.loader) == (loader, spec, loader)
        ask(client)
        assert not bttrace.status().enabled
    assert len(journal_rows(tmp_path)) == 3


def test_disable_delivers_what_ended_and_records_no_more(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path)
    stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    ask(client)
    next(stream)
    bttrace.disable()
    assert len(journal_rows(tmp_path)) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello from loopback."
    assert len(journal_rows(tmp_path)) == 1


def test_enabling_again_records_once(client: openai.OpenAI, tmp_path: Path) -> None:
    for round_ in range(3):
        enable(tmp_path / str(round_))
        stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
        assert len(list(stream)) == 5
        ask(client)
        bttrace.disable()
        assert len(journal_rows(tmp_path / str(round_))) == 2


def test_flush_and_disable_are_harmless_when_nothing_is_on() -> None:
    assert bttrace.flush(0.0) is True
    bttrace.disable()
    assert bttrace.flush() is True


def test_the_status_of_each_state(
    client: openai.OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bttrace.enable()
    off = bttrace.status()
    assert (off.enabled, off.exporters, off.patched, off.sinks) == (False, (), (), {})
    assert str(off) == "bttrace is off: there is no BRAINTRUST_API_KEY and no BTTRACE_EXPORTER"

    monkeypatch.setenv("BTTRACE_DISABLED", "1")
    bttrace.enable(exporter="local")
    assert str(bttrace.status()) == "bttrace is off: BTTRACE_DISABLED is set"
    monkeypatch.delenv("BTTRACE_DISABLED")
    bttrace.enable(exporter="none")
    assert str(bttrace.status()) == "bttrace is off: BTTRACE_EXPORTER is none"

    enable(tmp_path)
    on = bttrace.status()
    [seen] = [seen for seen in on.patched if seen.sdk == "openai"]
    assert (on.enabled, on.reason, on.exporters, on.project, on.dropped) == (True, "", ("local",), None, 0)
    assert (seen.version, seen.missing) == (openai.__version__, ())
    assert on.journal is None
    text = str(on)
    assert text.startswith("bttrace is on\nexporters: local\n")
    assert f"openai {openai.__version__}: patched\n" in text
    assert "local: 0 sent, 0 kept, 0 waiting, 0 lost" in text

    ask(client)
    bttrace.flush()
    after = bttrace.status()
    assert after.sinks["local"].kept == 1
    assert after.journal == str(next(tmp_path.glob("*.jsonl")))
    assert f"journal: {after.journal}\n" in str(after)

    bttrace.disable()
    assert str(bttrace.status()) == "bttrace is off: bttrace.disable() was called"


def test_the_status_names_the_project() -> None:
    bttrace.enable(api_key="k", project="Harbour")
    assert bttrace.status().project == "Harbour"
    assert "project: Harbour\n" in str(bttrace.status())


def test_the_status_waits_only_for_what_is_installed(tmp_path: Path) -> None:
    for package in ("groq", "openai"):
        (tmp_path / f"{package}.py").touch()
    code = (
        "import bttrace, sys\n"
        "sys.path = [entry for entry in sys.path if not entry.endswith('site-packages')]\n"
        "bttrace.enable()\n"
        "print(bttrace.status())\n"
    )
    done = finished([PYTHON, "-c", code], environment(LOCAL, tmp_path))
    assert done.out.splitlines()[:3] == [
        "bttrace is on",
        "exporters: local",
        "not imported yet: openai, groq",
    ]
    assert done.err == ""


def test_what_others_patched_after_us_is_left_to_them(client: openai.OpenAI, tmp_path: Path) -> None:
    owner = openai._base_client.SyncAPIClient
    original = owner.request
    enable(tmp_path)
    ours = vars(owner)["request"]

    def theirs(self: object, *args: object, **kwargs: object) -> object:
        return ours.__get__(self, type(self))(*args, **kwargs)

    try:
        owner.request = theirs  # type: ignore[method-assign,assignment]
        bttrace.disable()
        assert vars(owner)["request"] is theirs
        assert bttrace.status().left_behind == ("openai._base_client.SyncAPIClient.request",)
        assert "SyncAPIClient.request" in str(bttrace.status())
        assert ask(client) == "Hello from loopback."
        assert journal_rows(tmp_path) == []
    finally:
        owner.request = original  # type: ignore[method-assign]


def test_the_sdk_can_be_reloaded(server: ProviderServer, tmp_path: Path) -> None:
    code = (
        "import importlib, sys, bttrace\n"
        "bttrace.enable()\n"
        "import openai\n"
        "def ask():\n"
        "    m = [{'role': 'user', 'content': 'hi'}]\n"
        "    return openai.OpenAI(max_retries=0).chat.completions.create(model='m', messages=m).id\n"
        "ask()\n"
        "loader = openai.__loader__\n"
        "assert importlib.reload(openai) is openai\n"
        "assert openai.__loader__ == loader and openai.__spec__.loader is openai.__loader__\n"
        "ask()\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'openai']: del sys.modules[name]\n"
        "import openai\n"
        "print(ask(), [str(seen) for seen in bttrace.status().patched], openai.__version__)\n"
    )
    variables = {**LOCAL, **server.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path)}
    done = finished([PYTHON, "-c", code], environment(variables), tmp_path)
    version = openai.__version__
    assert done == Finished(0, f"chatcmpl-loopback ['openai {version}: patched'] {version}\n", "")
    assert len(journal_rows(tmp_path)) == 3


def test_the_snapshot_of_classes_can_tell_a_difference() -> None:
    before = classes()
    assert len(before) > 100
    cls = openai._streaming.Stream
    original = vars(cls)["close"]
    cls.close = types.FunctionType(original.__code__, original.__globals__)  # type: ignore[method-assign]
    try:
        assert identities(classes()) != identities(before)
    finally:
        cls.close = original  # type: ignore[method-assign]
    assert importlib.util.find_spec("openai") is openai.__spec__
