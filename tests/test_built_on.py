"""An SDK that is built on another one: each call is one span, whichever way the two are put together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.apis import ASKED, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream, message, openai_error
from tests.packages import written

SAID = "Hello from loopback."
SHARED = {
    "layered/__init__.py": "__version__ = '1.0'\nfrom ._base_client import Layered\n",
    "layered/_streaming.py": "from openai._streaming import AsyncStream, Stream\n",
    "layered/_response.py": "from openai._response import APIResponse, AsyncAPIResponse\n",
    "layered_tracing.py": (
        "from bttrace.model import Provider\n"
        "from bttrace.providers.openai.chat import CHAT\n"
        "PROVIDER = Provider(sdk='layered', name='layered', endpoints=(CHAT,))\n"
    ),
}
EXPORTED = """\
from openai._base_client import AsyncAPIClient, BaseClient, SyncAPIClient
from openai import OpenAI as Layered
from . import _response, _streaming
"""
INHERITED = """\
import openai
from openai import _base_client as theirs
from . import _response, _streaming
class BaseClient(theirs.BaseClient): pass
class AsyncAPIClient(theirs.AsyncAPIClient): pass
class SyncAPIClient(theirs.SyncAPIClient): pass
class Layered(openai.OpenAI, SyncAPIClient): pass
"""
OVERRIDDEN = INHERITED.replace(
    "class SyncAPIClient(theirs.SyncAPIClient): pass",
    "class SyncAPIClient(theirs.SyncAPIClient, BaseClient):\n"
    "    def request(self, cast_to, options, **more): return super().request(cast_to, options, **more)\n"
    "    def _process_response(self, **more): return super()._process_response(**more)",
)
HANDED_ON = """\
import openai
from openai import _base_client as theirs
from . import _response, _streaming
class BaseClient(theirs.BaseClient): pass
class AsyncAPIClient(theirs.AsyncAPIClient): pass
class SyncAPIClient(theirs.SyncAPIClient):
    def request(self, cast_to, options, **more): return self.other.request(cast_to, options, **more)
class Layered(openai.OpenAI, SyncAPIClient):
    def __init__(self, **options):
        super().__init__(**options)
        self.other = openai.OpenAI(**options)
"""
WAYS = {
    "exported": (EXPORTED, "openai"),
    "inherited": (INHERITED, "layered"),
    "overridden": (OVERRIDDEN, "layered"),
    "handed on": (HANDED_ON, "layered"),
}


@pytest.fixture(name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as provider:
        yield provider


@pytest.fixture(name="way", params=WAYS)
def _way(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """A package that is built on openai in one of the ways, not yet imported, and who answers for it."""
    code, answers = WAYS[request.param]
    written(tmp_path, {**SHARED, "layered/_base_client.py": code})
    monkeypatch.syspath_prepend(tmp_path)
    yield request.param, answers
    for name in [name for name in sys.modules if name.partition(".")[0] in ("layered", "layered_tracing")]:
        del sys.modules[name]


def client(provider: ProviderServer, **options: Any) -> Any:
    options = {"api_key": "k", "base_url": provider.openai_url, "max_retries": 0, **options}
    return importlib.import_module("layered").Layered(**options)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_one_span(provider: ProviderServer, way: tuple[str, str], stream: bool) -> None:
    provider.reply(chat_stream(usage=True) if stream else chat())
    with traced(providers="layered_tracing:PROVIDER") as (captured, clock), client(provider) as layered:
        for _ in layered.chat.completions.create(model="m", messages=ASKED, stream=stream):
            clock.advance(0.25)
        row = only(captured)
    assert row["metadata"]["provider"] == way[1]
    assert row["context"]["caller_filename"] == __file__
    assert row["input"] == ASKED
    assert row["output"][0]["message"]["content"] == SAID
    assert row["metrics"]["tokens"] == 18
    assert "retries" not in row["metrics"]
    if stream:
        assert (row["metrics"]["time_to_first_token"], row["metadata"]["stream_end"]) == (0.25, "exhausted")


def test_a_call_that_is_tried_again_is_one_span(
    provider: ProviderServer, way: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.001)
    provider.reply(openai_error(500), chat())
    with (
        traced(providers="layered_tracing:PROVIDER") as (captured, _),
        client(provider, max_retries=1) as layered,
    ):
        layered.chat.completions.create(model="m", messages=ASKED)
        row = only(captured)
    assert row["metrics"]["retries"] == 1
    assert row["output"][0]["message"]["content"] == SAID


def test_a_failed_call_is_one_span(provider: ProviderServer, way: tuple[str, str]) -> None:
    provider.reply(openai_error(400, "No."))
    with traced(providers="layered_tracing:PROVIDER") as (captured, _), client(provider) as layered:
        with pytest.raises(openai.BadRequestError):
            layered.chat.completions.create(model="m", messages=ASKED)
        row = only(captured)
    assert row["error"].startswith("BadRequestError: ")


def test_afterwards_both_are_as_they_were(provider: ProviderServer, way: tuple[str, str]) -> None:
    def parts() -> dict[str, list[tuple[str, int]]]:
        modules = [importlib.import_module(f"{sdk}._base_client") for sdk in ("layered", "openai")]
        return {
            f"{module.__name__}.{name}": [(part, id(value)) for part, value in vars(cls).items()]
            for module in modules
            for name, cls in vars(module).items()
            if name in ("SyncAPIClient", "AsyncAPIClient", "BaseClient")
        }

    before = parts()
    with traced(providers="layered_tracing:PROVIDER"):
        client(provider)
        assert parts() != before
    assert parts() == before


def test_a_call_of_another_sdk_that_is_made_within_one_is_its_own(provider: ProviderServer) -> None:
    """Such as by a transport that asks a model before it sends the request."""
    provider.reply(chat())
    provider.route("/v1/messages", message())
    inner = anthropic.Anthropic(api_key="k", base_url=provider.anthropic_url, max_retries=0)

    def ask(_request: object) -> None:
        inner.messages.create(model="inner", max_tokens=9, messages=ASKED)

    transport = openai.DefaultHttpxClient(event_hooks={"request": [ask]})
    with (
        traced() as (captured, _),
        openai.OpenAI(
            api_key="k", base_url=provider.openai_url, max_retries=0, http_client=transport
        ) as outer,
    ):
        outer.chat.completions.create(model="outer", messages=ASKED)
        assert sorted(row["metadata"]["api"] for row in captured.rows) == ["chat.completions", "messages"]
