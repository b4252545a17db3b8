"""`bttrace check`: a span of a real call arrives and is linked, or what keeps it is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bttrace.checks.doors import hook_finding
from bttrace.checks.sdks import NAMES, SDKS
from bttrace.providers import SDKS as PROVIDERS
from tests import checked
from tests.checked import findings, no_sdk, run, said, told
from tests.doors import FOLDER, PYTHON, ROOT, RUN, finished
from tests.kin import SDKS as KIN
from tests.loopback.braintrust import BraintrustServer
from tests.machines import Machine

POINTS = """\
from importlib.metadata import entry_points
for point in entry_points(group="opentelemetry_pre_instrument"):
    point.load()()
"""
PROVIDERS_KEY = "sk-proj-the-applications-own-key-0123456789"


@pytest.fixture
def braintrust() -> Iterator[BraintrustServer]:
    with checked.server() as server:
        yield server


def test_a_span_of_a_real_call_arrives(braintrust: BraintrustServer, tmp_path: Path) -> None:
    spool = tmp_path / "state" / "spool"
    cwd = tmp_path / "here"
    cwd.mkdir()
    variables = {
        "OPENAI_API_KEY": PROVIDERS_KEY,
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "BTTRACE_SPOOL_DIR": str(spool),
        "BTTRACE_SAMPLE_RATE": "0.25",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    done = run(braintrust, cwd, variables=variables)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[:2] for line in lines[:-2] if not line.startswith(" ")] == [
        ["ok", "python"],
        ["warning", "settings"],
        ["ok", "hook"],
        ["ok", "openai"],
        ["ok", "key"],
        ["ok", "organisation"],
        ["ok", "project"],
        ["ok", "spool"],
        ["ok", "trace"],
    ]
    assert "BTTRACE_SAMPLE_RATE keeps 25% of the traces (left-out)" in lines[1]
    assert lines[2].strip() == "Set BTTRACE_SAMPLE_RATE higher, or unset it."
    assert lines[-1] == "Spans arrive: that of a real call did."
    [row] = braintrust.rows("My Project")
    assert row["span_attributes"] == {"name": "llm.generation (bttrace-check)", "type": "llm"}
    assert row["output"][0]["message"]["role"] == "assistant"
    link = urlsplit(re.findall(r"http://\S+", lines[-3])[0])
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"{braintrust.url}/app/acme/object"
    project = braintrust.project_id("My Project")
    told_by_link = {"object_type": ["project_logs"], "object_id": [project], "id": [row["id"]]}
    assert parse_qs(link.query) == told_by_link
    sent = b"".join(request.body for request in braintrust.requests) + done.out.encode()
    assert PROVIDERS_KEY.encode() not in sent
    assert checked.KEY not in done.out
    assert not spool.parent.exists()
    assert list(cwd.iterdir()) == []


def test_a_project_that_does_not_exist_is_made_only_when_asked(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    picture = readme.split("$ bttrace check openai\n")[1].split("```")[0]
    spool = tmp_path / "spool"
    mistyped = {"BRAINTRUST_PROJECT_NAME": "Suport bot", "BTTRACE_SPOOL_DIR": str(spool)}
    with BraintrustServer(key=checked.KEY, orgs=("acme",)) as server:
        server.project_id("Support bot")
        server.project_id("Else")
        done = run(server, tmp_path, variables=mistyped)
        assert done.code == 1
        shown = {
            urlsplit(server.url).netloc: "www.braintrust.dev",
            str(spool): "/home/app/.local/state/bttrace/spool",
            PYTHON: "/srv/app/.venv/bin/python",
        }
        printed = done.out
        for ours, readers in shown.items():
            printed = printed.replace(ours, readers)
        assert _unversioned(printed) == _unversioned(picture)
        asked = [(request.method, request.route) for request in server.requests]
        assert ("POST", "/v1/project") not in asked
        assert server.rows() == []
        outcome = told(run(server, tmp_path, "--create", "--json", variables=mistyped))
        assert (outcome["ok"], findings(outcome)) == (True, {})
        [row] = server.rows("Suport bot")
        assert row["id"] == outcome["trace"]["id"]


def _unversioned(text: str) -> list[str]:
    return [re.sub(r"\d+(\.\d+)+", "#", line) for line in text.splitlines()]


def test_a_program_that_nothing_traces_is_none_whose_spans_arrive(
    braintrust: BraintrustServer, tmp_path: Path
) -> None:
    outcome = told(run(braintrust, tmp_path, "--json", path=()))
    assert (outcome["ok"], outcome["door"]) == (False, None)
    assert findings(outcome) == {"not-on-path": ("hook", "failed")}
    assert [row["id"] for row in braintrust.rows()] == [outcome["trace"]["id"]]
    outcome = told(run(braintrust, tmp_path, "--enable", "--json", path=()))
    assert (outcome["ok"], outcome["door"], findings(outcome)) == (True, "enable", {})


def test_what_waits_in_the_spool_is_told_and_left_there(
    machine: Machine, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    machine.run("one", BRAINTRUST_API_KEY="wrong")
    files = machine.files
    assert files
    braintrust_api.project_id("P")
    done = finished([*RUN, "-m", "bttrace.check", "openai", "--json"], machine.environment(), tmp_path)
    outcome = told(done)
    assert (outcome["ok"], outcome["door"]) == (True, "run")
    assert findings(outcome) == {"spool-not-empty": ("spool", "warning")}
    assert said(outcome, "spool-not-empty").startswith("1 span for project 'P' in ")
    assert machine.files == files
    assert len(braintrust_api.rows()) == 1


def test_a_journal_of_the_applications_is_not_written_to(tmp_path: Path) -> None:
    site = own_site(tmp_path / "site", "import openai\ndel openai.Stream.__stream__")
    cwd = tmp_path / "here"
    cwd.mkdir()
    variables = {"BTTRACE_EXPORTER": "local,console", "BTTRACE_MASK": "nowhere.to_be:found"}
    outcome = told(run(None, cwd, "--json", variables=variables, path=(FOLDER, site)))
    assert outcome["ok"]
    assert findings(outcome) == {
        "not-to-braintrust": ("settings", "warning"),
        "sdk-in-part": ("openai", "warning"),
        "warned": ("bttrace", "warning"),
    }
    assert said(outcome, "sdk-in-part").endswith("not covered: streams")
    assert "BTTRACE_MASK" in said(outcome, "warned")
    assert outcome["findings"][-1]["said"] == "written by the exporter local, console"
    assert list(cwd.iterdir()) == []
    (cwd / ".bttrace").write_text("in the way")
    outcome = told(
        run(None, no_sdk(cwd), "--json", variables={"BTTRACE_EXPORTER": "local", "BTTRACE_TOOL": "x:Y"})
    )
    assert findings(outcome)["journal-not-usable"] == ("journal", "failed")
    assert "near it: BTTRACE_TOOLS" in said(outcome, "unknown-variable")


# The hook.


def own_site(folder: Path, text: str = "") -> Path:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    return folder


def hook(outcome: dict[str, object]) -> list[object]:
    found = outcome["findings"]
    assert isinstance(found, list)
    [one] = [one for one in found if one["about"] == "hook"]
    return [outcome["door"], one["code"], one["said"]]


def test_the_door_is_told_and_what_is_in_its_way(tmp_path: Path) -> None:
    cwd, site = no_sdk(tmp_path / "here"), own_site(tmp_path / "site")
    starts = own_site(tmp_path / "starts", "import bttrace; bttrace.enable()")
    points = own_site(tmp_path / "points", POINTS)
    local = {"BTTRACE_EXPORTER": "local"}

    def outcome(
        *path: str | Path, command: tuple[str, ...] = (PYTHON,), enables: bool = False
    ) -> list[object]:
        words = ["--json", *(["--enable"] if enables else [])]
        module = (*command, "-m", "bttrace.check")
        return hook(told(run(None, cwd, *words, variables=local, path=path, command=module)))

    door, code, sentence = outcome(FOLDER, site)
    assert (door, code) == ("PYTHONPATH", "")
    assert f"{site / 'sitecustomize.py'} is loaded too" in str(sentence)
    door, code, sentence = outcome(site, FOLDER)
    assert (door, code) == (None, "hidden")
    assert str(sentence).startswith(f"not active: {site / 'sitecustomize.py'} stands before")
    assert outcome()[:2] == [None, "not-on-path"]
    assert outcome(enables=True)[:2] == ["enable", ""]
    assert outcome(starts)[:2] == ["startup", ""]
    assert outcome(points, FOLDER)[:2] == ["opentelemetry", ""]
    assert outcome(command=RUN[:3])[:2] == ["run", ""]
    door, code, sentence = outcome(FOLDER, command=(PYTHON, "-E"))
    assert (door, code) == (None, "isolated")
    assert "-E" in str(sentence)
    gone = tmp_path / "bttrace" / "sitecustomize"
    door, code, sentence = outcome(gone)
    assert (door, code) == (None, "not-on-path")
    assert str(gone) in str(sentence)


def test_a_python_that_does_not_start_is_told(tmp_path: Path) -> None:
    site = own_site(
        tmp_path / "site", "import os, sys\nif '-c' in sys.orig_argv: print('argh', flush=True); os._exit(3)"
    )
    outcome = told(
        run(None, tmp_path, "--json", variables={"BTTRACE_EXPORTER": "local"}, path=(FOLDER, site))
    )
    assert findings(outcome)["python-failed"] == ("hook", "failed")
    assert said(outcome, "python-failed").endswith("argh")


def test_a_hook_that_was_kept_from_starting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", FOLDER)
    started = {"active": False, "reason": "it fell over", "flags": [], "path": []}
    found = hook_finding(started, enables=False, off=False)
    assert (found.code, found.said.rpartition(": ")[2]) == ("not-started", "it fell over")


def test_what_switches_tracing_off_is_told(tmp_path: Path) -> None:
    cwd = no_sdk(tmp_path)
    for variables, code in (
        ({"BTTRACE_EXPORTER": "local,braintrust"}, "no-key"),
        ({}, "no-key"),
        ({"BTTRACE_EXPORTER": "none"}, "exporter-none"),
        ({"BTTRACE_DISABLED": "1", "BTTRACE_SPOOL": "sometimes"}, "disabled"),
        ({"BTTRACE_EXPORTER": "console", "BTTRACE_SAMPLE_RATE": "0"}, "all-left-out"),
    ):
        outcome = told(run(None, cwd, "--json", variables=variables))
        assert findings(outcome)[code][1] == "failed"
        assert ("bad-value" in findings(outcome)) == ("BTTRACE_SPOOL" in variables)
        assert hook(outcome)[:2] == ["PYTHONPATH", ""]


# The SDKs.


def distribution(folder: Path, version: str, code: str) -> Path:
    """An `openai` of some version."""
    (folder / "openai").mkdir(parents=True)
    (folder / "openai/__init__.py").write_text(code)
    told = folder / f"openai-{version}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: openai\nVersion: {version}\n")
    return folder


@pytest.mark.parametrize(
    ("version", "code", "expected", "sentence"),
    [
        ("0.28.1", "", "sdk-too-old", "0.28.1 is older than 1.8"),
        ("99.0.0", "", "sdk-unknown", "99.0.0 has none of the places"),
        (
            "9.0.0",
            "import no_such_module",
            "sdk-broken",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("9.0.0", "import os; print('argh', flush=True); os._exit(5)", "sdk-broken", "argh"),
    ],
)
def test_an_sdk_that_does_not_fit_is_told(
    tmp_path: Path, version: str, code: str, expected: str, sentence: str
) -> None:
    sdk = distribution(tmp_path / "lib", version, code)
    outcome = told(run(None, tmp_path, "--json", variables={"BTTRACE_EXPORTER": "local"}, path=(FOLDER, sdk)))
    assert findings(outcome)[expected] == ("openai", "failed")
    assert sentence in said(outcome, expected)
    assert outcome["sdks"] == {"openai": version}


def test_a_module_of_the_sdks_name_is_told(tmp_path: Path) -> None:
    outcome = told(run(None, no_sdk(tmp_path), "--json", variables={"BTTRACE_EXPORTER": "local"}))
    assert findings(outcome)["sdk-hidden"] == ("openai", "failed")
    assert str(tmp_path / "openai.py") in said(outcome, "sdk-hidden")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import openai\ndef no(*_, **__): raise OSError('argh')\nopenai.OpenAI.__init__ = no",
            "call-failed",
        ),
        ("import bttrace\nbttrace.suppressed().__enter__()", "no-span"),
    ],
)
def test_an_sdk_whose_calls_are_not_seen_is_told(tmp_path: Path, code: str, expected: str) -> None:
    site = own_site(tmp_path / "site", code)
    variables = {"BTTRACE_EXPORTER": "local"}
    outcome = told(run(None, tmp_path, "--json", variables=variables, path=(FOLDER, site)))
    assert findings(outcome)[expected] == ("openai", "failed")


def test_an_sdk_that_nobody_knows_is_a_bad_argument(tmp_path: Path) -> None:
    done = run(None, tmp_path, "opnai")
    assert (done.code, done.out) == (2, "")
    assert "opnai" in done.err


def test_every_sdk_is_among_those_that_are_checked() -> None:
    assert {sdk.package for sdk in SDKS} == set(PROVIDERS)
    for kin in KIN:
        sdk = NAMES[kin.package]
        assert (sdk.distribution, sdk.client, sdk.create) == (kin.distribution, kin.clients[0], kin.create)
        assert (sdk.base, dict(sdk.options)) == (kin.base, kin.options)
