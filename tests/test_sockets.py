"""Whichever way a stream is left, the server sees its connection end as it does without us, and one span has ended."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.apis import BETA, MESSAGES, RESPONSES, Api, each_api, only, traced
from tests.loopback.provider import ProviderServer

PATIENCE = 30.0  # seconds in which the server must notice


pytestmark = pytest.mark.usefixtures("quick_collections")


def begun(api: Api, client: Any) -> Any:
    return api.resource(client).create(**api.given, stream=True)


async def abegun(api: Api, client: Any) -> Any:
    return await api.resource(client).create(**api.given, stream=True)


def broken_off(api: Api, client: Any) -> None:
    for _chunk in begun(api, client):
        break


def closed(api: Api, client: Any) -> None:
    stream = begun(api, client)
    next(stream)
    stream.close()
    kept.append(stream)


def left_by_with(api: Api, client: Any) -> None:
    with begun(api, client) as stream:
        next(stream)
    kept.append(stream)


def dropped(api: Api, client: Any) -> None:
    next(begun(api, client))


def never_read(api: Api, client: Any) -> None:
    begun(api, client).close()


def failed(api: Api, client: Any) -> None:
    def consume() -> None:
        for _chunk in begun(api, client):
            raise LookupError

    with pytest.raises(LookupError):
        consume()


async def abroken_off(api: Api, client: Any) -> None:
    async for _chunk in await abegun(api, client):
        break


async def aclosed(api: Api, client: Any) -> None:
    stream = await abegun(api, client)
    await anext(stream)
    await stream.close()
    kept.append(stream)


async def aleft_by_with(api: Api, client: Any) -> None:
    async with await abegun(api, client) as stream:
        await anext(stream)
    kept.append(stream)


async def anever_read(api: Api, client: Any) -> None:
    await (await abegun(api, client)).close()


async def afailed(api: Api, client: Any) -> None:
    async def consume() -> None:
        async for _chunk in await abegun(api, client):
            raise LookupError

    with pytest.raises(LookupError):
        await consume()


async def cancelled(api: Api, client: Any) -> None:
    heard = asyncio.Event()

    async def consume() -> None:
        async with await abegun(api, client) as stream:
            async for _chunk in stream:
                heard.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(heard.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


kept: list[Any] = []
Way = Callable[[Api, Any], None]
AWay = Callable[[Api, Any], Awaitable[None]]
WAYS: list[Way] = [broken_off, closed, left_by_with, dropped, never_read, failed]
AWAYS: list[AWay] = [abroken_off, aclosed, aleft_by_with, anever_read, afailed, cancelled]


def endless(api: Api) -> Any:
    """A stream that goes on for ten seconds, so that it is the reader who ends it."""
    whole = api.streamed()
    return replace(whole, events=(*whole.events[:3], *[b": still here\n\n"] * 1000), gap=0.01)


def ended(provider: ProviderServer) -> bool:
    """Waits until the server has no connection left."""
    deadline = time.monotonic() + PATIENCE
    while provider.connections and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    return not provider.connections


@each_api
@pytest.mark.parametrize("way", WAYS)
def test_the_connection_ends(api: Api, way: Way, provider: ProviderServer) -> None:
    provider.route(api.path, endless(api))

    def left() -> bool:
        with api.client(provider) as client:
            way(api, client)
            return ended(provider)  # while the client is open and would keep what it can use again

    bare = left()
    kept.clear()
    with traced() as (captured, _):
        assert left() is bare is True
        row = only(captured)
    kept.clear()
    assert row["metadata"]["stream_end"] in ("closed", "dropped")
    assert "error" not in row


@each_api
@pytest.mark.parametrize("way", AWAYS)
def test_the_connection_of_an_asynchronous_stream_ends(api: Api, way: AWay, provider: ProviderServer) -> None:
    provider.route(api.path, endless(api))

    async def left() -> bool:
        async with api.aclient(provider) as client:
            await way(api, client)
            deadline = time.monotonic() + PATIENCE
            while provider.connections and time.monotonic() < deadline:
                gc.collect()
                await asyncio.sleep(0.01)
            return not provider.connections

    bare = asyncio.run(left())
    kept.clear()
    with traced() as (captured, _):
        assert asyncio.run(left()) is bare is True
        row = only(captured)
    kept.clear()
    assert row["metadata"]["stream_end"] in ("closed", "dropped", "failed")
    assert ("error" in row) is (way is cancelled)


# openai stops at chat's `[DONE]`, and whether the end of the body has come by then is chance.
@pytest.mark.parametrize("api", [RESPONSES, MESSAGES, BETA], ids=repr)
def test_a_stream_that_was_read_to_its_end_leaves_its_connection_for_the_next(
    api: Api, provider: ProviderServer
) -> None:
    provider.route(api.path, api.streamed())
    with traced() as (captured, _), api.client(provider) as client:
        for _ in range(3):
            list(begun(api, client))
            assert provider.connections == 1
        assert [row["metadata"]["stream_end"] for row in captured.rows] == ["exhausted"] * 3
