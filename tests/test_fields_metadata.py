"""Each key of a span's metadata and context, and what an error says, as they come out of real calls and loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests import stages
from tests.apis import CHAT, RESPONSES
from tests.fields import Row, generation, step, told
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, response
from tests.openai_cases import CASES
from tests.stages import FUNCTION, WEATHER

TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
NAMED = {"type": "function", "function": {"name": "weather"}}
ABSENT = None

# key: what chat completions, Responses and messages make of it; each was asked in the API's own words
PARAMETERS: dict[str, tuple[Any, Any, Any]] = {
    "provider": ("openai", "openai", "anthropic"),
    "model": ("gpt-4o-mini-2024-07-18", "gpt-5-mini-2025-08-07", "claude-haiku-4-5-20251001"),
    "api": ("chat.completions", "responses", "messages"),
    "temperature": (0.5, 0.5, 0.5),
    "top_p": (0.9, 0.9, 0.9),
    "max_tokens": (64, 64, 99),
    "frequency_penalty": (0.1, ABSENT, ABSENT),
    "presence_penalty": (0.2, ABSENT, ABSENT),
    "stop": (["END"], ABSENT, ["END"]),
    "response_format": ({"type": "text"}, {"type": "text"}, ABSENT),
    "tools": (TOOLS, TOOLS, TOOLS),
    "tool_choice": ("auto", NAMED, NAMED),
    "parallel_tool_calls": (False, False, ABSENT),
    "reasoning": ("low", {"effort": "low"}, {"type": "disabled"}),
    "service_tier": ("default", "default", "standard"),
    "stream": (ABSENT, ABSENT, ABSENT),
    "response_id": ("chatcmpl-loopback", "resp_loopback", "msg_loopback"),
    "finish_reason": ("stop", "completed", "end_turn"),
    "request_id": ("req_loopback_chat", "req_loopback_responses", "req_loopback_messages"),
    "stream_end": (ABSENT, ABSENT, ABSENT),
    "user_id": ("u-1", "u-1", "u-1"),
    "session_id": ("s-1", "conv-1", ABSENT),
}


@pytest.mark.parametrize("story", ["chat", "response", "message"])
@pytest.mark.parametrize("key", PARAMETERS)
def test_a_key(key: str, story: str) -> None:
    expected = PARAMETERS[key][("chat", "response", "message").index(story)]
    metadata = generation(story)["metadata"]
    assert metadata.get(key) == expected
    assert (key in metadata) is (expected is not ABSENT)


@pytest.mark.parametrize("story", ["chat", "response", "message"])
def test_it_is_a_list_of_what_is_included(story: str) -> None:
    """What is not on it is not recorded: a seed, a header, what a server says beside its answer."""
    assert generation(story)["metadata"].keys() <= PARAMETERS.keys()


def test_no_header_is_recorded() -> None:
    rows = json.dumps(told()["chat"], default=repr)
    for text in ("x-mine", "a header", "authorization", "Bearer", "openai-processing-ms", "user-agent"):
        assert text.lower() not in rows.lower()


# The keys that only some calls have.

SOME = {
    "stream": (("stream", "streamed message"), True),
    "stream_end: exhausted": (("stream", "streamed message", "stream of nothing"), "exhausted"),
    "stream_end: closed": (("stream that is left",), "closed"),
    "provider: openrouter": (("openrouter",), "openrouter"),
    "model: asked for, where none came back": (("error", "cancelled turn"), "gpt-4o-mini"),
    "request_id: of a failed call": (("error",), "req_loopback_error"),
    "finish_reason: of a stream": (("stream",), "stop"),
    "response_id: of a stream": (("stream",), "chatcmpl-loopback"),
}


@pytest.mark.parametrize("key", SOME)
def test_a_key_of_some_calls(key: str) -> None:
    stories, expected = SOME[key]
    for story in stories:
        assert generation(story)["metadata"][key.partition(":")[0]] == expected


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_api_of_every_endpoint(case: Any) -> None:
    """`api` names the endpoint, as the SDK's resources do."""
    *_, row = (row for row in told()[repr(case)] if row["span_attributes"]["name"] == case.name)
    assert (row["metadata"]["api"], row["metadata"]["provider"]) == (case.api, "openai")


# What of a request says who asked, and in which session.

BECOMES: dict[str, tuple[str, dict[str, Any], str]] = {
    "user": ("user_id", {"user": "u"}, "u"),
    "safety_identifier": ("user_id", {"safety_identifier": "u"}, "u"),
    "user, before safety_identifier": ("user_id", {"user": "u", "safety_identifier": "other"}, "u"),
    "session_id in the body": ("session_id", {"extra_body": {"session_id": "s"}}, "s"),
    "prompt_cache_key": ("session_id", {"prompt_cache_key": "k"}, "k"),
    "prompt_cache_key, as a last resort": (
        "session_id",
        {"prompt_cache_key": "k", "extra_body": {"session_id": "s"}},
        "s",
    ),
}


@pytest.mark.parametrize("field", BECOMES)
def test_what_a_request_field_becomes(field: str, provider: ProviderServer) -> None:
    key, given, expected = BECOMES[field]
    provider.route(CHAT.path, chat())
    provider.route(RESPONSES.path, response())
    with CHAT.client(provider) as client, capture() as captured:
        client.chat.completions.create(**CHAT.given, **given)
        client.responses.create(**RESPONSES.given, **given)
        assert [row["metadata"][key] for row in captured.rows] == [expected] * 2


@pytest.mark.parametrize("given", ["conv-1", {"id": "conv-1"}])
def test_the_conversation_is_the_session(given: Any, provider: ProviderServer) -> None:
    provider.route(RESPONSES.path, response())
    with RESPONSES.client(provider) as client, capture() as captured:
        client.responses.create(**RESPONSES.given, conversation=given)
        assert [row["metadata"]["session_id"] for row in captured.rows] == ["conv-1"]


def test_the_user_of_anthropic_s_metadata() -> None:
    assert generation("message")["metadata"]["user_id"] == "u-1"


# Tools and turns.

TOOL = {
    "tool_name": {"weather": "weather", "broken": "broken", "clock": "clock"},
    "tool_call_id": {"weather": "call_weather", "broken": "call_broken", "clock": "call_clock"},
    "status": {"weather": "success", "broken": "error", "clock": "success"},
    "timing": {"weather": "observed", "broken": "observed", "clock": "inferred"},
}


@pytest.mark.parametrize("tool", ["weather", "broken", "clock"])
@pytest.mark.parametrize("key", TOOL)
def test_a_key_of_a_tool(key: str, tool: str) -> None:
    row = step("turn", f"tool.call ({tool})")
    assert row["metadata"][key] == TOOL[key][tool]
    assert row["metadata"].keys() == TOOL.keys()


TURN: dict[str, dict[str, Any]] = {
    "iterations": {"turn": 2, "failed turn": 2, "cancelled turn": 1, "abandoned turn": 1},
    "turn_status": {
        "turn": "completed",
        "failed turn": "failed",
        "cancelled turn": "cancelled",
        "abandoned turn": "abandoned",
    },
}


@pytest.mark.parametrize("story", TURN["iterations"])
@pytest.mark.parametrize("key", TURN)
def test_a_key_of_a_turn(key: str, story: str) -> None:
    assert step(story, "agent turn")["metadata"][key] == TURN[key][story]


# the story, whose usage, and which of the story's calls make it up
USAGE = {
    "turn": ("turn", "agent turn", (0, 1)),
    "turn, without what a tool of it asked": ("delegation", "agent turn", (0, 2)),
    "task": ("workflow", "task:research", (0, 1)),
    "workflow": ("workflow", "workflow:handle", (0, 1, 2)),
}


@pytest.mark.parametrize("sums", USAGE)
def test_usage_is_what_the_calls_beneath_add_up_to(sums: str) -> None:
    story, name, calls = USAGE[sums]
    usage = step(story, name)["metadata"]["usage"]
    rows = [row["metrics"] for row in told()[story] if row["span_attributes"]["type"] == "llm"]
    assert usage == {key: sum(rows[call].get(key, 0) for call in calls) for key in usage}
    assert {"prompt_tokens", "completion_tokens", "tokens"} <= usage.keys()


def test_session_id_ties_the_turns_of_a_conversation() -> None:
    """It is the request's own where that says one, else the trace of the first turn."""
    assert step("chat", "agent turn")["metadata"]["session_id"] == "s-1"
    assert step("response", "agent turn")["metadata"]["session_id"] == "conv-1"
    row = step("turn", "agent turn")
    assert row["metadata"]["session_id"] == row["root_span_id"]


@pytest.mark.parametrize("name", ["workflow:handle", "task:research"])
def test_status_of_workflows_and_tasks(name: str) -> None:
    assert step("workflow", name)["metadata"]["status"] == "success"


# Errors.

ERRORS: dict[str, tuple[Any, str, str]] = {
    "exception": (generation, "error", "BadRequestError: Error code: 400 - No weather for [secret: openai key]"),
    "of a tool": (lambda story: step(story, "tool.call (broken)"), "turn", "LookupError: no station in Oslo"),
    "cancelled": (generation, "cancelled turn", "CancelledError: the call was cancelled"),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
def test_an_error(error: str) -> None:
    """The exception's type and message, without secrets; a cancelled call says so."""
    row_of, story, expected = ERRORS[error]
    row = row_of(story)
    assert row["error"] == expected
    assert "output" not in row


def test_nothing_else_has_an_error() -> None:
    failing = [story for story, rows in told().items() if any("error" in row for row in rows)]
    assert failing == ["error", "turn", "failed turn", "cancelled turn"]


# Context.


def line_of(text: str) -> int:
    """Gives the line of `tests.stages` that has this text."""
    with open(stages.__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


CONTEXT = {
    "caller_functionname": "ask",
    "caller_filename": stages.__file__,
    "caller_lineno": line_of("chat.completions.create(**asked)"),
}


@pytest.mark.parametrize("key", CONTEXT)
def test_the_application_s_frame_that_made_the_call(key: str) -> None:
    for story in ("chat", "stream", "error", "openrouter"):
        assert generation(story)["context"][key] == CONTEXT[key]
    assert step("turn", "agent turn")["context"][key] == CONTEXT[key]


def test_the_frame_behind_a_deprecated_method() -> None:
    """Wrappers of typing_extensions stand between, and are nobody's application."""
    for story in ("images.create_variation-Image Variation", "audio.translations-Translation"):
        context = generation(story)["context"]
        assert Path(context["caller_filename"]).name == "openai_cases.py"


INSTRUMENTATION = {
    "chat": ("openai", ""),
    "message": ("anthropic", ""),
    "turn": ("turns", "agent turn"),
    "workflow": ("turns", "workflow:handle"),
}


@pytest.mark.parametrize("story", INSTRUMENTATION)
def test_span_origin(story: str) -> None:
    name, at = INSTRUMENTATION[story]
    row: Row = step(story, at) if at else generation(story)
    assert row["context"]["span_origin"] == {
        "name": "bttrace",
        "version": bttrace.__version__,
        "instrumentation": {"name": f"bttrace.{name}"},
    }


def test_span_origin_s_environment(provider: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    provider.reply(chat())
    with CHAT.client(provider) as client, capture() as captured:
        client.chat.completions.create(**CHAT.given, tools=[FUNCTION])
        for row in captured.rows:
            assert row["context"]["span_origin"]["environment"] == {"type": "ci", "name": "github_actions"}
