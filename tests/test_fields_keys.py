"""OpenRouter's keys of a request, each row of that page's table: what they become, from plain calls of `openai`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bttrace.testing import capture
from tests.apis import CHAT, MESSAGES, RESPONSES
from tests.fields import Row, told
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, message, response
from tests.nested import nested
from tests.stages import KEYS, SPAN_ID, TRACE_ID

CALL = f"llm.generation ({CHAT.model})"


def rows() -> list[Row]:
    return told()["keys"]


def named(name: str) -> list[Row]:
    return [row for row in rows() if row["span_attributes"]["name"] == name]


def root() -> Row:
    [row] = named("Summarization Eval")
    return row


def generations() -> list[Row]:
    return named("GPT-4o Summary")


def above(row: Row) -> list[str]:
    """The names of the spans that a row names as its parents."""
    names = {one["span_id"]: one["span_attributes"]["name"] for one in rows()}
    return [names[parent] for parent in row["span_parents"]]


BECOMES: dict[str, tuple[Callable[[], Any], Any]] = {
    "user": (lambda: [row["metadata"]["user_id"] for row in generations()], ["user_12345"] * 2),
    "session_id in the body, before x-session-id": (
        lambda: [row["metadata"]["session_id"] for row in generations()],
        ["session_abc"] * 2,
    ),
    "x-session-id": (
        lambda: [row["metadata"]["session_id"] for row in named(CALL) if "span_parents" not in row],
        ["of the header"],
    ),
    "trace.trace_id: one root": (
        lambda: len({row["root_span_id"] for row in (root(), *named("Summaries"), *generations())}),
        1,
    ),
    "trace.trace_id: as it is, of Braintrust's own form": (
        lambda: [row["root_span_id"] for row in rows() if row.get("span_parents") == [SPAN_ID]],
        [TRACE_ID],
    ),
    "trace.trace_id: to be found by": (
        lambda: {row["metadata"]["trace_id"] for row in (root(), *generations())},
        {"eval_run_456"},
    ),
    "trace.trace_name": (lambda: root().get("span_parents"), None),
    "trace.trace_name: type": (lambda: root()["span_attributes"]["type"], "task"),
    "trace.span_name": (lambda: [above(row) for row in named("Summaries")], [["Summarization Eval"]]),
    "trace.generation_name": (lambda: [above(row) for row in generations()], [["Summaries"]] * 2),
    "trace.generation_name: type": (
        lambda: {row["span_attributes"]["type"] for row in generations()},
        {"llm"},
    ),
    "trace.parent_span_id": (
        lambda: [row["span_parents"] for row in rows() if row["root_span_id"] == TRACE_ID],
        [[SPAN_ID]],
    ),
    "other trace.*": (
        lambda: [
            (row["metadata"]["eval_dataset"], row["metadata"]["experiment_id"]) for row in generations()
        ],
        [("news_articles", "exp_789")] * 2,
    ),
    "metadata.*": (lambda: [row["metadata"]["reviewer"] for row in generations()], ["ada"] * 2),
    "tags": (lambda: [row["tags"] for row in (root(), *generations())], [["eval", "news"]] * 3),
}


@pytest.mark.parametrize("key", BECOMES)
def test_what_a_key_becomes(key: str) -> None:
    read, expected = BECOMES[key]
    assert read() == expected


def test_the_keys_that_name_places_are_no_metadata() -> None:
    for row in rows():
        assert not {"span_name", "generation_name", "parent_span_id", "trace"} & row["metadata"].keys()


APIS: dict[str, Any] = {
    "chat": (CHAT, chat),
    "responses": (RESPONSES, response),
    "messages": (MESSAGES, message),
}


@pytest.mark.parametrize("name", APIS)
def test_they_reach_the_provider_as_they_were(name: str, provider: ProviderServer) -> None:
    """From both SDKs; and a span of them is found in the trace of that id, whatever asked for it."""
    api, reply = APIS[name]
    provider.reply(reply())
    with api.client(provider) as client, capture() as captured:
        api.resource(client).create(**api.given, extra_body=KEYS, extra_headers={"x-session-id": "h"})
        assert nested(captured.rows) == [["Summarization Eval", ["Summaries", "GPT-4o Summary"]]]
        assert {row["root_span_id"] for row in captured.rows} == {root()["root_span_id"]}
    [request] = provider.requests
    assert {key: request.json[key] for key in KEYS} == KEYS
    assert request.header("x-session-id") == "h"
