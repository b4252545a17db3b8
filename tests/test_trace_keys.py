"""OpenRouter's keys in requests of both SDKs: what of them a span tells, and that the provider gets them as they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import anthropic
import openai
import pytest

import bttrace
from bttrace.testing import capture
from tests.apis import CHAT, MESSAGES, RESPONSES, Api, each_api, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, embeddings
from tests.nested import named, nested

KEYS: dict[str, Any] = {
    "user": "u-1",
    "session_id": "s-1",
    "trace": {
        "trace_id": "eval run 456",
        "trace_name": "Summaries",
        "span_name": "Step",
        "generation_name": "A summary",
        "dataset": "news",
        "depth": {"of": [1, None]},
    },
    "metadata": {"experiment": "e-7"},
    "tags": ["blue", "red", "blue"],
}
CUSTOM = {"dataset": "news", "depth": {"of": [1, None]}, "experiment": "e-7"}
NAMED = {"trace_id": "eval run 456", "trace_name": "Summaries"}
SAID = {**CUSTOM, **NAMED, "session_id": "s-1", "user_id": "u-1"}

OWN = frozenset(
    {"provider", "model", "api", "finish_reason", "request_id", "response_id", "service_tier", "usage"}
    | {"stream", "stream_end", "max_tokens", "time_to_first_text"}
)
"""Metadata that the request's and the answer's own fields give."""

Ask = Callable[[Api, ProviderServer, dict[str, Any]], None]


def plain(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    with api.client(provider) as client:
        api.resource(client).create(**api.given, **extra)


def streamed(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    with api.client(provider) as client:
        list(api.resource(client).create(**api.given, **extra, stream=True))


def raw(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    with api.client(provider) as client:
        api.resource(client).with_raw_response.create(**api.given, **extra).parse()


def streaming(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    with api.client(provider) as client:
        asked = api.resource(client).with_streaming_response.create(**api.given, **extra)
        with asked as response:
            response.read()


def helped(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    given = {name: value for name, value in api.given.items() if name != "stream"}
    with api.client(provider) as client, api.resource(client).stream(**given, **extra) as stream:
        list(stream)


def asynchronous(api: Api, provider: ProviderServer, extra: dict[str, Any], **more: Any) -> None:
    async def main() -> None:
        async with api.aclient(provider) as client:
            answer = await api.resource(client).create(**api.given, **extra, **more)
            if more:
                [chunk async for chunk in answer]

    asyncio.run(main())


def asynchronous_stream(api: Api, provider: ProviderServer, extra: dict[str, Any]) -> None:
    asynchronous(api, provider, extra, stream=True)


WAYS: tuple[Ask, ...] = (plain, streamed, raw, streaming, helped, asynchronous, asynchronous_stream)


def custom(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row["metadata"].items() if name not in OWN}


@pytest.mark.parametrize("ask", WAYS, ids=lambda ask: ask.__name__)
@each_api
def test_every_way_of_calling_tells_the_keys_and_leaves_them_alone(
    api: Api, ask: Ask, provider: ProviderServer
) -> None:
    provider.reply(lambda request: (api.streamed if request.json.get("stream") else api.whole)())
    ask(api, provider, {"extra_body": KEYS})
    with traced() as (captured, _):
        ask(api, provider, {"extra_body": KEYS})
        rows = captured.rows
    bare, hooked = provider.requests
    assert hooked.body == bare.body
    assert {name: hooked.json[name] for name in KEYS} == KEYS
    assert nested(rows) == [["Summaries", ["Step", "A summary"]]]
    generation, root = named(rows, "A summary"), named(rows, "Summaries")
    assert generation["span_attributes"] == {"name": "A summary", "type": "llm"}
    assert (custom(generation), generation["tags"]) == (SAID, ["blue", "red"])
    assert (root["metadata"], root["tags"]) == (SAID, ["blue", "red"])
    assert root["span_attributes"]["type"] == "task"
    assert {row["root_span_id"] for row in rows} == {root["root_span_id"]}
    assert len(root["root_span_id"]) == 32
    assert "tags" not in named(rows, "Step")


@each_api
def test_a_call_without_keys_has_none(api: Api, provider: ProviderServer) -> None:
    provider.reply(api.whole())
    with traced() as (captured, _):
        plain(api, provider, {})
        row = only(captured)
    assert (custom(row), row.get("tags"), row.get("span_parents")) == ({}, None, None)


def test_any_endpoint_and_any_base_url(provider: ProviderServer) -> None:
    provider.route("/api/v1/embeddings", embeddings())
    with traced() as (captured, _):
        client = openai.OpenAI(base_url=f"{provider.url}/api/v1", api_key="k", max_retries=0)
        client.embeddings.create(model="m", input="text", user="u-2", extra_body={"trace": {"trace_id": "t"}})
        rows = captured.rows
    assert nested(rows) == [["trace t", f"llm.generation ({rows[-1]['metadata']['model']})"]]
    assert custom(rows[-1]) == {"user_id": "u-2", "trace_id": "t"}


def test_keys_of_a_form(provider: ProviderServer) -> None:
    provider.reply(chat())
    with traced() as (captured, _), CHAT.client(provider) as client:
        client.images.edit(image=b"\x89PNG", prompt="a hat", user="u-3", extra_body={"session_id": "s-3"})
        row = only(captured)
    assert custom(row) == {"user_id": "u-3", "session_id": "s-3"}


SESSIONS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"session_id": "body"}, {"x-session-id": "header"}, "body"),
    ({}, {"X-Session-ID": "header"}, "header"),
    ({"conversation": "conv"}, {"x-session-id": "header"}, "header"),
    ({"conversation": {"id": "conv"}, "prompt_cache_key": "key"}, {}, "conv"),
    ({"prompt_cache_key": "key", "metadata": {"session_id": "of metadata"}}, {}, "of metadata"),
    ({"prompt_cache_key": "key"}, {}, "key"),
    ({"session_id": 7}, {}, "7"),
    ({"session_id": " ", "prompt_cache_key": "key"}, {}, "key"),
    ({"session_id": "s" * 257}, {"x-session-id": "header"}, "header"),
]


@pytest.mark.parametrize(("body", "headers", "session"), SESSIONS)
@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)
def test_which_session_counts(
    api: Api, body: dict[str, Any], headers: dict[str, str], session: str, provider: ProviderServer
) -> None:
    provider.reply(api.whole())
    with traced() as (captured, _):
        plain(api, provider, {"extra_body": body, "extra_headers": headers})
        row = only(captured)
    [request] = provider.requests
    assert row["metadata"]["session_id"] == session
    assert session == "header" or "header" not in json.dumps(row)
    assert {name: request.json[name] for name in body} == body
    assert [request.header(name) for name in headers] == list(headers.values())


def test_the_header_of_a_client_counts_for_its_turns(provider: ProviderServer) -> None:
    provider.reply(MESSAGES.whole())
    tools: Any = [{"name": "clock", "input_schema": {"type": "object"}}]
    with traced() as (captured, _):
        with MESSAGES.client(
            provider, default_headers={"x-session-id": "s-9", "x-other": "secret"}
        ) as client:
            client.messages.create(**MESSAGES.given, tools=tools)
        rows = captured.rows
    assert named(rows, "agent turn")["metadata"]["session_id"] == "s-9"
    assert "secret" not in json.dumps(rows)


USERS: list[tuple[dict[str, Any], str]] = [
    ({"user": "u", "safety_identifier": "safe", "metadata": {"user_id": "meta"}}, "u"),
    ({"safety_identifier": "safe", "metadata": {"user_id": "meta"}}, "safe"),
    ({"metadata": {"user_id": "meta"}}, "meta"),
    ({"trace": {"user_id": "of the trace"}, "metadata": {"user_id": "meta"}}, "of the trace"),
]


@pytest.mark.parametrize(("body", "user"), USERS)
@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)
def test_which_user_counts(api: Api, body: dict[str, Any], user: str, provider: ProviderServer) -> None:
    provider.reply(api.whole())
    with traced() as (captured, _):
        plain(api, provider, {"extra_body": body})
        assert custom(only(captured)) == {"user_id": user}


def test_what_is_known_of_a_call_replaces_what_the_request_says_of_it(provider: ProviderServer) -> None:
    provider.reply(chat())
    lies = {"model": "lie", "provider": "lie", "request_id": "lie", "own": 1}
    with traced() as (captured, _):
        plain(CHAT, provider, {"extra_body": {"trace": {**lies, "both": "trace"}, "metadata": {"both": "m"}}})
        row = only(captured)
    assert row["metadata"]["model"] == CHAT.model
    assert "lie" not in json.dumps(row)
    assert custom(row) == {"own": 1, "both": "trace"}


def test_the_request_counts_more_than_the_block_and_that_more_than_the_environment(
    provider: ProviderServer,
) -> None:
    provider.reply(chat())
    around = bttrace.context(session_id="block", user_id="block", tags=["block"], metadata={"a": 2, "b": 2})
    process: dict[str, Any] = {"session_id": "env", "user_id": "env", "tags": ["env"]}
    said: dict[str, Any] = {"session_id": "own", "tags": ["own"], "metadata": {"b": 3}}
    with traced(**process, metadata={"a": 1, "c": 1}) as (captured, _), CHAT.client(provider) as client:
        for extra, within in (
            (said, around),
            ({}, around),
            (said, nullcontext()),
            ({"prompt_cache_key": "k"}, around),
        ):
            with within:
                client.chat.completions.create(**CHAT.given, extra_body=extra)
        found = [(custom(row), row["tags"]) for row in captured.rows]
    assert found == [
        ({"a": 2, "b": 3, "c": 1, "session_id": "own", "user_id": "block"}, ["env", "block", "own"]),
        ({"a": 2, "b": 2, "c": 1, "session_id": "block", "user_id": "block"}, ["env", "block"]),
        ({"a": 1, "b": 3, "c": 1, "session_id": "own", "user_id": "env"}, ["env", "own"]),
        ({"a": 2, "b": 2, "c": 1, "session_id": "block", "user_id": "block"}, ["env", "block"]),
    ]


@pytest.mark.parametrize("span_names", ["turn", "braintrust"])
def test_without_content_what_the_request_says_of_itself_stays(
    span_names: str, provider: ProviderServer
) -> None:
    provider.reply(chat())
    with traced(capture_content=False, span_names=span_names) as (captured, _):
        plain(CHAT, provider, {"extra_body": KEYS})
        rows = captured.rows
    assert nested(rows) == [["Summaries", ["Step", "A summary"]]]
    assert all((custom(row), row["tags"]) == (SAID, ["blue", "red"]) for row in (rows[0], rows[-1]))
    assert not any("input" in row or "output" in row for row in rows)


# What can't be taken.

LONG = "x" * 300
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("user", {"user": "u" * 129}, "129 characters, and 128 are allowed"),
    ("safety_identifier", {"safety_identifier": ["u"]}, "it is a list, and must be a text"),
    ("metadata.user_id", {"metadata": {"user_id": "u" * 129}}, "128 are allowed"),
    ("session_id", {"session_id": "s" * 257}, "257 characters, and 256 are allowed"),
    ("session_id", {"session_id": {"id": 1}}, "it is an object"),
    ("session_id", {"session_id": True}, "it is True"),
    ("trace", {"trace": "t"}, "it is a text, and must be an object"),
    ("trace", {"trace": [1]}, "it is a list"),
    ("trace.trace_id", {"trace": {"trace_id": LONG}}, "300 characters, and 256 are allowed"),
    ("trace.trace_id", {"trace": {"trace_id": ["t"]}}, "it is a list"),
    ("trace.trace_name", {"trace": {"trace_name": "a\nb"}}, "control characters"),
    ("trace.span_name", {"trace": {"span_name": "\x1b[2J"}}, "control characters"),
    ("trace.generation_name", {"trace": {"generation_name": LONG}}, "256 are allowed"),
    ("trace.parent_span_id", {"trace": {"parent_span_id": "\x00"}}, "control characters"),
    ("metadata", {"metadata": "m"}, "it is a text, and must be an object"),
    ("metadata", {"metadata": 3}, "it is 3"),
    ("tags", {"tags": "blue"}, "it is a text, and must be a list of texts"),
    ("tags", {"tags": {"blue": 1}}, "it is an object"),
    ("tags", {"tags": [["blue"]]}, "it is a list, and must be a text"),
    ("tags", {"tags": ["b\tlue"]}, "control characters"),
]


@pytest.mark.parametrize(("name", "body", "fault"), FAULTS)
def test_what_can_not_be_taken_is_said_once_and_left_out(
    name: str, body: dict[str, Any], fault: str, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.reply(chat())
    with traced() as (captured, _), CHAT.client(provider) as client:
        for _ in range(3):
            client.chat.completions.create(**CHAT.given, extra_body=body)
        rows = captured.rows
    [line] = capsys.readouterr().err.splitlines()
    assert f" {name} of a request is not valid: " in line
    assert fault in line
    assert "traced without it" in line
    assert len(line) < 400
    assert nested(rows) == [f"llm.generation ({CHAT.model})"] * 3
    assert [(custom(row), row.get("tags")) for row in rows] == [({}, None)] * 3


def test_what_is_valid_beside_it_counts(provider: ProviderServer, capsys: pytest.CaptureFixture[str]) -> None:
    provider.reply(chat())
    body = {
        "user": "u" * 129,
        "safety_identifier": "u" * 128,
        "session_id": "s" * 256,
        "tags": [None, "", {"a": 1}, "blue", 7],
        "trace": {"trace_id": "t" * 256, "span_name": "é" * 256, "trace_name": " ", "generation_name": LONG},
    }
    with traced() as (captured, _):
        plain(CHAT, provider, {"extra_body": body})
        rows = captured.rows
    assert nested(rows) == [[f"trace {'t' * 256}", ["é" * 256, f"llm.generation ({CHAT.model})"]]]
    row = rows[-1]
    assert custom(row) == {"user_id": "u" * 128, "session_id": "s" * 256, "trace_id": "t" * 256}
    assert row["tags"] == ["blue", "7"]
    assert len(capsys.readouterr().err.splitlines()) == 3


ODD: list[Any] = [
    None,
    0,
    -1.5,
    True,
    "",
    " ",
    "x",
    "\ud800",
    [],
    [[]],
    {},
    {"": None},
    {"id": {}},
    ["\x00", None],
    10**400,
]


@pytest.fixture
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()


@pytest.mark.usefixtures("_quiet")
def test_nothing_that_stands_there_raises(provider: ProviderServer) -> None:
    """Each name with each value, together with a turn; our own faults are raised in tests."""
    provider.reply(chat())
    names = (
        "user",
        "safety_identifier",
        "session_id",
        "conversation",
        "prompt_cache_key",
        "tags",
        "metadata",
    )
    inner = ("trace_id", "trace_name", "span_name", "generation_name", "parent_span_id", "session_id", "tags")
    bodies = [{name: odd} for name in (*names, "trace") for odd in ODD]
    bodies += [{name: {key: odd}} for name in ("trace", "metadata") for key in inner for odd in ODD]
    tools: Any = [{"type": "function", "function": {"name": "clock"}}]
    with capture() as captured, CHAT.client(provider) as client:
        for number, body in enumerate(bodies):
            given = {**CHAT.given, **({"tools": tools} if number % 2 else {})}
            data = json.dumps({**given, **body})
            client.post("/chat/completions", cast_to=object, content=data.encode())
        rows = captured.rows
    assert sum(row["span_attributes"]["type"] == "llm" for row in rows) == len(bodies)


def test_both_sdks_take_the_header_from_one_call(provider: ProviderServer) -> None:
    provider.route(CHAT.path, CHAT.whole())
    provider.route(MESSAGES.path, MESSAGES.whole())
    headers = {"x-session-id": "s-4"}
    with traced() as (captured, _):
        openai.OpenAI(base_url=provider.openai_url, api_key="k").chat.completions.create(
            **CHAT.given, extra_headers=headers
        )
        anthropic.Anthropic(base_url=provider.anthropic_url, api_key="k").messages.create(
            **MESSAGES.given, extra_headers=headers
        )
        assert [custom(row) for row in captured.rows] == [{"session_id": "s-4"}] * 2
