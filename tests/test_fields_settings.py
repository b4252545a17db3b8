"""What each variable does: a value that has an effect on what comes out of real calls, beside the same without it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bttrace
from bttrace import config
from bttrace.guard import forget, guarded
from bttrace.testing import capture
from tests import flows
from tests.apis import CHAT
from tests.asking import ask
from tests.conversations import Conversation, script
from tests.dispatch import by_dict
from tests.doors import LOCAL, hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.masks_of_tests import WORD
from tests.nested import nested

Environ = Callable[..., None]
MESSAGE = """
import celery
from celery.signals import before_task_publish
app = celery.Celery(broker="memory://")
@app.task
def job(): pass
def seen(headers=None, **_):
    print(*sorted({"baggage", "traceparent"} & headers.keys()))
def work():
    before_task_publish.connect(seen)
    job.delay()
"""
GENERATION = "llm.generation (gpt-4o-mini-2024-07-18)"


@pytest.fixture(name="environ")
def _environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environ:
    """Sets variables, beside those that are set."""
    monkeypatch.chdir(tmp_path)

    def environ(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return environ


@pytest.fixture(name="client")
def _client(provider: ProviderServer) -> Iterator[Any]:
    provider.reply(chat())
    with CHAT.client(provider) as client:
        yield client


def traced(client: Any, *said: str) -> list[dict[str, Any]]:
    """The rows of calls that ask this, by the settings that the environment has."""
    with capture() as captured:
        for text in said or ("hi",):
            ask(client, text)
        return captured.rows


def delivered(client: Any, *, flush: bool = True) -> None:
    """Makes a call and has it delivered, by the settings that the environment has."""
    bttrace.enable()
    ask(client, "hi")
    assert bttrace.flush(20) is flush
    bttrace.disable()


# Where spans go.


def test_braintrust_api_key(client: Any, environ: Environ, braintrust_api: BraintrustServer) -> None:
    bttrace.enable()
    assert (
        str(bttrace.status())
        .splitlines()[0]
        .endswith("there is no BRAINTRUST_API_KEY and no BTTRACE_EXPORTER")
    )
    environ(**braintrust_api.env())
    delivered(client)
    assert len(braintrust_api.rows("My Project")) == 1


def test_braintrust_api_key_in_an_env_file(
    client: Any, environ: Environ, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    variables = braintrust_api.env()
    (tmp_path / ".env.braintrust").write_text(
        f"export BRAINTRUST_API_KEY='{variables.pop('BRAINTRUST_API_KEY')}'\n"
    )
    environ(**variables)
    delivered(client)
    assert len(braintrust_api.rows("My Project")) == 1


def test_braintrust_project_name(client: Any, environ: Environ, braintrust_api: BraintrustServer) -> None:
    environ(**braintrust_api.env(), BRAINTRUST_PROJECT_NAME="Harbour")
    delivered(client)
    assert (len(braintrust_api.rows("Harbour")), braintrust_api.rows("My Project")) == (1, [])


def test_braintrust_project_id(client: Any, environ: Environ, braintrust_api: BraintrustServer) -> None:
    """It skips the look-up by name."""
    known = braintrust_api.project_id("Known")
    environ(**braintrust_api.env(), BRAINTRUST_PROJECT_ID=known, BRAINTRUST_PROJECT_NAME="Other")
    delivered(client)
    assert len(braintrust_api.rows("Known")) == 1
    assert "/v1/project" not in [request.route for request in braintrust_api.requests]


def test_braintrust_app_url(client: Any, environ: Environ, braintrust_api: BraintrustServer) -> None:
    """Where one logs in, which also says where the API is."""
    environ(BRAINTRUST_API_KEY=braintrust_api.key, BRAINTRUST_APP_URL=braintrust_api.url)
    delivered(client)
    assert len(braintrust_api.rows("My Project")) == 1
    assert "/api/apikey/login" in [request.route for request in braintrust_api.requests]


def test_braintrust_api_url(client: Any, environ: Environ) -> None:
    """Rows go there, whatever the login says."""
    with BraintrustServer() as app, BraintrustServer(key=app.key) as api:
        environ(**{**app.env(), "BRAINTRUST_API_URL": api.url})
        delivered(client)
        assert (len(api.rows("My Project")), app.rows("My Project")) == (1, [])


def test_braintrust_org_name(client: Any, environ: Environ) -> None:
    with BraintrustServer(orgs=("First", "Second")) as server:
        variables = server.env()
        del variables["BRAINTRUST_API_URL"]
        environ(**variables, BRAINTRUST_ORG_NAME="Second")
        delivered(client)
        [login] = [request for request in server.requests if request.route == "/v1/project"][:1]
        assert "Second" in (login.body or b"").decode() + login.path
        assert len(server.rows("My Project")) == 1


EXPORTERS = {
    "local": (["local"], True, False),
    "console": (["console"], False, True),
    "local,console": (["local", "console"], True, True),
    "none": ([], False, False),
}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_bttrace_exporter(
    exporter: str, client: Any, environ: Environ, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names, keeps, prints = EXPORTERS[exporter]
    environ(BTTRACE_EXPORTER=exporter, BRAINTRUST_API_KEY="k")
    bttrace.enable()
    assert [*bttrace.status().exporters] == names
    ask(client, "hi")
    bttrace.disable()
    assert ([*tmp_path.glob(".bttrace/*.jsonl")] != []) is keeps
    assert (GENERATION in capfd.readouterr().err) is prints


def test_bttrace_journal_dir(client: Any, environ: Environ, tmp_path: Path) -> None:
    environ(BTTRACE_EXPORTER="local", BTTRACE_JOURNAL_DIR="journals")
    delivered(client)
    assert [path.name for path in tmp_path.iterdir()] == ["journals"]


def test_bttrace_disabled(client: Any, environ: Environ, tmp_path: Path) -> None:
    environ(BTTRACE_EXPORTER="local", BTTRACE_DISABLED="1")
    delivered(client)
    assert [*tmp_path.iterdir()] == []


def test_bttrace_exit_timeout(client: Any, environ: Environ, braintrust_api: BraintrustServer) -> None:
    """The default waits for five seconds."""
    braintrust_api.fault("/", hang=True, times=None)
    environ(**braintrust_api.env(), BTTRACE_EXIT_TIMEOUT="0.1", BTTRACE_SPOOL="off")
    bttrace.enable()
    ask(client, "hi")
    before = time.monotonic()
    bttrace.disable()
    assert time.monotonic() - before < config.read({}).exit_timeout


@pytest.mark.parametrize(("spool", "files"), [("on-failure", True), ("off", False)])
def test_bttrace_spool(
    spool: str, files: bool, client: Any, environ: Environ, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    """Where what could not be delivered is kept, in the folder that `BTTRACE_SPOOL_DIR` names."""
    braintrust_api.fault("/", status=503, times=None)
    folder = tmp_path / "spool"
    environ(**braintrust_api.env(), BTTRACE_SPOOL=spool, BTTRACE_SPOOL_DIR=str(folder))
    environ(BTTRACE_EXIT_TIMEOUT="0.5", BTTRACE_LOG="critical")
    bttrace.enable()
    ask(client, "hi")
    bttrace.disable()
    assert ([path for path in folder.rglob("*.jsonl") if GENERATION in path.read_text()] != []) is files


def test_bttrace_spool_always(
    client: Any, environ: Environ, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    """Each span is on the disk before it is sent."""
    seen: list[bool] = []
    folder = tmp_path / "spool"
    environ(**braintrust_api.env(), BTTRACE_SPOOL="always", BTTRACE_SPOOL_DIR=str(folder))
    braintrust_api.fault("/v1/project_logs", delay=0.5)
    bttrace.enable()
    ask(client, "hi")
    while not braintrust_api.rows("My Project"):
        seen.append(any(GENERATION in path.read_text() for path in folder.rglob("*.jsonl")))
        time.sleep(0.01)
    assert any(seen)


# What a span says.


def test_bttrace_capture_content(client: Any, environ: Environ) -> None:
    environ(BTTRACE_CAPTURE_CONTENT="false")
    [row] = traced(client, WORD)
    assert WORD not in json.dumps(row)


def test_bttrace_mask(client: Any, environ: Environ) -> None:
    environ(BTTRACE_MASK="tests.masks_of_tests:shouts")
    [row] = traced(client, WORD)
    assert row["input"][0]["content"] == "*****"


def test_bttrace_span_names(client: Any, environ: Environ) -> None:
    environ(BTTRACE_SPAN_NAMES="braintrust")
    [row] = traced(client)
    assert row["span_attributes"]["name"] == "Chat Completion"


@pytest.mark.parametrize(("rate", "kept"), [("0", []), ("0.3", ["session-0", "session-19"])])
def test_bttrace_sample_rate(rate: str, kept: list[str], client: Any, environ: Environ) -> None:
    """A share of the sessions, each whole or not at all."""
    environ(BTTRACE_SAMPLE_RATE=rate)
    with capture() as captured:
        for number in range(20):
            with bttrace.context(session_id=f"session-{number}"):
                ask(client, "hi")
        assert [row["metadata"]["session_id"] for row in captured.rows] == kept


def test_bttrace_tags(client: Any, environ: Environ) -> None:
    environ(BTTRACE_TAGS="one, two,one")
    assert [row["tags"] for row in traced(client)] == [["one", "two"]]


def test_bttrace_metadata(client: Any, environ: Environ) -> None:
    environ(BTTRACE_METADATA='{"team": {"of": ["search"]}, "model": "no"}')
    [row] = traced(client)
    assert (row["metadata"]["team"], row["metadata"]["model"]) == ({"of": ["search"]}, CHAT.model)


@pytest.mark.parametrize("name", ["BTTRACE_USER_ID", "BTTRACE_SESSION_ID"])
def test_bttrace_user_id_and_session_id(name: str, client: Any, environ: Environ) -> None:
    environ(**{name: "mine"})
    [row] = traced(client)
    assert row["metadata"][name.removeprefix("BTTRACE_").lower()] == "mine"
    assert "tags" not in row


def test_the_four_stand_on_workflows_and_turns_too(provider: ProviderServer, environ: Environ) -> None:
    provider.reply(chat(tool_calls=[("c1", "weather", "{}")]), chat("Sunny."))
    environ(BTTRACE_TAGS="t", BTTRACE_METADATA='{"m": 1}', BTTRACE_USER_ID="u", BTTRACE_SESSION_ID="s")
    environ(BTTRACE_WORKFLOWS="tests.flows:research")
    with CHAT.client(provider) as client, capture() as captured:
        flows.research(client, "Porto")
        for row in captured.rows:
            name = row["span_attributes"]["name"]
            if name in ("workflow:research", "agent turn") or row["span_attributes"]["type"] == "llm":
                told = {key: row["metadata"][key] for key in ("m", "user_id", "session_id")}
                assert (told, row["tags"]) == ({"m": 1, "user_id": "u", "session_id": "s"}, ["t"])


def test_braintrust_environment_type_and_name(client: Any, environ: Environ) -> None:
    environ(BRAINTRUST_ENVIRONMENT_TYPE="server", BRAINTRUST_ENVIRONMENT_NAME="harbour")
    [row] = traced(client)
    assert row["context"]["span_origin"]["environment"] == {"type": "server", "name": "harbour"}


@pytest.mark.parametrize("prices", ["true", "false"])
def test_bttrace_prices(prices: str, provider: ProviderServer, environ: Environ) -> None:
    """With the package `genai-prices` beside us, of what the provider put no price on itself."""
    pytest.importorskip("genai_prices")
    environ(BTTRACE_PRICES=prices)
    provider.reply(chat())
    with CHAT.client(provider) as client, capture() as captured:
        client.chat.completions.create(**CHAT.given)
        [row] = captured.rows
        assert ("estimated_cost" in row["metrics"]) is (prices == "true")


# What is traced.


def test_bttrace_workflows_and_tasks(client: Any, environ: Environ) -> None:
    environ(BTTRACE_WORKFLOWS="tests.flows:handle", BTTRACE_TASKS="tests.flows:r*")
    with capture() as captured:
        flows.handle(client, "Porto")
        [[workflow, [task, *_], _]] = nested(captured.rows)
        assert (workflow, task) == ("workflow:handle", "task:research")


@pytest.mark.parametrize(
    ("variables", "timing"),
    [
        ({}, "observed"),
        ({"BTTRACE_DISCOVER_TOOLS": "false"}, "inferred"),
        ({"BTTRACE_DISCOVER_TOOLS": "false", "BTTRACE_TOOLS": "tests.dispatch.by_dict:TOOLS"}, "observed"),
    ],
    ids=["BTTRACE_DISCOVER_TOOLS default", "BTTRACE_DISCOVER_TOOLS", "BTTRACE_TOOLS"],
)
def test_bttrace_tools(
    variables: dict[str, str], timing: str, provider: ProviderServer, environ: Environ
) -> None:
    script(provider, CHAT, [("call_1", "search", {"q": "otters", "limit": 2})])
    environ(**variables)
    with CHAT.client(provider) as client, capture() as captured:
        by_dict.run(Conversation(client))
        [tool] = [row for row in captured.rows if row["span_attributes"]["type"] == "tool"]
        assert tool["metadata"]["timing"] == timing


def test_bttrace_providers(environ: Environ, capfd: pytest.CaptureFixture[str]) -> None:
    """What is named there is looked for; that it is traced is shown by `tests.test_extensions`, in its own processes."""
    environ(BTTRACE_PROVIDERS="tests.masks_of_tests:NO_FUNCTION")
    with capture():
        pass
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("bttrace: BTTRACE_PROVIDERS='tests.masks_of_tests:NO_FUNCTION' is not valid")


# What bttrace says of itself.


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("warning", 0), ("", 0)])
def test_bttrace_log(level: str, lines: int, environ: Environ, capfd: pytest.CaptureFixture[str]) -> None:
    environ(BTTRACE_LOG=level, BTTRACE_EXPORTER="local")
    bttrace.enable()
    said = capfd.readouterr().err.splitlines()
    assert len(said) == lines
    assert all("exporter local, SDKs: " in line for line in said)
    bttrace.disable()
    assert logging.getLogger("bttrace").level == logging.NOTSET


@pytest.mark.parametrize("strict", ["1", "0", ""])
def test_bttrace_strict(strict: str, environ: Environ, capfd: pytest.CaptureFixture[str]) -> None:
    def fault() -> None:
        raise KeyError("ours")

    environ(BTTRACE_STRICT=strict)
    forget()
    if strict == "1":
        with pytest.raises(KeyError):
            guarded(fault)()
    else:
        guarded(fault)()
        assert "internal error in " in capfd.readouterr().err


def test_bttrace_propagate(environ: Environ, tmp_path: Path) -> None:
    """What it changes is the messages of Celery, where that is installed: by default they say nothing of us."""
    pytest.importorskip("celery")
    found = {}
    for propagate in ("", "true"):
        environ(BTTRACE_PROPAGATE=propagate)
        variables = {**LOCAL, "BTTRACE_PROPAGATE": propagate, "BTTRACE_WORKFLOWS": "queueing:work"}
        (tmp_path / "queueing.py").write_text(MESSAGE)
        done = hooked("import queueing; queueing.work()", variables, cwd=tmp_path)
        found[propagate] = done.out.split()
    assert (found[""], found["true"]) == ([], ["baggage", "traceparent"])


def test_every_variable_is_here() -> None:
    """By its name in this file: a new one fails here until its effect is shown."""
    text = Path(__file__).read_text()
    assert [name for name in config.known_variables() if name not in text] == []
