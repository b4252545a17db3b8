"""One cost-bearing span for one request, through everything of an SDK's that calls or wraps its own methods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
import wrapt
from openai.lib.responses_tool_runner import (
    AsyncRegisteredFunction,
    AsyncResponsesToolRunner,
    RegisteredFunction,
    ResponsesToolRunner,
)

from tests.apis import CHAT, MESSAGES, RESPONSES, traced
from tests.loopback import replies
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    "strict": True,
}


def answer(request: Request) -> replies.Reply:
    """Asks for the tool once, then greets."""
    streamed = request.json.get("stream")
    tools = [] if "sunny" in request.body.decode() else [("call_1", "weather", "{}")]
    if request.route == RESPONSES.path:
        return replies.response_stream(tool_calls=tools) if streamed else replies.response(tool_calls=tools)
    if request.route == CHAT.path:
        return replies.chat_stream(usage=True) if streamed else replies.chat()
    return replies.message_stream(tool_calls=tools) if streamed else replies.message(tool_calls=tools)


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(answer)
        yield server


def counted(provider: ProviderServer, rows: list[dict[str, Any]]) -> list[float]:
    """The output tokens of each `llm` row, of which there is one a request."""
    llm = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    assert len(llm) == len(provider.requests)
    return [row["metrics"]["completion_tokens"] for row in llm]


@anthropic.beta_tool
def weather() -> str:
    """Tells the weather."""
    return "sunny"


@anthropic.beta_async_tool(name="weather")
async def aweather() -> str:
    """Tells the weather."""
    return "sunny"


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_tool_runner(provider: ProviderServer, *, stream: bool) -> None:
    with traced() as (captured, _), MESSAGES.client(provider) as client:
        runner = client.beta.messages.tool_runner(**MESSAGES.given, tools=[weather], stream=stream)
        assert runner.until_done().content[0].text == "Hello from loopback."
        assert counted(provider, captured.rows) == [7, 7]


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_asynchronous_tool_runner(provider: ProviderServer, *, stream: bool) -> None:
    async def run() -> None:
        async with MESSAGES.aclient(provider) as client:
            runner = client.beta.messages.tool_runner(**MESSAGES.given, tools=[aweather], stream=stream)
            assert (await runner.until_done()).content[0].text == "Hello from loopback."

    with traced() as (captured, _):
        asyncio.run(run())
        assert counted(provider, captured.rows) == [7, 7]


@pytest.mark.parametrize("stream", [False, True])
def test_openais_responses_tool_runner(provider: ProviderServer, *, stream: bool) -> None:
    runner = ResponsesToolRunner(functions=[RegisteredFunction(TOOL, lambda _arguments: "sunny")])
    given: Any = RESPONSES.given
    with traced() as (captured, _), RESPONSES.client(provider) as client:
        assert runner.run(client, given, stream=stream).output_text == "Hello from loopback."
        assert counted(provider, captured.rows) == [7, 7]


@pytest.mark.parametrize("stream", [False, True])
def test_openais_asynchronous_responses_tool_runner(provider: ProviderServer, *, stream: bool) -> None:
    async def sunny(_arguments: object) -> str:
        return "sunny"

    given: Any = RESPONSES.given

    async def run() -> None:
        runner = AsyncResponsesToolRunner(functions=[AsyncRegisteredFunction(TOOL, sunny)])
        async with RESPONSES.aclient(provider) as client:
            answered = await runner.run(client, given, stream=stream)
            assert answered.output_text == "Hello from loopback."

    with traced() as (captured, _):
        asyncio.run(run())
        assert counted(provider, captured.rows) == [7, 7]


@pytest.mark.parametrize("of_beta", [False, True])
def test_openais_parse_and_stream_helpers(provider: ProviderServer, *, of_beta: bool) -> None:
    with traced() as (captured, _), CHAT.client(provider) as client:
        resource = (client.beta if of_beta else client).chat.completions
        assert resource.parse(**CHAT.given).choices[0].message.content == "Hello from loopback."
        with resource.stream(**CHAT.given) as stream:
            assert stream.get_final_completion().choices[0].message.content == "Hello from loopback."
        assert counted(provider, captured.rows) == [7, 7]


class Audited(openai.OpenAI):
    """A client of the application's that watches its own requests."""

    audited = 0

    def request(self, *args: Any, **kwargs: Any) -> Any:
        type(self).audited += 1
        return super().request(*args, **kwargs)


class Billed(Audited):
    """A client of the application's that watches them once more, above and below."""

    billed = 0

    def request(self, *args: Any, **kwargs: Any) -> Any:
        type(self).billed += 1
        return super().request(*args, **kwargs)

    def _build_request(self, *args: Any, **kwargs: Any) -> Any:
        return super()._build_request(*args, **kwargs)


def test_clients_that_override_what_is_patched_at_several_levels(provider: ProviderServer) -> None:
    with traced() as (captured, _), Billed(base_url=provider.openai_url, api_key="k") as client:
        client.chat.completions.create(**CHAT.given)
        list(client.chat.completions.create(**CHAT.given, stream=True))
        assert counted(provider, captured.rows) == [7, 7]
        assert (Billed.audited, Billed.billed) == (2, 2)
        assert all("retries" not in row["metrics"] for row in captured.rows)


class Grounded(openai.OpenAI):
    """A client that asks another model before each of its requests."""

    other: openai.OpenAI

    def _prepare_options(self, options: Any) -> Any:
        self.other.responses.create(**{**RESPONSES.given, "input": "sunny"})
        return super()._prepare_options(options)


def test_a_call_that_another_call_makes_is_a_span_of_its_own(provider: ProviderServer) -> None:
    with traced() as (captured, _), Grounded(base_url=provider.openai_url, api_key="k") as client:
        with RESPONSES.client(provider) as client.other:
            client.chat.completions.create(**CHAT.given)
        assert counted(provider, captured.rows) == [7, 7]
        assert [row["metadata"]["api"] for row in captured.rows] == ["responses", "chat.completions"]


@pytest.mark.parametrize("first", [True, False])
def test_another_tool_that_wraps_the_same_methods(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    seen: list[str] = []

    def wrapper(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(wrapped.__name__)
        return wrapped(*args, **kwargs)

    def wrap() -> None:
        for owner, name in (
            (openai._base_client.SyncAPIClient, "request"),
            (openai._base_client.BaseClient, "_build_request"),
            (openai.resources.chat.Completions, "create"),
        ):
            monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(vars(owner)[name], wrapper))

    if first:
        wrap()
    with traced() as (captured, _), CHAT.client(provider) as client:
        if not first:
            wrap()
        client.chat.completions.create(**CHAT.given)
        assert counted(provider, captured.rows) == [7]
        monkeypatch.undo()
    assert seen == ["create", "request", "_build_request"]
