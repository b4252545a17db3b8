"""Calls of several processes that name one trace: one trace at Braintrust, whose root and named spans they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bttrace
from tests.apis import CHAT
from tests.doors import PYTHON, RUN, Finished, environment, finished, fresh_spool
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.nested import named, nested

CALL = """
import json, openai, os, sys
client = openai.OpenAI(max_retries=0)
def ask(said, **body):
    client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": said}], extra_body=body,
        **({"tools": [{"type": "function", "function": {"name": "clock"}}]} if body.get("tags") else {}),
    )
"""
ONE = """
ask("one", user="u", session_id="s", tags=["first", "both"], metadata={"stage": 1, "one": True},
    trace={"trace_id": "run 7", "trace_name": "Pipeline", "span_name": "Read", "generation_name": "one"})
"""
TWO = """
ask("two", tags=["both", "second"], metadata={"stage": 2, "two": {"deep": True}},
    trace={"trace_id": "run 7", "trace_name": "Pipeline", "span_name": "Read", "generation_name": "two"})
ask("three", trace={"trace_id": "run 7", "span_name": "Write", "generation_name": "three"})
"""
TREE = [
    [
        "Pipeline",
        [
            "Read",
            ["agent turn", ["reason (iteration 1)", "one"]],
            ["agent turn", ["reason (iteration 1)", "two"]],
        ],
        ["Write", "three"],
    ]
]


@pytest.fixture
def env(braintrust_api: BraintrustServer, provider: ProviderServer) -> dict[str, str]:
    provider.reply(chat("Hello."))
    told = {**braintrust_api.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "P"}
    return environment(told)


def run(code: str, env: dict[str, str], cwd: Path) -> Finished:
    done = finished([*RUN, "-c", CALL + code], env, cwd)
    assert done.code == 0, done.err
    return done


def shared(server: BraintrustServer) -> list[dict[str, Any]]:
    """The rows that came of spans which several processes may tell of, as they came."""
    known = {
        row["id"] for row in server.rows() if row["span_attributes"]["name"] in ("Pipeline", "Read", "Write")
    }
    return [event for event in server.events if event["id"] in known]


def test_two_processes_make_one_trace(
    env: dict[str, str], braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    """What holds of the root: it is there once, its name, its tags and whatever only one process says stay.

    Of what both say, what came last counts: a root ends with what the last process knew, and starts
    with what that one began with; its `created` tells when the first did.
    """
    run(ONE, env, tmp_path)
    first = {row["span_attributes"]["name"]: row for row in braintrust_api.rows()}
    run(TWO, env, tmp_path)
    rows = braintrust_api.rows()
    assert nested(rows) == TREE
    assert {row["root_span_id"] for row in rows} == {first["Pipeline"]["root_span_id"]}
    root, read = named(rows, "Pipeline"), named(rows, "Read")
    assert root["metadata"] == {
        "stage": 2,
        "one": True,
        "two": {"deep": True},
        "session_id": "s",
        "user_id": "u",
        "trace_id": "run 7",
        "trace_name": "Pipeline",
    }
    assert root["tags"] == ["first", "both", "second"]
    assert (root["created"], read["created"]) == (first["Pipeline"]["created"], first["Read"]["created"])
    ends = {name: named(rows, name)["metrics"]["end"] for name in ("one", "two", "three")}
    assert root["metrics"]["end"] == max(ends.values()) == ends["three"]
    assert read["metrics"]["end"] == ends["two"]
    assert root["metrics"]["start"] == read["metrics"]["start"] == named(rows, "two")["metrics"]["start"]
    assert all(event["_is_merge"] and "_merge_paths" not in event for event in shared(braintrust_api))
    assert braintrust_api.clashes == []


def test_processes_at_once(env: dict[str, str], braintrust_api: BraintrustServer, tmp_path: Path) -> None:
    """Forked ones know what their parent told of by then: when the trace began, and what its root says."""
    forks = """
import bttrace
bttrace.flush()
children = [child for child in (os.fork() for _ in range(2)) if child]
if len(children) < 2:
    client = openai.OpenAI(max_retries=0)
"""
    run(ONE + forks + TWO + "\nfor child in children: os.waitpid(child, 0)", env, tmp_path)
    rows = braintrust_api.rows()
    generations = [row["span_attributes"]["name"] for row in rows if row["span_attributes"]["type"] == "llm"]
    assert {name: generations.count(name) for name in generations} == {"one": 1, "two": 4, "three": 4}
    [tree] = nested(rows)
    assert [tree[0], *(child[0] for child in tree[1:])] == ["Pipeline", "Read", "Write"]
    root = named(rows, "Pipeline")
    assert root["metadata"].items() >= {"one": True, "stage": 1}.items()
    llm = [row["metrics"] for row in rows if row["span_attributes"]["type"] == "llm"]
    starts = [metrics["start"] for metrics in llm]
    assert root["metrics"]["start"] == min(starts)
    assert root["metrics"]["end"] in {metrics["end"] for metrics in llm if metrics["start"] > min(starts)}


def test_what_a_dead_process_left_joins_what_came_since(
    env: dict[str, str], braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    env["BTTRACE_SPOOL_DIR"] = fresh_spool()
    braintrust_api.fault("/v1/project_logs", status=503, times=None)
    run(ONE, {**env, "BTTRACE_EXIT_TIMEOUT": "0.5"}, tmp_path)
    assert braintrust_api.rows() == []
    braintrust_api.heal()
    run(TWO, env, tmp_path)
    finished([PYTHON, "-m", "bttrace.replay"], env, tmp_path)
    rows = braintrust_api.rows()
    assert nested(rows) == TREE
    root = named(rows, "Pipeline")
    assert root["metadata"].items() >= {"one": True, "two": {"deep": True}, "user_id": "u"}.items()
    assert sorted(root["tags"]) == ["both", "first", "second"]


OWN = """
import braintrust
logger = braintrust.init_logger(project="P")
logger.project.id
with logger.start_span(name="theirs"):
    ask("a", trace={"trace_id": "run 7", "trace_name": "Pipeline", "span_name": "Step", "generation_name": "a"})
    ask("b", trace={"trace_id": "run 7", "parent_span_id": "0" * 16, "generation_name": "b"}, tags=["t"])
ask("c", trace={"trace_id": "run 7", "generation_name": "c"})
"""


def test_in_the_application_s_own_span_a_call_stays(
    env: dict[str, str], braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    pytest.importorskip("braintrust")
    run(OWN, env, tmp_path)
    rows = braintrust_api.rows()
    turn = ["agent turn", ["reason (iteration 1)", "b"]]
    assert sorted(nested(rows)) == [["theirs", ["Step", "a"], turn], ["trace run 7", "c"]]
    told = [named(rows, name) for name in "abc"]
    assert [row["metadata"]["trace_id"] for row in told] == ["run 7"] * 3
    assert told[1]["tags"] == ["t"]


def test_a_call_leaves_the_workflow_of_its_run_for_the_trace_that_it_names(
    env: dict[str, str], braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    code = CALL + 'ask("a", trace={"trace_id": "run 7", "generation_name": "a"})'
    done = finished([*RUN, "--workflow", "-c", code], env, tmp_path)
    assert done.code == 0, done.err
    rows = braintrust_api.rows()
    [workflow, trace] = sorted(nested(rows), key=str, reverse=True)
    assert trace == ["trace run 7", "a"]
    around = named(rows, workflow)
    link = {"root_span_id": around["root_span_id"], "span_id": around["span_id"]}
    assert named(rows, "a")["metadata"]["made_in"] == link


def test_a_root_that_is_sent_again_counts_once(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    provider.reply(chat("Hello."))
    server = braintrust_api
    bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="P")
    with CHAT.client(provider) as client:
        for _ in range(3):
            body = {"trace": {"trace_id": "t", "span_name": "Step"}}
            client.chat.completions.create(**CHAT.given, extra_body=body)
            assert bttrace.flush()
    counts = bttrace.status().sinks["braintrust"]
    assert (counts.sent, counts.kept, counts.waiting, counts.lost) == (5, 0, 0, 0)
    assert len(server.rows("P")) == 5
    assert [server.deliveries[named(server.rows("P"), name)["id"]] for name in ("trace t", "Step")] == [3, 3]
    assert server.clashes == []
