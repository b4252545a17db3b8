"""The other SDKs of the family, each through its own client over loopback HTTP: one whole span for each call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import bttrace
from bttrace.testing import ManualClock
from tests.apis import BEGUN, only, traced
from tests.kin import Kin, each_sdk
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import openai_error

ASKED: Any = [{"role": "user", "content": "hi"}]
SAID = "Hello from loopback."
CALLS = (("call_1", "weather", '{"city": "Faro"}'), ("call_2", "trains", '{"to": "Faro", "on": "Saturday"}'))
CALLED = [
    {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    for call_id, name, arguments in CALLS
]
PARAMETERS = {"type": "object", "properties": {}}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": PARAMETERS}}
    for _, name, _ in CALLS
]
STEP = 0.25  # seconds between two chunks


@pytest.fixture(name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as provider:
        yield provider


def message(row: dict[str, Any]) -> dict[str, Any]:
    """What the one choice of a span's output says."""
    (choice,) = row["output"]
    assert (choice["index"], choice["finish_reason"]) == (0, row["metadata"]["finish_reason"])
    said: dict[str, Any] = choice["message"]
    assert said["role"] == "assistant"
    return said


def is_told(row: dict[str, Any], kin: Kin, **metadata: object) -> bool:
    """Checks all that does not depend on what was said."""
    model = "gpt-4o-mini-2024-07-18" if kin.tells_model else "m"
    told = row["metadata"]
    told = {name: told[name] for name in told if name not in ("request_id", "service_tier", "finish_reason")}
    assert told == {
        "provider": kin.provider,
        "model": model,
        "api": "chat.completions",
        "response_id": kin.response_id,
        **metadata,
    }
    assert row["span_attributes"] == {"name": f"llm.generation ({model})", "type": "llm"}
    assert row["context"]["span_origin"]["instrumentation"] == {"name": f"bttrace.{kin.package}"}
    assert row["context"]["caller_functionname"] in ("ask", "main", "read")
    assert row["input"] == ASKED
    return "error" not in row


@each_sdk
def test_a_call(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.whole(()))
    with traced() as (captured, _), kin.client(provider) as client:
        answer = kin.ask(client, temperature=0.5, max_tokens=9) if kin.tells_model else kin.ask(client)
        row = only(captured)
    assert type(answer).__module__.startswith(kin.package)
    assert is_told(row, kin, **({"temperature": 0.5, "max_tokens": 9} if kin.tells_model else {}))
    assert message(row)["content"] == SAID
    assert row["metrics"] == {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0, **kin.metrics}


@each_sdk
def test_an_asynchronous_call(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.whole(()))

    async def main() -> None:
        async with kin.client(provider, asynchronous=True) as client:
            await kin.ask(client)

    with traced() as (captured, _):
        asyncio.run(main())
        row = only(captured)
    assert is_told(row, kin)
    assert message(row)["content"] == SAID
    assert row["metrics"] == {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0, **kin.metrics}


def streamed_metrics(kin: Kin, chunks: int) -> dict[str, float]:
    """The metrics of a stream of so many chunks, of which the first has a role alone."""
    took = STEP * chunks
    measured = {"start": BEGUN, "end": BEGUN + took, "duration_ms": took * 1000, "time_to_first_token": STEP}
    return {**measured, **kin.metrics}


@each_sdk
def test_a_stream(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.streamed(()))
    with traced() as (captured, clock), kin.client(provider) as client:
        chunks = 0
        for _ in kin.ask(client, stream=True):
            clock.advance(STEP)
            chunks += 1
        row = only(captured)
    assert is_told(row, kin, stream=True, stream_end="exhausted")
    assert message(row)["content"] == SAID
    assert row["metrics"] == streamed_metrics(kin, chunks)


async def read(kin: Kin, provider: ProviderServer, clock: ManualClock) -> int:
    count = 0
    async with kin.client(provider, asynchronous=True) as client:
        async for _ in await kin.ask(client, stream=True):
            clock.advance(STEP)
            count += 1
    return count


@each_sdk
def test_an_asynchronous_stream(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.streamed(()))
    with traced() as (captured, clock):
        chunks = asyncio.run(read(kin, provider, clock))
        row = only(captured)
    assert is_told(row, kin, stream=True, stream_end="exhausted")
    assert message(row)["content"] == SAID
    assert row["metrics"] == streamed_metrics(kin, chunks)


@each_sdk
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tool_calls(kin: Kin, provider: ProviderServer, stream: bool) -> None:
    provider.route(kin.path, kin.streamed(CALLS) if stream else kin.whole(CALLS))
    with traced() as (captured, clock), kin.client(provider) as client:
        for _ in kin.ask(client, tools=TOOLS, stream=stream):
            clock.advance(STEP)
        row = only(captured)
    ended = {"stream_end": "exhausted"} if stream else {}
    assert is_told(row, kin, tools=TOOLS, stream=stream, **ended)
    assert row["metadata"]["finish_reason"] == "tool_calls"
    said = message(row)
    assert not said["content"]
    assert said["tool_calls"] == CALLED
    if stream:
        assert row["metrics"]["time_to_first_token"] == STEP


@each_sdk
def test_an_error(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, openai_error(429, "Slow down."))
    with traced() as (captured, _), kin.client(provider) as client:
        with pytest.raises(kin.sdk.RateLimitError) as raised:
            kin.ask(client)
        row = only(captured)
    assert raised.value.status_code == 429
    assert row["error"].startswith("RateLimitError: ")
    assert "Slow down." in row["error"]
    assert (row["input"], row.get("output"), row["metadata"]["provider"]) == (ASKED, None, kin.provider)
    assert not {"prompt_tokens", "tokens"} & set(row["metrics"])


@each_sdk
def test_a_stream_that_is_left_early(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.streamed(()))
    with traced() as (captured, _), kin.client(provider) as client:
        with kin.ask(client, stream=True) as stream:
            next(stream)
            next(stream)
        row = only(captured)
    assert row["metadata"]["stream_end"] == "closed"
    assert message_so_far(row) == "Hello"


def message_so_far(row: dict[str, Any]) -> object:
    (choice,) = row["output"]
    return choice["message"]["content"]


@each_sdk
def test_the_request_is_the_one_without_us(kin: Kin, provider: ProviderServer) -> None:
    provider.route(kin.path, kin.whole(()))
    for hooked in (False, True):
        if hooked:
            bttrace.enable(exporter="console")
        with kin.client(provider) as client:
            kin.ask(client)
        bttrace.disable()
    bare, traced_ = provider.requests
    assert (bare.path, bare.json) == (traced_.path, traced_.json)
    assert bare.headers == traced_.headers


@each_sdk
def test_it_is_patched_whole(kin: Kin) -> None:
    assert kin.sdk
    with traced():
        (seen,) = [seen for seen in bttrace.status().patched if seen.sdk == kin.package]
    assert (seen.version, seen.missing) == (kin.sdk.__version__, ())
