"""Each row of the tables of the three pages that this project set out from, by that page's name and its row's.

The pages: Everruns' Braintrust integration, Flue's Braintrust tooling, OpenRouter's broadcast to Braintrust. Where this
project decided otherwise, the row says so. Their variables are in `test_fields_settings`, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import bttrace
from tests.apis import CHAT
from tests.fields import generation, step, tell
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.nested import nested

# Everruns.

EVERRUNS_SPANS = {
    "Agent Turn": ("agent turn", "task"),
    "Reason": ("reason (iteration 1)", "task"),
    "Act": ("act (iteration 1)", "task"),
    "LLM Generation": ("llm.generation (gpt-4o-mini-2024-07-18)", "llm"),
    "Tool Call": ("tool.call (weather)", "tool"),
}


@pytest.mark.parametrize("span", EVERRUNS_SPANS)
def test_everruns_span_types(span: str) -> None:
    name, type_ = EVERRUNS_SPANS[span]
    assert step("turn", name)["span_attributes"] == {"name": name, "type": type_}


EVERRUNS_METRICS: dict[str, tuple[str, float]] = {
    "prompt_tokens": ("streamed message", 100),
    "completion_tokens": ("streamed message", 40),
    "cache_read_tokens": ("streamed message", 30),
    "cache_creation_tokens": ("streamed message", 20),
    "time_to_first_token": ("streamed message", 3.0),
    "duration_ms": ("streamed message", 9000.0),
}


@pytest.mark.parametrize("metric", EVERRUNS_METRICS)
def test_everruns_metrics_of_llm_generations(metric: str) -> None:
    story, expected = EVERRUNS_METRICS[metric]
    assert generation(story)["metrics"][metric] == expected


@pytest.mark.parametrize("tool", ["weather", "broken"])
@pytest.mark.parametrize("field", ["status", "duration_ms", "error"])
def test_everruns_tool_calls(field: str, tool: str) -> None:
    row = step("turn", f"tool.call ({tool})")
    found = {
        "status": row["metadata"]["status"],
        "duration_ms": row["metrics"]["duration_ms"],
        "error": row.get("error"),
    }
    expected = {
        "weather": {"status": "success", "duration_ms": 2000.0, "error": None},
        "broken": {"status": "error", "duration_ms": 0.0, "error": "LookupError: no station in Oslo"},
    }
    assert found[field] == expected[tool][field]


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[BraintrustServer]:
    """A Braintrust that was told of one turn, by the variables of the first two pages alone."""
    with pytest.MonkeyPatch.context() as patch, BraintrustServer() as server, ProviderServer() as provider:
        environ = {
            **server.env(),
            "BRAINTRUST_PROJECT_NAME": "Harbour",
            "BTTRACE_TOOLS": "tests.stages:TOOLS",
        }
        for name, value in {**environ, "BTTRACE_STRICT": "1", "BTTRACE_SPOOL": "off"}.items():
            patch.setenv(name, value)
        bttrace.enable()
        tell("turn", provider)
        assert bttrace.flush(30)
        bttrace.disable()
        yield server


def test_everruns_trace_hierarchy(server: BraintrustServer) -> None:
    chat = "llm.generation (gpt-4o-mini-2024-07-18)"
    [turn] = nested(server.rows("Harbour"))
    assert turn[0] == "agent turn"
    assert [step[0] for step in turn[1:]] == [
        "reason (iteration 1)",
        "act (iteration 1)",
        "reason (iteration 2)",
    ]
    assert turn[1][1] == turn[3][1] == chat
    assert sorted(turn[2][1:]) == [f"tool.call ({name})" for name in ("broken", "clock", "weather")]


ROLES = ("agent turn", "reason", "act", "llm.generation", "tool.call")


@pytest.mark.parametrize("role", ROLES)
def test_everruns_span_ids(role: str, server: BraintrustServer) -> None:
    """A root's id is the trace's in Everruns; here the two differ, as the ids of braintrust's SDK do."""
    rows = server.rows("Harbour")
    [root] = [row for row in rows if not row.get("span_parents")]
    above = {"agent turn": None, "reason": "agent turn", "act": "agent turn", "llm.generation": "reason"}
    for row in [row for row in rows if row["span_attributes"]["name"].startswith(role)]:
        assert row["root_span_id"] == root["root_span_id"]
        parents = row.get("span_parents") or [None]
        assert len(parents) == 1
        names = {one["span_id"]: one["span_attributes"]["name"].split(" ")[0] for one in rows}
        expected = above.get(role, "act")
        assert names.get(parents[0]) == (expected and expected.split(" ")[0])


def test_everruns_endpoints(server: BraintrustServer) -> None:
    """Rows go by REST, to a project that is looked up by its name; what began and what ended is one row."""
    project = server.project_id("Harbour")
    routes = {request.route for request in server.requests}
    assert f"/v1/project_logs/{project}/insert" in routes
    assert "/v1/project" in routes
    rows = server.rows("Harbour")
    assert len({row["id"] for row in rows}) == len(rows) == 9
    assert all("end" in row["metrics"] for row in rows)


# Flue.

FLUE: dict[str, tuple[str, str, str]] = {
    "Workflow invocation": ("workflow", "workflow:handle", "task"),
    # Flue's `flue.prompt` is what opens a turn here; skills are Flue's own.
    "Prompt operation": ("workflow", "agent turn", "task"),
    "Compaction operation": ("responses.compact-openai.responses.compact", "compaction", "task"),
    "Model turn": ("workflow", "llm.generation (gpt-4o-mini-2024-07-18)", "llm"),
    "Tool call": ("workflow", "tool.call (weather)", "tool"),
    "Delegated task": ("delegation", "task:expert", "task"),
    "Task by name": ("workflow", "task:research", "task"),
    "Context compaction": ("compaction", "compaction", "task"),
}


@pytest.mark.parametrize("activity", FLUE)
def test_flue_activities(activity: str) -> None:
    story, name, type_ = FLUE[activity]
    row = step(story, name)
    assert row["span_attributes"] == {"name": name, "type": type_}
    is_root = activity in ("Workflow invocation", "Compaction operation")
    assert ("span_parents" not in row) is is_root


FLUE_TURNS: dict[str, Any] = {
    "input": (lambda: generation("openrouter")["input"][1]["content"], "Will it rain?"),
    "output": (lambda: generation("openrouter")["output"][0]["message"]["content"], "Hello from loopback."),
    "errors": (lambda: generation("error")["error"].partition(":")[0], "BadRequestError"),
    "usage metrics": (lambda: generation("openrouter")["metrics"]["tokens"], 140),
    "estimated cost where available": (lambda: generation("openrouter")["metrics"]["estimated_cost"], 0.0125),
}


@pytest.mark.parametrize("field", FLUE_TURNS)
def test_flue_model_turns(field: str) -> None:
    read, expected = FLUE_TURNS[field]
    assert read() == expected


def test_flue_correlation() -> None:
    """Sessions tie turns; runs, agents and operations are Flue's own, and no SDK tells of them: `bttrace.context` may."""
    metadata = step("turn", "agent turn")["metadata"]
    assert metadata["session_id"] == step("turn", "agent turn")["root_span_id"]
    assert not {"run_id", "agent", "operation"} & metadata.keys()


def test_flue_without_a_key(provider: ProviderServer) -> None:
    """The application goes on without traces."""
    bttrace.enable()
    assert not bttrace.status().enabled
    tell("turn", provider)


# OpenRouter.

OPENROUTER_METRICS: dict[str, Any] = {
    "prompt tokens": ("prompt_tokens", 100),
    "completion tokens": ("completion_tokens", 40),
    "total tokens": ("tokens", 140),
    "cached tokens": ("prompt_cached_tokens", 30),
    "reasoning tokens": ("completion_reasoning_tokens", 15),
    # Input and output costs apart are not told: the answer's `usage.cost` is the sum.
    "total cost": ("estimated_cost", 0.0125),
    "duration": ("duration_ms", 0.0),
}


@pytest.mark.parametrize("metric", OPENROUTER_METRICS)
def test_openrouter_metrics_and_costs(metric: str) -> None:
    name, expected = OPENROUTER_METRICS[metric]
    assert generation("openrouter")["metrics"][name] == expected


@pytest.mark.parametrize("setting", ["Api Key", "Project Id", "Base Url"])
def test_openrouter_configuration(
    setting: str, provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {
        "Api Key": "BRAINTRUST_API_KEY",
        "Project Id": "BRAINTRUST_PROJECT_ID",
        "Base Url": "BRAINTRUST_API_URL",
    }[setting]
    with BraintrustServer() as server:
        known = server.project_id("Known")
        environ = {**server.env(), "BRAINTRUST_PROJECT_ID": known}
        for name in (variable, "BRAINTRUST_API_KEY", "BRAINTRUST_APP_URL", "BRAINTRUST_PROJECT_ID"):
            monkeypatch.setenv(name, environ[name])
        bttrace.enable()
        tell("chat", provider)
        assert bttrace.flush(30)
        bttrace.disable()
        asked = [request for request in server.requests if "/insert" in request.route]
        assert {request.route for request in asked} == {f"/v1/project_logs/{known}/insert"}
        assert {request.header("authorization") for request in asked} == {f"Bearer {server.key}"}
        logins = [request for request in server.requests if "login" in request.route]
        assert (logins == []) is (setting == "Base Url")  # else the login tells where the API is


QUIET = {"capture_content": False}
PRIVACY: dict[str, Any] = {
    "prompts are excluded": lambda row: "input" not in row,
    "completions are excluded": lambda row: "output" not in row,
    "token usage is sent": lambda row: row["metrics"]["tokens"] == 140,
    "costs are sent": lambda row: row["metrics"]["estimated_cost"] == 0.0125,
    "timing is sent": lambda row: row["metrics"]["duration_ms"] == 0.0,
    "model information is sent": lambda row: row["metadata"]["model"] == CHAT.model,
    "custom metadata is sent": lambda _: generation("chat", **QUIET)["metadata"]["user_id"] == "u-1",
}


@pytest.mark.parametrize("what", PRIVACY)
def test_openrouter_privacy_mode(what: str) -> None:
    assert PRIVACY[what](generation("openrouter", **QUIET))
