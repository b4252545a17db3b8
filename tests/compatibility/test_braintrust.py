"""Beside each version of braintrust's SDK: turns in the application's spans, and its spans in our tools."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from tests.doors import PYTHON, ROOT, environment, finished
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer

if not importlib.util.find_spec("braintrust") or not importlib.util.find_spec("openai"):
    pytest.skip("braintrust and openai are not both here", allow_module_level=True)

HANGS_IN = (0, 3)  # the first braintrust in which a span can be made current, and parents named
MINOR = tuple(int(part) for part in version("braintrust").split(".")[:2])
LEAST = (1, 8)  # openai


def said(request: Request) -> replies.Reply:
    if any(message["role"] == "tool" for message in request.json["messages"]):
        return replies.chat("done")
    return replies.chat(tool_calls=[("c1", "search", '{"query": "Paris"}'), ("c2", "fail", "{}")])


@pytest.fixture
def server() -> Iterator[BraintrustServer]:
    if tuple(int(part) for part in version("openai").split(".")[:2]) < LEAST:
        pytest.skip("this openai is not seen whole")
    with BraintrustServer() as listening:
        yield listening


def ran(server: BraintrustServer, mode: str) -> None:
    with ProviderServer() as provider:
        provider.reply(said)
        # On Python 3.12 nothing hangs in a tool whose project braintrust would have to look up by its name.
        project = {"BRAINTRUST_PROJECT_NAME": "Ours"}
        if sys.version_info[:2] == (3, 12):
            project = {"BRAINTRUST_PROJECT_ID": server.project_id("Ours")}
        env = {**server.env(), **provider.env(), **project, "BTTRACE_STRICT": "1"}
        done = finished([PYTHON, "-m", "tests.beside.agent", mode], environment(env, ROOT))
    assert done.code == 0, done.err


def parents(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    """The name of each row's parent, by its own name."""
    names = {row["span_id"]: row["span_attributes"]["name"] for row in rows}
    return {
        row["span_attributes"]["name"]: next((names[above] for above in row.get("span_parents") or ()), None)
        for row in rows
        if not row["span_attributes"]["name"].startswith("llm.")
    }


TURN = {
    "reason (iteration 1)": "agent turn",
    "act (iteration 1)": "agent turn",
    "tool.call (search)": "act (iteration 1)",
    "tool.call (fail)": "act (iteration 1)",
    "reason (iteration 2)": "agent turn",
    "summary": "look up Paris",
}


def test_a_turn_in_the_applications_span_is_a_tree_of_the_sdks_spans(server: BraintrustServer) -> None:
    ran(server, "inside_a_span")
    rows = server.rows("Theirs")
    inside = "tool.call (search)" if MINOR >= HANGS_IN else "outer"
    assert parents(rows) == {**TURN, "outer": None, "agent turn": "outer", "look up Paris": inside}
    assert all("end" in row["metrics"] for row in rows)
    [failed] = [row for row in rows if row["span_attributes"]["name"] == "tool.call (fail)"]
    assert "LookupError: no such thing" in (failed.get("error"), failed["metadata"].get("error"))
    assert server.rows("Ours") == []


def test_what_the_application_traces_in_a_tool_hangs_in_it(server: BraintrustServer) -> None:
    ran(server, "on_its_own")
    ours = {name: above for name, above in TURN.items() if name != "summary"}
    nested = {"look up Paris": "tool.call (search)", "summary": "look up Paris"}
    apart = {"look up Paris": None, "summary": "look up Paris", "afterwards": None}
    theirs = {**nested, "afterwards": None} if MINOR >= HANGS_IN else apart
    assert parents(server.rows("Ours")) == {**ours, "agent turn": None, **theirs}
