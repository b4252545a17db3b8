"""`bttrace check` toward a Braintrust in each broken state: each is told apart, in time, and no secret with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bttrace.checks.findings import CODES
from tests import checked
from tests.checked import findings, no_sdk, run, said, told
from tests.doors import ROOT
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.reply import html
from tests.loopback.silence import deaf

PASSWORD = "pass-of-a-proxy-or-a-host-91"
ECHO = f"no such thing for {checked.KEY}".encode()
_ADDRESSES = ("BRAINTRUST_API_URL", "BRAINTRUST_APP_URL")
Variables = Mapping[str, str]


@dataclass(frozen=True)
class State:
    """What is wrong, what is then told, and about what. In `variables`, URL is the server's address."""

    code: str
    about: str
    variables: Variables = field(default_factory=dict)
    breaks: Callable[[BraintrustServer], object] = lambda server: None
    level: str = "failed"
    unset: tuple[str, ...] = ()
    sentence: str = ""


def at(address: str) -> dict[str, str]:
    return dict.fromkeys(_ADDRESSES, address)


def faulty(route: str, status: int, **more: object) -> Callable[[BraintrustServer], object]:
    return lambda server: server.fault(route, status, times=None, **more)  # type: ignore[arg-type]


STATES = {
    "wrong key": State(
        "wrong-key",
        "key",
        {"BRAINTRUST_API_KEY": "sk-a-wrong-key-of-some-length-4711"},
        sentence="ends in 4711",
    ),
    "refused port": State("connection-refused", "braintrust", at("http://127.0.0.1:9")),
    "no such host": State("unknown-host", "braintrust", at(f"http://me:{PASSWORD}@no-such-host.invalid")),
    "TLS": State("bad-certificate", "braintrust", at("https:URL")),
    "proxy": State(
        "bad-proxy",
        "braintrust",
        {
            **at("http://braintrust.invalid"),
            "HTTP_PROXY": f"http://me:{PASSWORD}@127.0.0.1:9",
            "NO_PROXY": "",
        },
    ),
    "proxy wants a password": State("bad-proxy", "braintrust", breaks=faulty("/", 407)),
    "a page": State("wrong-url", "braintrust", breaks=faulty("/", 200, body=html(200).body)),
    "another API": State("wrong-url", "braintrust", breaks=faulty("/", 200, body=b'{"data": []}')),
    "nothing there": State("wrong-url", "braintrust", breaks=faulty("/", 404, body=ECHO)),
    "moved": State(
        "wrong-url",
        "braintrust",
        breaks=faulty("/", 308, headers={"location": f"https://me:{PASSWORD}@www.elsewhere.dev/api"}),
        sentence="leads to www.elsewhere.dev",
    ),
    "down": State("platform-error", "braintrust", breaks=faulty("/", 503)),
    "busy": State("too-many-requests", "braintrust", breaks=faulty("/v1/project", 429)),
    "forbidden": State("forbidden", "project", breaks=faulty("/v1/project", 403, body=ECHO)),
    "login down": State("platform-error", "braintrust", breaks=faulty("/api/apikey", 500), level="warning"),
    "no such organisation": State(
        "unknown-organisation",
        "organisation",
        {"BRAINTRUST_ORG_NAME": "acne"},
        unset=("BRAINTRUST_API_URL",),
        sentence="it has: 'acme'",
    ),
    "no such id": State("unknown-project-id", "project", {"BRAINTRUST_PROJECT_ID": "4711"}),
}


@pytest.fixture
def braintrust() -> Iterator[BraintrustServer]:
    with checked.server() as server:
        yield server


@pytest.mark.parametrize("name", STATES)
def test_each_state_is_told_apart(name: str, braintrust: BraintrustServer, tmp_path: Path) -> None:
    state = STATES[name]
    state.breaks(braintrust)
    variables = {
        **{
            key: value.replace("http:URL", braintrust.url).replace(
                "https:URL", braintrust.url.replace("http", "https")
            )
            for key, value in state.variables.items()
        },
        **dict.fromkeys(state.unset, ""),
    }
    done = run(braintrust, no_sdk(tmp_path), "--json", variables=variables)
    outcome = told(done)
    assert findings(outcome) == {"sdk-hidden": ("openai", "failed"), state.code: (state.about, state.level)}
    assert state.sentence in said(outcome, state.code)
    for secret in (checked.KEY, PASSWORD, variables.get("BRAINTRUST_API_KEY", PASSWORD)):
        assert secret not in done.out + done.err
    assert braintrust.rows() == []


DELIVERIES = {"forbidden": 403, "too-many-requests": 429, "rejected": 400}


@pytest.mark.parametrize("code", DELIVERIES)
def test_a_trace_that_is_not_taken_is_told(code: str, braintrust: BraintrustServer, tmp_path: Path) -> None:
    braintrust.fault("/v1/project_logs", DELIVERIES[code], times=None, body=ECHO)
    done = run(braintrust, tmp_path, "--json", variables={"BTTRACE_SPOOL_DIR": str(tmp_path / "spool")})
    outcome = told(done)
    assert findings(outcome) == {code: ("trace", "failed")}
    assert str(DELIVERIES[code]) in said(outcome, code)
    assert checked.KEY not in done.out
    assert not (tmp_path / "spool").exists()


def test_a_key_that_may_only_write_is_enough_with_an_id(braintrust: BraintrustServer, tmp_path: Path) -> None:
    braintrust.fault("/v1/project/", 403, times=None)
    project = braintrust.project_id("My Project")
    outcome = told(run(braintrust, tmp_path, "--json", variables={"BRAINTRUST_PROJECT_ID": project}))
    assert (outcome["ok"], findings(outcome)) == (True, {"unknown-project-id": ("project", "warning")})
    assert [row["id"] for row in braintrust.rows(project)] == [outcome["trace"]["id"]]
    elsewhere = {"BRAINTRUST_PROJECT_ID": "4711"}
    outcome = told(run(braintrust, tmp_path, "--json", variables=elsewhere))
    assert (outcome["ok"], findings(outcome)) == (False, {"unknown-project-id": ("project", "failed")})


def test_it_waits_for_no_endpoint_for_long(braintrust: BraintrustServer, tmp_path: Path) -> None:
    braintrust.fault("/v1/project_logs", hang=True, times=None)
    cwd = no_sdk(tmp_path / "elsewhere")
    with deaf() as port, ThreadPoolExecutor() as pool:
        silent = f"http://127.0.0.1:{port}"
        delivery = pool.submit(run, braintrust, tmp_path, "--json")
        everything = pool.submit(run, braintrust, cwd, "--json", variables=at(silent))
        login = pool.submit(run, braintrust, cwd, "--json", variables={"BRAINTRUST_APP_URL": silent})
    assert findings(told(delivery.result())) == {"no-answer": ("trace", "failed")}
    assert findings(told(everything.result()))["no-answer"] == ("braintrust", "failed")
    assert findings(told(login.result()))["no-answer"] == ("braintrust", "warning")


def test_several_organisations_are_told(tmp_path: Path) -> None:
    with BraintrustServer(orgs=("acme", "ajax")) as server:
        server.project_id("My Project")
        outcome = told(run(server, no_sdk(tmp_path), "--json"))
        assert findings(outcome)["several-organisations"] == ("organisation", "warning")
        assert (
            said(outcome, "several-organisations")
            == "the key belongs to 'acme', 'ajax', and spans go to 'acme'"
        )


def test_a_spool_that_cannot_be_used_is_told(braintrust: BraintrustServer, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o755)
    cwd = no_sdk(tmp_path / "here")
    outcome = told(run(braintrust, cwd, "--json", variables={"BTTRACE_SPOOL_DIR": str(spool)}))
    assert findings(outcome)["spool-not-usable"] == ("spool", "warning")
    assert "it is open to others" in said(outcome, "spool-not-usable")
    assert list(spool.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("")
    outcome = told(run(braintrust, cwd, "--json", variables={"BTTRACE_SPOOL_DIR": str(file / "spool")}))
    assert str(file) in said(outcome, "spool-not-usable")


def test_the_readme_has_a_row_for_everything_that_can_be_found() -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## When nothing arrives")[1].split("\n## ")[0]
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:2] == "| "
    ]
    listed: dict[str, str] = {}
    for _symptom, cause, remedy in rows[1:]:
        for code in re.findall(r"`([a-z-]+)`", cause.partition(":")[0]):
            assert code not in listed
            listed[code] = remedy.replace("`", "")
    assert listed == {code: remedy for code, (_, remedy) in CODES.items()}
