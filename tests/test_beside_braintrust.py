"""Beside braintrust's own wrappers: whatever wraps a call and in whatever order, Braintrust is told of it once."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bttrace.providers.openai import PROVIDER
from tests.doors import PYTHON, ROOT, Finished, environment, finished, journal_rows
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import whole
from tests.zygote import Program
from tests.zygote import finished as forked

THEIRS, OURS = "braintrust.sdk.python", "bttrace"
TWICE = {"responses_runner", "beta_runner"}  # each asks again with the result of its tool
MISSED = {"messages_of_a_client_built_before", "messages_raw", "amessages_raw", "images_raw"}
MISSED_ON_CLIENTS = MISSED | {"chat_of_a_copy", "beta_runner"}
_PATHS = {endpoint.path for endpoint in PROVIDER.endpoints}
UNKNOWN = {
    name
    for path, names in {
        "/embeddings": {"embeddings", "embeddings_raw"},
        "/images/generations": {"images_raw"},
    }.items()
    if path not in _PATHS
    for name in names
}
"""What only their wrappers know."""


class Answers:
    """What the provider says, by the name of the call that asks."""

    def __init__(self) -> None:
        self._retried: set[str] = set()

    def __call__(self, request: Request) -> replies.Reply:
        body: dict[str, Any] = request.json
        path, streamed = request.route, body.get("stream")
        name = _name(body.get("messages") or body.get("input") or body["prompt"])
        if name.endswith("_failed"):
            return replies.openai_error(400) if name.startswith("chat") else replies.anthropic_error(400)
        if name.endswith("_retried") and name not in self._retried:
            self._retried.add(name)
            return replies.openai_error(429, headers={"retry-after-ms": "1"})
        tools = [(name, "weather", "{}")] if name in TWICE and "sunny" not in str(body) else []
        if path.endswith("/chat/completions"):
            return replies.chat_stream(usage=True) if streamed else replies.chat()
        if path.endswith("/responses"):
            return replies.response_stream() if streamed else replies.response(tool_calls=tools)
        if path.endswith("/embeddings"):
            return replies.embeddings()
        if path.endswith("/images/generations"):
            return whole({"created": 0, "data": [{"b64_json": "aGk="}]}, {})
        return replies.message_stream() if streamed else replies.message(tool_calls=tools)


def _name(asked: object) -> str:
    """The name of the call, which is what it asks, or the id of the tool call that it answers."""
    [name] = set(
        re.findall(
            r'"((?:a?chat|a?responses|a?messages|a?beta|embeddings|images)(?:_\w+)?)"', json.dumps(asked)
        )
    )
    return str(name)


def ran(
    server: BraintrustServer,
    *words: str,
    variables: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Runs the program of all calls against the server; anew only where bttrace is there before the SDKs."""
    with ProviderServer() as provider:
        provider.reply(Answers())
        env = {**server.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "Ours", **(variables or {})}
        env, module = environment(env, ROOT), "tests.beside.braintrust_calls"
        if words[1] in ("never", "after"):
            done = forked(Program(module=module, argv=words, env=env, cwd=cwd or ROOT))
        else:
            done = finished([PYTHON, "-m", module, *words], env, cwd)
    assert (done.code, done.err) == (0, "")
    return done


def told(server: BraintrustServer) -> Counter[tuple[str, str]]:
    """Who told Braintrust of which call, and how often, whichever way it was delivered."""
    rows = [row for row in server.rows() if row["span_attributes"].get("type") == "llm"]
    return Counter((_name(row["input"]), row["context"]["span_origin"]["name"]) for row in rows)


@cache
def without_bttrace(wrapping: str) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    with BraintrustServer() as server:
        done = ran(server, wrapping, "never")
        return done.json, told(server)


def once(names: set[str], ours: set[str]) -> Counter[tuple[str, str]]:
    return Counter({(name, OURS if name in ours else THEIRS): 2 if name in TWICE else 1 for name in names})


@pytest.mark.parametrize("enabling", ["before", "after"])
@pytest.mark.parametrize(
    ("wrapping", "missed"), [("wrap", MISSED_ON_CLIENTS), ("auto", MISSED), ("both", MISSED)]
)
def test_every_call_is_told_once_and_what_the_wrappers_miss_is_told_by_us(
    wrapping: str, missed: set[str], enabling: str
) -> None:
    bare, theirs = without_bttrace(wrapping)
    with BraintrustServer() as server:
        done = ran(server, wrapping, enabling)
        assert done.json == bare
        assert told(server) == once(set(bare) - (UNKNOWN & missed), missed)
        assert theirs == once(set(bare) - missed, set())
        assert set(server.rows("Ours")[0]["span_attributes"]) == {"name", "type"}
        assert all(row["context"]["span_origin"]["name"] == OURS for row in server.rows("Ours"))
        assert all(row["context"]["span_origin"]["name"] == THEIRS for row in server.rows("Theirs"))


@pytest.mark.parametrize("wrapping", ["wrap", "auto"])
def test_where_the_wrappers_have_no_logger_every_call_is_told_by_us(wrapping: str) -> None:
    with BraintrustServer() as server:
        done = ran(server, wrapping, "before", "silent")
        names = set(done.json) - UNKNOWN
        assert told(server) == once(names, names)
        calls = [row for row in server.rows("Ours") if row["span_attributes"]["type"] == "llm"]
        callers = {_name(row["input"]): row["context"]["caller_functionname"] for row in calls}
        for name in ("chat", "responses_streamed", "messages_helper", "achat_streamed", "amessages_helper"):
            assert callers[name] == name


def test_after_disable_the_wrappers_tell_what_they_would_without_us() -> None:
    bare, theirs = without_bttrace("auto")
    with BraintrustServer() as server:
        assert ran(server, "auto", "disabled").json == bare
        assert told(server) == theirs


def test_a_journal_beside_braintrust_still_has_every_call(tmp_path: Path) -> None:
    bare, _ = without_bttrace("auto")
    with BraintrustServer() as server:
        ran(
            server,
            "auto",
            "after",
            variables={"BTTRACE_EXPORTER": "braintrust,local"},
            cwd=tmp_path,
        )
        names = set(bare) - UNKNOWN
        kept = [row for row in journal_rows(tmp_path / ".bttrace") if row["span_attributes"]["type"] == "llm"]
        assert Counter(_name(row["input"]) for row in kept) == Counter(
            {name: 2 if name in TWICE else 1 for name in names}
        )
        assert told(server) == once(set(bare) - (UNKNOWN & MISSED), MISSED)
        by_them = {row["span_id"]: row for row in server.rows("Theirs")}
        inside = {_name(row["input"]): row for row in kept if row.get("span_parents")}
        assert set(inside) == names - MISSED
        for name, row in inside.items():
            assert _name(by_them[row["span_parents"][0]]["input"]) == name


def test_where_braintrust_keeps_its_spans_in_opentelemetrys_context() -> None:
    bare, _ = without_bttrace("auto")
    with BraintrustServer() as server:
        ran(server, "auto", "after", variables={"BRAINTRUST_OTEL_COMPAT": "true"})
        assert told(server) == once(set(bare) - (UNKNOWN & MISSED), MISSED)


INSIDE = """
import anthropic, braintrust, openai
import bttrace
bttrace.enable()
def ask(create, text):
    create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}])
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
chat = braintrust.wrap_openai(openai.OpenAI())
messages = braintrust.wrap_anthropic(anthropic.Anthropic())
with logger.start_span(name="outer"):
    ask(chat.chat.completions.create, "chat")
    ask(messages.messages.create, "messages")
    ask(messages.messages.with_raw_response.create, "messages_raw")
    ask(openai.OpenAI().chat.completions.create, "chat_of_a_copy")
"""


def test_inside_a_span_of_the_application_wrapped_and_unwrapped_calls_are_brothers() -> None:
    with BraintrustServer() as server, ProviderServer() as provider:
        provider.reply(Answers())
        env = environment({**server.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "Ours"})
        done = forked(Program(INSIDE, env=env))
        assert (done.code, done.err) == (0, "")
        [outer] = [row for row in server.rows("Theirs") if row["span_attributes"]["name"] == "outer"]
        calls = [row for row in server.rows("Theirs") if row["span_attributes"].get("type") == "llm"]
        assert {_name(row["input"]): row["context"]["span_origin"]["name"] for row in calls} == {
            "chat": THEIRS,
            "messages": THEIRS,
            "messages_raw": OURS,
            "chat_of_a_copy": OURS,
        }
        assert len(calls) == 4
        assert all(row["span_parents"] == [outer["span_id"]] for row in calls)
        assert server.rows("Ours") == []


TRACED = """
import braintrust, openai
import bttrace
bttrace.enable()
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
create = braintrust.traced(openai.OpenAI().chat.completions.create)
create(model="m", messages=[{"role": "user", "content": "chat"}])
"""


def test_a_span_that_the_application_puts_around_the_method_itself_is_no_wrapper() -> None:
    with BraintrustServer() as server, ProviderServer() as provider:
        provider.reply(Answers())
        env = environment({**server.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "Ours"})
        done = forked(Program(TRACED, env=env))
        assert (done.code, done.err) == (0, "")
        [traced, call] = server.rows("Theirs")
        assert told(server) == Counter({("chat", OURS): 1})
        assert call["span_parents"] == [traced["span_id"]]
