"""Each way of calling a model gives the same whole span, whatever the version of the SDK."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import bttrace
from bttrace.testing import CountedIds, ManualClock, capture
from tests.compatibility.apis import MESSAGES, Api, each_api, skip_below_whole
from tests.compatibility.rows import row
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import Script


def traced(
    api: Api, provider: ProviderServer, asked: Callable[[Any], Any], *replies: Script
) -> dict[str, Any]:
    """Gives the one row of what `asked` does with a client, which it gets; its line, which must be one, is taken out."""
    provider.reply(*replies)
    skip_below_whole(api)
    with capture(clock=ManualClock(), ids=CountedIds()) as captured:
        if inspect.iscoroutinefunction(asked):
            asyncio.run(_asked(api, provider, asked))
        else:
            with api.client(provider) as client:
                asked(client)
        (found,) = captured.rows
    assert found["context"].pop("caller_lineno") > 0
    return found


async def _asked(api: Api, provider: ProviderServer, asked: Callable[[Any], Any]) -> None:
    async with api.client(provider, synchronous=False) as client:
        await asked(client)


async def settled(value: Any) -> Any:
    """A value, awaited where a version wants it."""
    return await value if inspect.isawaitable(value) else value


@each_api
def test_a_call(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        answers.append(api.on(client).create(**api.given))

    async def aasked(client: Any) -> None:
        answers.append(await api.on(client).create(**api.given))

    answers: list[Any] = []
    assert traced(api, provider, asked, api.whole()) == row(api, "whole", "asked", __file__)
    assert traced(api, provider, aasked) == row(api, "whole", "aasked", __file__)
    assert answers[0] == answers[1]
    assert type(answers[0]).__module__.startswith(f"{api.sdk}.types.")


@each_api
def test_a_stream_that_is_read_to_its_end(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        stream = api.on(client).create(**api.given, stream=True)
        assert type(stream) is api.module.Stream
        counts.append(len(list(stream)))

    async def aasked(client: Any) -> None:
        stream = await api.on(client).create(**api.given, stream=True)
        assert type(stream) is api.module.AsyncStream
        counts.append(len([chunk async for chunk in stream]))

    counts: list[int] = []
    assert traced(api, provider, asked, api.streamed()) == row(api, "exhausted", "asked", __file__)
    assert traced(api, provider, aasked) == row(api, "exhausted", "aasked", __file__)
    assert counts[0] == counts[1] > api.heard


@each_api
@pytest.mark.parametrize("way", ["closed", "left by with", "dropped"])
def test_a_stream_that_is_left(api: Api, way: str, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        leave(api.on(client).create(**api.given, stream=True))
        gc.collect()

    async def aasked(client: Any) -> None:
        await aleave(await api.on(client).create(**api.given, stream=True))
        gc.collect()

    def leave(stream: Any) -> None:
        if way == "left by with":
            with stream:
                read(stream)
        else:
            read(stream)
        if way == "closed":
            stream.close()

    async def aleave(stream: Any) -> None:
        if way == "left by with":
            async with stream:
                await aread(stream)
        else:
            await aread(stream)
        if way == "closed":
            await stream.close()

    def read(stream: Any) -> None:
        for _ in range(api.heard):
            next(stream)

    async def aread(stream: Any) -> None:
        for _ in range(api.heard):
            await stream.__anext__()

    end = "dropped" if way == "dropped" else "closed"
    assert traced(api, provider, asked, api.streamed()) == row(api, "left", "asked", __file__, end)
    assert traced(api, provider, aasked) == row(api, "left", "aasked", __file__, end)


@each_api
def test_a_raw_response(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        raw = api.of(client, f"{api.resource}.with_raw_response").create(**api.given)
        assert raw.headers["content-type"].startswith("application/json")
        assert raw.parse().id

    async def aasked(client: Any) -> None:
        raw = await api.of(client, f"{api.resource}.with_raw_response").create(**api.given)
        assert (await settled(raw.parse())).id

    def streamed(client: Any) -> None:
        raw = api.of(client, f"{api.resource}.with_raw_response").create(**api.given, stream=True)
        assert len(list(raw.parse())) > api.heard

    assert traced(api, provider, asked, api.whole(), api.whole(), api.streamed()) == row(
        api, "whole", "asked", __file__
    )
    assert traced(api, provider, aasked) == row(api, "whole", "aasked", __file__)
    assert traced(api, provider, streamed) == row(api, "exhausted", "streamed", __file__)


@each_api
def test_a_streaming_response(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        manager = api.of(client, f"{api.resource}.with_streaming_response").create(**api.given)
        with manager as response:
            assert response.parse().id

    async def aasked(client: Any) -> None:
        manager = api.of(client, f"{api.resource}.with_streaming_response").create(**api.given)
        async with manager as response:
            assert (await settled(response.parse())).id

    def streamed(client: Any) -> None:
        manager = api.of(client, f"{api.resource}.with_streaming_response").create(**api.given, stream=True)
        with manager as response:
            assert len(list(response.parse())) > api.heard

    read = row(api, "whole", "asked", __file__)
    read["metadata"]["stream_end"] = "exhausted"
    assert traced(api, provider, asked, api.whole(), api.whole(), api.streamed()) == read
    read["context"]["caller_functionname"] = "aasked"
    assert traced(api, provider, aasked) == read
    assert traced(api, provider, streamed) == row(api, "exhausted", "streamed", __file__)


@each_api
def test_a_stream_helper(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        with api.stream(client) as stream:
            assert len(list(stream)) > api.heard
            assert getattr(stream, api.final)().id

    async def aasked(client: Any) -> None:
        async with api.stream(client) as stream:
            assert (await getattr(stream, api.final)()).id

    assert traced(api, provider, asked, api.streamed()) == row(api, "exhausted", "asked", __file__)
    assert traced(api, provider, aasked) == row(api, "exhausted", "aasked", __file__)


@each_api
def test_an_error(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        with pytest.raises(api.module.BadRequestError):
            api.on(client).create(**api.given)

    async def aasked(client: Any) -> None:
        with pytest.raises(api.module.BadRequestError):
            await api.on(client).create(**api.given)

    failed = traced(api, provider, asked, api.error(400, "No such model."))
    assert failed["error"].startswith("BadRequestError: Error code: 400")
    assert "No such model." in failed["error"]
    assert failed["input"] == [{"role": "user", "content": "hi"}]
    assert "output" not in failed
    again = traced(api, provider, aasked)
    assert {**again, "context": None} == {**failed, "context": None}


@each_api
def test_a_retry_is_one_span(api: Api, provider: ProviderServer) -> None:
    def asked(client: Any) -> None:
        api.on(client.with_options(max_retries=2)).create(**api.given)

    expected = row(api, "whole", "asked", __file__)
    expected["metrics"]["retries"] = 1
    assert (
        traced(api, provider, asked, api.error(500, headers={"retry-after-ms": "1"}), api.whole()) == expected
    )


@each_api
def test_the_status_names_the_version_and_nothing_that_is_missing(api: Api) -> None:
    skip_below_whole(api)
    with capture():
        assert api.module.__version__
        [seen] = [seen for seen in bttrace.status().patched if seen.sdk == api.sdk]
    assert (seen.version, seen.missing) == (api.module.__version__, ())


def test_a_helpers_events_can_be_left(provider: ProviderServer) -> None:
    """The oldest helper of all: its stream is a subclass of the SDK's own in some versions, not in others."""

    def asked(client: Any) -> None:
        with MESSAGES.stream(client) as stream:
            for event in stream:
                if "Hello" in repr(event):
                    break

    left = traced(MESSAGES, provider, asked, MESSAGES.streamed())
    assert left["metadata"]["stream_end"] == "closed"
    assert left["output"]["content"] == [{"type": "text", "text": "Hello"}]
