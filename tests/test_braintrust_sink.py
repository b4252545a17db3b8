"""Rows arrive at Braintrust's API: our own delivery, and spans inside the application's own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

import bttrace
from tests.doors import hooked
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

CALL = """
import openai
client = openai.OpenAI()
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
print("done")
"""


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(replies.chat("Hello"))
        yield server


def _call(provider: ProviderServer, text: str = "hello") -> None:
    client = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])


def _enable(server: BraintrustServer, **options: str | float) -> None:
    bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, **options)


def test_a_new_project_is_made_by_name_and_the_row_arrives_whole(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    _enable(braintrust_api, project="My agents")
    _call(provider)
    assert bttrace.flush()
    [row] = braintrust_api.rows("My agents")
    assert row["span_attributes"] == {"name": "llm.generation (gpt-4o-mini-2024-07-18)", "type": "llm"}
    assert row["input"] == [{"role": "user", "content": "hello"}]
    assert row["output"][0]["message"]["content"] == "Hello"
    assert row["metrics"]["prompt_tokens"] == replies.USAGE["prompt_tokens"]
    assert row["metadata"]["provider"] == "openai"
    assert len(row["root_span_id"]) == 32
    assert len(row["span_id"]) == 16
    assert set(braintrust_api.deliveries.values()) == {1}
    counts = bttrace.status().sinks["braintrust"]
    assert (counts.sent, counts.waiting, counts.lost) == (1, 0, 0)


def test_an_existing_project_is_found_and_not_made_again(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.project_id("Known")
    _enable(braintrust_api, project="Known")
    _call(provider)
    assert bttrace.flush()
    assert len(braintrust_api.rows("Known")) == 1
    assert not [
        request
        for request in braintrust_api.requests
        if (request.method, request.route) == ("POST", "/v1/project")
    ]


def test_a_project_by_id_needs_no_lookup(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    identity = braintrust_api.project_id("By id")
    _enable(braintrust_api, project_id=identity)
    _call(provider)
    assert bttrace.flush()
    assert len(braintrust_api.rows("By id")) == 1
    assert {request.route for request in braintrust_api.requests} == {f"/v1/project_logs/{identity}/insert"}


def test_the_login_tells_the_address_of_the_api(provider: ProviderServer) -> None:
    with BraintrustServer(orgs=("first", "second")) as server:
        bttrace.enable(api_key=server.key, app_url=server.url, org_name="second", project="P")
        _call(provider)
        assert bttrace.flush()
        assert server.requests[0].route == "/api/apikey/login"
        assert len(server.rows("P")) == 1


def test_an_unknown_organisation_is_named_with_those_there_are(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    bttrace.enable(api_key=braintrust_api.key, app_url=braintrust_api.url, org_name="nobody")
    _call(provider)
    assert not bttrace.flush()
    assert "BRAINTRUST_ORG_NAME='nobody'" in capsys.readouterr().err
    assert bttrace.status().sinks["braintrust"].kept == 1


def test_a_wrong_key_is_one_message_that_names_it(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    bttrace.enable(api_key="wrong", api_url=braintrust_api.url, app_url=braintrust_api.url)
    for _ in range(3):
        _call(provider)
        bttrace.flush()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "BRAINTRUST_API_KEY" in lines[0]
    assert "401" in lines[0]
    assert bttrace.status().sinks["braintrust"].kept == 3


def test_an_unknown_project_id_is_one_message_that_names_it(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _enable(braintrust_api, project_id="00000000-0000-0000-0000-000000000000")
    _call(provider)
    assert not bttrace.flush()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "BRAINTRUST_PROJECT_ID='00000000-0000-0000-0000-000000000000'" in lines[0]


def test_an_api_that_fails_for_a_while_gets_everything_once(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.fault("/v1/project_logs", status=503, times=1)
    braintrust_api.fault("/v1/project_logs", status=429, times=1, headers={"retry-after": "0"})
    _enable(braintrust_api, project="P")
    _call(provider)
    assert bttrace.flush()
    assert len(braintrust_api.rows("P")) == 1
    assert set(braintrust_api.deliveries.values()) == {1}


def test_an_answer_that_is_lost_does_not_double_a_row(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.fault("/v1/project_logs", drop=True, stored=True)
    _enable(braintrust_api, project="P")
    _call(provider)
    assert bttrace.flush()
    assert len(braintrust_api.rows("P")) == 1


def test_one_row_that_is_refused_costs_no_other(
    provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with BraintrustServer(max_bytes=20_000) as server:
        _enable(server, project="P")
        for text in ("a", "b" * 30_000, "c"):
            _call(provider, text)
        bttrace.flush()
        said = [row["input"][0]["content"] for row in server.rows("P")]
        assert said == ["a", "c"]
        counts = bttrace.status().sinks["braintrust"]
        assert (counts.sent, counts.lost) == (2, 1)
        assert "413" in capsys.readouterr().err


def test_a_short_script_delivers_at_exit(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    done = hooked(CALL, braintrust_api.env(), provider.env(), {"BRAINTRUST_PROJECT_NAME": "P"}, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "done\n", "")
    assert len(braintrust_api.rows("P")) == 1


def test_a_script_that_is_interrupted_ends_as_it_would_without_us(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    program = f"import signal\n{CALL}\nsignal.raise_signal(signal.SIGINT)"
    variables = {"BRAINTRUST_PROJECT_NAME": "P"}
    done = hooked(program, braintrust_api.env(), provider.env(), variables, cwd=tmp_path)
    assert (done.code, done.out) == (-signal.SIGINT, "done\n"), done.err
    assert len(braintrust_api.rows("P")) == 1


@pytest.mark.parametrize(
    ("fault", "imported"),
    [
        *((fault, "openai") for fault in ("refuses", "hangs", "drips", "fails")),
        ("hangs", "braintrust, openai"),
    ],
)
def test_exit_is_bounded_whatever_the_api_does(
    provider: ProviderServer, tmp_path: Path, fault: str, imported: str
) -> None:
    with BraintrustServer() as server:
        variables = {**server.env(), "BTTRACE_EXIT_TIMEOUT": "1.5"}
        if fault == "refuses":
            variables["BRAINTRUST_API_URL"] = "http://127.0.0.1:9"
        else:
            server.fault(
                "/",
                times=None,
                hang=fault == "hangs",
                drip=fault == "drips",
                status=500 if fault == "fails" else None,
            )
        program = (
            "import time, atexit\n"
            + CALL.replace("openai", imported, 1)
            + "atexit.register(lambda: print(time.monotonic()))\nbegan = time.monotonic()\n"
        )
        done = hooked(program, variables, provider.env(), cwd=tmp_path)
        assert done.code == 0
        assert done.out.startswith("done\n")
        ended = time.monotonic()
        assert ended - float(done.out.split()[1]) < 1.5 + 8
        assert len(done.err.splitlines()) == 1, done.err
        assert "127.0.0.1" in done.err
        assert "1 span was not delivered by the exit and is kept in" in done.err


INSIDE = """
import braintrust, openai
client = openai.OpenAI()
def ask(text):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
with logger.start_span(name="outer") as outer:
    with outer.start_span(name="inner"):
        ask("inside")
    outer.log(metadata={"own": 1})
ask("outside")
"""


def test_calls_inside_the_applications_own_span_become_its_children(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    done = hooked(
        INSIDE, braintrust_api.env(), provider.env(), {"BRAINTRUST_PROJECT_NAME": "Ours"}, cwd=tmp_path
    )
    assert (done.code, done.err) == (0, "")
    theirs = {row["span_attributes"]["name"]: row for row in braintrust_api.rows("Theirs")}
    child = theirs["llm.generation (gpt-4o-mini-2024-07-18)"]
    assert child["span_parents"] == [theirs["inner"]["span_id"]]
    assert child["root_span_id"] == theirs["outer"]["root_span_id"]
    assert child["span_attributes"]["type"] == "llm"
    assert child["input"] == [{"role": "user", "content": "inside"}]
    assert child["metrics"]["prompt_tokens"] == replies.USAGE["prompt_tokens"]
    assert theirs["inner"]["metrics"]["start"] <= child["metrics"]["start"] <= child["metrics"]["end"]
    assert child["context"]["span_origin"]["name"] == "bttrace"
    assert child["context"]["caller_functionname"] == "ask"
    assert set(theirs["outer"]["metadata"]) == {"own"}
    [ours] = braintrust_api.rows("Ours")
    assert ours["input"] == [{"role": "user", "content": "outside"}]


EVAL = """
import braintrust, openai
client = openai.OpenAI()
def task(text):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content
braintrust.Eval("Evals", data=lambda: [{"input": "one"}, {"input": "two"}], task=task, scores=[lambda output: 1.0])
"""


def test_calls_inside_an_eval_belong_to_its_experiment(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    done = hooked(
        EVAL, braintrust_api.env(), provider.env(), {"BRAINTRUST_PROJECT_NAME": "Ours"}, cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert braintrust_api.rows("Ours") == []
    rows = braintrust_api.rows("Evals")
    experiments = [
        row for row in braintrust_api.rows() if row["span_attributes"].get("type") in ("llm", "task", "eval")
    ]
    by_id = {row["span_id"]: row for row in experiments}
    calls = [row for row in experiments if row["span_attributes"]["type"] == "llm"]
    assert len(calls) == 2
    assert rows == []
    for call in calls:
        parent = by_id[call["span_parents"][0]]
        assert parent["span_attributes"]["name"] == "task"
        assert call["input"] == [{"role": "user", "content": parent["input"]}]


MASKED = INSIDE.replace(
    'logger = braintrust.init_logger(project="Theirs")\nlogger.id',
    'braintrust.set_masking_function(lambda value: "masked" if isinstance(value, list) else value)\nlogger = braintrust.init_logger(project="Theirs")\nlogger.id',
)


def test_the_applications_masking_applies_inside_its_spans(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    hooked(MASKED, braintrust_api.env(), provider.env(), {"BRAINTRUST_PROJECT_NAME": "Ours"}, cwd=tmp_path)
    theirs = [row for row in braintrust_api.rows("Theirs") if row["span_attributes"].get("type") == "llm"]
    assert [row["input"] for row in theirs] == ["masked"]
