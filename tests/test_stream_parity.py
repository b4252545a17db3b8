"""Streams seen through the hook are those of the SDK alone: all that a reader can see of one, bare and traced, is equal.

Each `*_seen` function reads streams in many ways and gives what it saw; it runs once without and once with tracing.
"""

import asyncio
import collections.abc
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.apis import CHAT, RESPONSES, SAID, Api, each_api
from tests.loopback.provider import ProviderServer
from tests.outcomes import aoutcome, outcome
from tests.parity import seen_alike, told

each_openai = pytest.mark.parametrize("api", [CHAT, RESPONSES], ids=repr)


def looks(api: Api, value: Any) -> list[object]:
    """Gives what introspection tells of a stream, a helper or a manager."""
    sdk = api.sdk
    kinds = (
        *(sdk.Stream, sdk.AsyncStream, collections.abc.Iterator, collections.abc.AsyncIterator),
        *(collections.abc.Iterable, collections.abc.AsyncIterable, collections.abc.Generator),
    )
    return [
        type(value),
        type(value).__mro__,
        [isinstance(value, kind) for kind in kinds],
        sorted(vars(value)),
        [type(held) for _, held in sorted(vars(value).items())],
        set(dir(value))
        - {"__slotnames__"},  # a cache of copyreg, which fills when anthropic copies its first stream
        re.sub("0x[0-9a-f]+", "ADDRESS", repr(value)),
        callable(value),
    ]


def stream_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []
    with api.client(provider) as client:

        def begun() -> Any:
            return api.resource(client).create(**api.given, stream=True)

        stream = begun()
        saw += [looks(api, stream), told(stream.response), iter(stream) is stream]
        saw += [inspect.isgenerator(stream._iterator), stream._iterator.gi_frame is not None]
        saw += [next(stream).to_dict(), stream.__next__().to_dict(), told(stream.response)]
        saw += [[(type(chunk), chunk.to_dict()) for chunk in stream], told(stream.response)]
        saw += [next(stream, "over"), outcome(lambda: next(stream)), list(stream), stream.close()]

        with begun() as managed:
            saw += [looks(api, managed), next(managed).to_dict()]
        saw += [told(managed.response), outcome(lambda: type(next(managed)))]

        closed = begun()
        saw += [closed.close(), closed.close(), told(closed.response), outcome(lambda: next(closed))]

        entered = begun()
        saw += [entered.__enter__() is entered, entered.__exit__(None, None, None), told(entered.response)]
    return saw


def astream_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []

    async def main() -> None:
        async with api.aclient(provider) as client:

            async def begun() -> Any:
                return await api.resource(client).create(**api.given, stream=True)

            stream = await begun()
            saw.extend([looks(api, stream), told(stream.response), aiter(stream) is stream])
            saw.append(inspect.isasyncgen(stream._iterator))
            saw.extend([(await anext(stream)).to_dict(), (await stream.__anext__()).to_dict()])
            saw.append([(type(chunk), chunk.to_dict()) async for chunk in stream])
            saw.extend([told(stream.response), await anext(stream, "over"), [_ async for _ in stream]])
            saw.extend([await aoutcome(anext(stream)), await stream.close()])

            async with await begun() as managed:
                saw.extend([looks(api, managed), (await anext(managed)).to_dict()])
            saw.append(told(managed.response))
            saw.append(type(await aoutcome(anext(managed))))

            closed = await begun()
            closing = closed.close()
            saw.extend([inspect.iscoroutine(closing), await closing, await closed.close()])
            saw.extend([told(closed.response), await aoutcome(anext(closed))])

            entered = await begun()
            saw.append(await entered.__aenter__() is entered)
            saw.extend([await entered.__aexit__(None, None, None), told(entered.response)])

    asyncio.run(main())
    return saw


FINALS = ("get_final_completion", "get_final_response", "get_final_message", "get_final_text")
SNAPSHOTS = ("current_completion_snapshot", "current_message_snapshot")


def helper_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []
    with api.client(provider) as client:

        def begun() -> Any:
            return api.resource(client).stream(**api.given)

        manager = begun()
        saw.append(looks(api, manager))
        with manager as helper:
            saw += [looks(api, helper), iter(helper) is helper, repr(next(helper))]
            saw.append([(type(event), repr(event)) for event in helper])
            saw += [outcome(lambda: next(helper)), helper.close()]
            saw += [told(found) if (found := getattr(helper, "response", None)) else None]
            saw.append(getattr(helper, "request_id", None))
        with begun() as helper:
            saw += [getattr(helper, name)() for name in FINALS if hasattr(helper, name)]
            saw += [getattr(helper, name) for name in SNAPSHOTS if hasattr(helper, name)]
        with begun() as helper:
            saw.append(helper.until_done() in (helper, None) if hasattr(helper, "until_done") else None)
            saw.append(list(helper.text_stream) if hasattr(helper, "text_stream") else None)
        with begun() as helper:
            if hasattr(helper, "text_stream"):
                saw += [inspect.isgenerator(helper.text_stream), next(helper.text_stream)]
                saw += [list(helper.text_stream), helper.get_final_text()]
        with begun() as helper:
            saw.append(type(next(iter(helper))))
        saw.append(outcome(lambda: type(next(helper))))
        unopened = begun()
        del unopened
    return saw


def ahelper_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []

    async def main() -> None:
        async with api.aclient(provider) as client:

            def begun() -> Any:
                return api.resource(client).stream(**api.given)

            manager = begun()
            saw.append(looks(api, manager))
            async with manager as helper:
                saw.extend([looks(api, helper), aiter(helper) is helper, repr(await anext(helper))])
                saw.append([(type(event), repr(event)) async for event in helper])
                saw.extend([await aoutcome(anext(helper)), await helper.close()])
                saw.extend([told(found) if (found := getattr(helper, "response", None)) else None])
            async with begun() as helper:
                saw.extend([await getattr(helper, name)() for name in FINALS if hasattr(helper, name)])
                saw.extend([getattr(helper, name) for name in SNAPSHOTS if hasattr(helper, name)])
            async with begun() as helper:
                done = await helper.until_done() if hasattr(helper, "until_done") else None
                saw.append(done in (helper, None))
            async with begun() as helper:
                if hasattr(helper, "text_stream"):
                    saw.extend([inspect.isasyncgen(helper.text_stream), await anext(helper.text_stream)])
                    saw.append([piece async for piece in helper.text_stream])
            async with begun() as helper:
                saw.append(type(await anext(aiter(helper))))

    asyncio.run(main())
    return saw


@each_api
@pytest.mark.parametrize("seen", [stream_seen, astream_seen])
def test_a_stream_is_as_without_us(
    seen: Callable[[Api, ProviderServer], list[object]], api: Api, provider: ProviderServer
) -> None:
    rows = seen_alike(seen, api, provider, 4)
    assert [row["metadata"]["stream_end"] for row in rows] == ["exhausted", "closed", "closed", "closed"]
    assert api.text(rows[0]["output"]) == SAID


@each_api
@pytest.mark.parametrize("seen", [helper_seen, ahelper_seen])
def test_a_helper_is_as_without_us(
    seen: Callable[[Api, ProviderServer], list[object]], api: Api, provider: ProviderServer
) -> None:
    rows = seen_alike(seen, api, provider, 5)
    assert {api.text(row["output"]) for row in rows[:2]} == {SAID}
    assert rows[0]["metadata"]["stream_end"] == "exhausted"
    assert rows[-1]["metadata"]["stream_end"] == "closed"


@each_api
def test_a_class_of_the_applications_own_watches_the_same_stream(api: Api, provider: ProviderServer) -> None:
    """A proxy in the way of litellm: it checks the type, keeps the stream, and hands on what that yields."""

    class Wrapped:
        def __init__(self, stream: object) -> None:
            assert isinstance(stream, (api.sdk.Stream, collections.abc.Iterator))
            self.stream: Any = stream

        def __iter__(self) -> Iterator[object]:
            return self

        def __next__(self) -> object:
            return next(self.stream)

        def __getattr__(self, name: str) -> object:
            return getattr(self.stream, name)

    def seen(api: Api, provider: ProviderServer) -> list[object]:
        with api.client(provider) as client:
            wrapped = Wrapped(api.resource(client).create(**api.given, stream=True))
            return [*(type(chunk) for chunk in wrapped), told(wrapped.response)]

    [row] = seen_alike(seen, api, provider, 1)
    assert api.text(row["output"]) == SAID


@each_openai
def test_aclosing_works_as_without_us(api: Api, provider: ProviderServer) -> None:
    def seen(api: Api, provider: ProviderServer) -> list[object]:
        async def main() -> list[object]:
            async with api.aclient(provider) as client:
                stream: AsyncIterator[Any] = await api.resource(client).create(**api.given, stream=True)
                first = await anext(stream)
                closing = getattr(stream, "aclose", None)
                return [first.to_dict(), await aoutcome(closing()) if closing else None]

        return asyncio.run(main())

    seen_alike(seen, api, provider, 1)
