"""Turns beside braintrust's own tracing: inside the application's spans, around them, and where it tells of the calls."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import braintrust
import pytest

from bttrace import config
from bttrace.executions import Execution
from bttrace.model import Metric, Span
from bttrace.sinks.adoption import Adopted
from bttrace.sinks.braintrust import BraintrustSink
from bttrace.sinks.nesting import Nesting
from bttrace.spans.shape import timestamp
from tests.doors import ROOT, Finished, environment
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.zygote import Program
from tests.zygote import finished as forked

SEARCHED = """
reason (iteration 1)
  llm.generation (gpt-4o-mini-2024-07-18)
act (iteration 1)
  tool.call (search)
    look up Paris *
      summary *
  tool.call (search)
    look up Rome *
      summary *
"""
TURN = f"""
agent turn
{textwrap.indent(SEARCHED, "  ").strip(chr(10))}
  reason (iteration 2)
    llm.generation (gpt-4o-mini-2024-07-18)
  act (iteration 2)
    tool.call (delegate)
      inside *
        llm.generation (gpt-4o-mini-2024-07-18)
      task:delegate
        llm.generation (gpt-4o-mini-2024-07-18)
    tool.call (fail)
  reason (iteration 3)
    llm.generation (gpt-4o-mini-2024-07-18)
"""
"""A star marks the application's own spans."""


def said(request: Request) -> replies.Reply:
    messages = request.json["messages"]
    if not request.json.get("tools"):
        return replies.chat("a delegate's answer")
    asked = sum(message["role"] == "assistant" for message in messages)
    if asked == 0:
        calls = [("c1", "search", '{"query": "Paris"}'), ("c2", "search", '{"query": "Rome"}')]
        return replies.chat(tool_calls=calls)
    if asked == 1 and messages[0]["content"] == "weather?":
        return replies.chat(tool_calls=[("c3", "delegate", '{"task": "look closer"}'), ("c4", "fail", "{}")])
    return replies.chat("done")


def outline(rows: list[dict[str, Any]]) -> str:
    """The names of rows, each indented below its parent, brothers in the order in which they began."""
    known = {row["span_id"] for row in rows}

    def below(parent: str | None) -> Iterator[str]:
        for row in sorted(rows, key=lambda row: float(row["metrics"]["start"])):
            [above] = row.get("span_parents") or [None]
            if (above if above in known else None) == parent:
                ours = row["context"]["span_origin"]["name"] == "bttrace"
                yield row["span_attributes"]["name"] + ("" if ours else " *")
                yield from (f"  {line}" for line in below(row["span_id"]))

    return "\n".join(below(None))


def ran(server: BraintrustServer, mode: str) -> Finished:
    # On Python 3.12 nothing hangs in a tool whose project braintrust would have to look up by its name.
    project = {"BRAINTRUST_PROJECT_NAME": "Ours"}
    if sys.version_info[:2] == (3, 12):
        project = {"BRAINTRUST_PROJECT_ID": server.project_id("Ours")}
    with ProviderServer() as provider:
        provider.reply(said)
        env = {**server.env(), **provider.env(), **project, "BTTRACE_STRICT": "1"}
        done = forked(Program(module="tests.beside.agent", argv=[mode], env=environment(env, ROOT)))
    assert done.code == 0, done.err
    return done


def named(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["span_attributes"]["name"] == name]


def assert_whole(rows: list[dict[str, Any]]) -> None:
    """Every span has ended, hangs in one trace, and carries what it carries anywhere."""
    assert all(row["metrics"]["start"] <= row["metrics"]["end"] for row in rows)
    assert len({row["root_span_id"] for row in rows}) == 1
    [turn] = named(rows, "agent turn")
    assert (turn["input"], turn["output"]) == ("weather?", "done")
    usage = {"prompt_tokens": 33, "completion_tokens": 21, "tokens": 54}
    assert turn["metadata"]["usage"].items() >= usage.items()
    assert (turn["metadata"]["turn_status"], turn["metadata"]["iterations"]) == ("completed", 3)
    tools = [row for row in rows if row["span_attributes"].get("type") == "tool"]
    told = [(row["metadata"]["tool_call_id"], row["metadata"]["status"], row.get("output")) for row in tools]
    assert sorted(told) == [
        ("c1", "success", "Paris is sunny"),
        ("c2", "success", "Rome is sunny"),
        ("c3", "success", "a delegate's answer"),
        ("c4", "error", None),
    ]
    assert [row["error"] for row in tools if "error" in row] == ["LookupError: no such thing"]
    assert {row["metadata"]["timing"] for row in tools} == {"observed"}
    assert [row["span_attributes"].get("type") for row in rows if "tokens" in row["metrics"]] == ["llm"] * 5
    [act, _] = [row for row in rows if row["span_attributes"]["name"].startswith("act")]
    assert act["output"] == {"completed": 2, "success_count": 2, "error_count": 0}


def test_a_turn_in_the_applications_span_is_a_tree_of_the_sdks_spans() -> None:
    with BraintrustServer() as server:
        ran(server, "inside_a_span")
        rows = server.rows("Theirs")
        assert outline(rows) == "outer *\n" + textwrap.indent(TURN, "  ").strip("\n")
        assert_whole(rows)
        assert server.rows("Ours") == []


def test_a_turn_in_an_eval_belongs_to_its_experiment() -> None:
    with BraintrustServer() as server:
        ran(server, "inside_an_eval")
        rows = server.rows()
        scored = "\n  scorer_0 *"
        assert outline(rows) == "eval *\n  task *\n" + textwrap.indent(TURN, "    ").strip("\n") + scored
        assert_whole([row for row in rows if row["span_attributes"]["name"] != "scorer_0"])
        assert server.rows("Ours") == []


@pytest.mark.parametrize("mode", ["on_its_own", "on_its_own_in_a_thread"])
@pytest.mark.parametrize("delay", [0, 0.3])
def test_what_the_application_traces_in_a_tool_hangs_in_it_however_slow_braintrust_is(
    mode: str, delay: float
) -> None:
    with BraintrustServer() as server:
        server.fault("/v1/project_logs", times=None, delay=delay)
        ran(server, mode)
        rows = server.rows("Ours")
        afterwards = named(rows, "afterwards")
        rows = [row for row in rows if row not in afterwards]
        assert outline(rows) == TURN.strip("\n")
        assert_whole(rows)
        assert [row.get("span_parents") for row in afterwards] == ([None] if mode == "on_its_own" else [])
        assert server.clashes == []


def test_what_the_application_traces_into_another_project_stays_there() -> None:
    with BraintrustServer() as server:
        ran(server, "in_another_project")
        roots = {
            row["span_attributes"]["name"] for row in server.rows("Theirs") if not row.get("span_parents")
        }
        assert roots >= {"look up Paris", "look up Rome", "inside"}
        assert named(server.rows("Ours"), "look up Paris") == []


def test_an_execution_whose_place_does_not_come_goes_on_and_others_do_not_wait() -> None:
    nesting = Nesting(BraintrustSink(config.read({}, {})), None)
    execution = Execution("tool", "search", {}, 0)
    execution.parent = braintrust.NOOP_SPAN
    assert nesting.awaits(execution)
    execution.awaited = threading.Lock()
    execution.awaited.acquire()
    began = time.monotonic()
    assert nesting.enter(execution) is None
    assert 0.01 < time.monotonic() - began < 20
    assert not nesting.awaits(execution)


def test_only_so_many_spans_are_kept_and_those_that_are_open_longest() -> None:
    adopted = Adopted()
    steps = [_step(str(number), ended=number > 0) for number in range(2002)]
    for step in steps:
        assert adopted.write(step, braintrust.NOOP_SPAN)
    kept = [step.span_id for step in steps if adopted.made(step.span_id) is not None]
    assert kept == ["0", *(str(number) for number in range(3, 2002))]
    assert adopted.write(replace(steps[0], merges=True), braintrust.NOOP_SPAN)
    assert not adopted.write(replace(steps[1], merges=True), braintrust.NOOP_SPAN)


def _step(name: str, *, ended: bool) -> Span:
    metrics: dict[Metric, float] = {"start": 1.0, **({"end": 2.0} if ended else {})}
    return Span(name, name, "trace", (), "step", "task", timestamp(1.0), metrics, {}, {})


@pytest.mark.parametrize("delay", [0, 1.5])
def test_an_execution_waits_for_its_place_for_a_short_while(delay: float) -> None:
    with BraintrustServer() as server:
        server.fault("/v1/project_logs", times=None, delay=delay)
        waits = sorted(ran(server, "on_its_own").json)
        assert len(waits) == 4
        assert waits[0] < 0.04  # less than the writer takes to wait for more
        assert waits[-1] < 1.4  # nobody waits for Braintrust


def test_in_tools_that_nobody_named_it_hangs_in_them_too() -> None:
    with BraintrustServer() as server:
        ran(server, "discovered")
        lines = outline(server.rows("Ours")).splitlines()
        assert lines[3:10] == textwrap.indent(SEARCHED, "  ").strip("\n").splitlines()[2:]


def test_asynchronous_tools_at_once_keep_what_is_traced_in_them_apart() -> None:
    with BraintrustServer() as server:
        ran(server, "asynchronous")
        calls = textwrap.indent(SEARCHED, "  ").strip("\n")
        rows = server.rows("Ours")
        last = "  reason (iteration 2)\n    llm.generation (gpt-4o-mini-2024-07-18)"
        assert outline(rows) == f"agent turn\n{calls}\n{last}"
        told = {row["span_id"]: row["input"] for row in named(rows, "tool.call (search)")}
        for query in ("Paris", "Rome"):
            [inside] = named(rows, f"look up {query}")
            assert told[inside["span_parents"][0]] == {"query": query}


def test_a_workflow_is_the_root_of_what_the_application_traces_and_asks_in_it() -> None:
    with BraintrustServer() as server:
        ran(server, "in_a_workflow")
        found = "  look up London *\n    summary *\n  step *\n"
        rows = server.rows("Ours")
        assert outline(rows) == f"workflow:handle\n{found}" + textwrap.indent(TURN, "    ").strip("\n")
        assert_whole(rows)


def test_where_the_application_named_a_parent_its_spans_stay_there() -> None:
    with BraintrustServer() as server:
        ran(server, "with_a_parent_of_its_own")
        roots = [row for row in server.rows("Theirs") if not row.get("span_parents")]
        assert [row["span_attributes"]["name"] for row in roots] == ["far away"]
        names = {row["span_attributes"]["name"] for row in server.rows("Theirs")}
        assert names >= {"look up Paris", "look up Rome", "inside"}
        assert " *" not in outline(server.rows("Ours"))


def test_where_the_application_has_no_logger_its_spans_stay_nothing() -> None:
    with BraintrustServer() as server:
        ran(server, "without_a_logger")
        assert " *" not in outline(server.rows())
        assert len(named(server.rows("Ours"), "agent turn")) == 1


def test_a_turn_that_is_left_open_is_abandoned_at_the_exit() -> None:
    with BraintrustServer() as server:
        ran(server, "left_open")
        rows = server.rows("Theirs")
        assert all("end" in row["metrics"] for row in rows)
        [turn] = named(rows, "agent turn")
        assert (turn["metadata"]["turn_status"], turn["output"]) == ("abandoned", {"status": "abandoned"})


def test_open_steps_are_at_braintrust_before_they_end() -> None:
    with BraintrustServer() as server:
        ran(server, "looked_at_midway")
        rows = server.rows("Theirs")
        assert_first_open(server, named(rows, "agent turn")[0])
        assert_first_open(server, named(rows, "act (iteration 1)")[0])
        assert_first_open(server, named(rows, "tool.call (search)")[0])


def assert_first_open(server: BraintrustServer, row: dict[str, Any]) -> None:
    [first, *_] = [event for event in server.events if event["id"] == row["id"]]
    assert "end" not in first["metrics"]
    assert "end" in row["metrics"]


def test_a_loop_that_braintrusts_wrapper_tells_of_is_not_told_again() -> None:
    with BraintrustServer() as server:
        ran(server, "wrapped")
        wrapped = named(server.rows("Theirs"), "Chat Completion")
        assert len(wrapped) == 3
        told = [row for row in server.rows() if "tokens" in row["metrics"]]
        assert len(told) == 5
        names = {row["span_attributes"]["name"].partition(" (")[0] for row in server.rows("Ours")}
        assert names == {"tool.call", "task:delegate", "llm.generation"}
        # What the application traces in tools that no turn is known of stays in its own project.
        assert " *" not in outline(server.rows("Ours"))
        assert len(named(server.rows("Theirs"), "look up Paris")) == 1


def test_a_loop_that_braintrusts_instrumentation_tells_of_leaves_us_its_tools() -> None:
    with BraintrustServer() as server:
        ran(server, "instrumented")
        ours = server.rows("Ours")
        assert sorted(row["span_attributes"]["name"] for row in ours) == [
            "tool.call (delegate)",
            "tool.call (fail)",
            "tool.call (search)",
            "tool.call (search)",
        ]
        told = [row for row in server.rows("Theirs") if "tokens" in row["metrics"]]
        assert [row["span_attributes"]["name"] for row in told] == ["Chat Completion"] * 5


def test_in_the_applications_span_the_wrappers_calls_and_our_tools_are_brothers() -> None:
    with BraintrustServer() as server:
        ran(server, "wrapped_inside_a_span")
        assert server.rows("Ours") == []
        lines = outline(server.rows("Theirs")).splitlines()
        assert [line.strip() for line in lines if line.startswith("  ") and line[2] != " "] == [
            "Chat Completion *",
            "tool.call (search)",
            "tool.call (search)",
            "Chat Completion *",
            "tool.call (delegate)",
            "tool.call (fail)",
            "Chat Completion *",
        ]
        assert "agent turn" not in outline(server.rows("Theirs"))
        assert len([row for row in server.rows() if "tokens" in row["metrics"]]) == 5
