"""Raw and streaming responses: headers first and then the content, bare and traced alike, and one span for each."""

import asyncio
import inspect
from typing import Any

import pytest

from tests.apis import SAID, Api, each_api
from tests.loopback.provider import ProviderServer
from tests.outcomes import aoutcome, outcome
from tests.parity import Seen, seen_alike, told

MINE = {"extra_headers": {"x-mine": "1"}}


async def settled(value: Any) -> Any:
    """Gives a value that anthropic's raw responses have to be awaited for, and openai's not."""
    return await value if inspect.isawaitable(value) else value


def head(raw: Any) -> list[object]:
    """Gives what a raw response tells before its content is asked for."""
    return [
        type(raw),
        sorted(vars(raw)),
        raw.status_code,
        sorted(raw.headers),
        raw.headers.get("x-request-id") or raw.headers.get("request-id"),
        raw.request_id if hasattr(raw, "request_id") else None,
        raw.retries_taken,
        str(raw.url.path),
        raw.method,
        raw.http_version,
        raw.is_closed,
        raw.elapsed.total_seconds() >= 0 if raw.is_closed else None,
        type(raw.http_request),
        raw.http_request.content,
        told(raw.http_response),
    ]


def raw_seen(api: Api, provider: ProviderServer) -> list[object]:
    with api.client(provider) as client:
        raw = api.resource(client).with_raw_response.create(**api.given, **MINE)
        saw = [head(raw), raw.parse(), raw.parse() is raw.parse(), raw.http_response.content]
        saw += [outcome(lambda: raw.parse(to=dict)), told(raw.http_response)]
        other = api.resource(client).with_raw_response.create(**api.given)
        return [*saw, type(other), head(other)]  # never parsed


def araw_seen(api: Api, provider: ProviderServer) -> list[object]:
    async def main() -> list[object]:
        async with api.aclient(provider) as client:
            raw = await api.resource(client).with_raw_response.create(**api.given, **MINE)
            saw = [head(raw), inspect.isawaitable(parsing := raw.parse()), await settled(parsing)]
            saw += [await settled(raw.parse()), raw.http_response.content, told(raw.http_response)]
            other = await api.resource(client).with_raw_response.create(**api.given)
            return [*saw, type(other), head(other)]

    return asyncio.run(main())


def streaming_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []
    with api.client(provider) as client:

        def begun() -> Any:
            return api.resource(client).with_streaming_response.create(**api.given, **MINE)

        with begun() as response:
            saw += [head(response), response.parse(), outcome(response.parse), response.is_closed]
        saw += [told(response.http_response)]
        with begun() as response:
            saw += [response.read(), response.read(), response.json(), response.text(), response.parse()]
        with begun() as response:
            saw += [response.status_code]
        saw += [told(response.http_response), outcome(response.read)]
    return saw


def astreaming_seen(api: Api, provider: ProviderServer) -> list[object]:
    saw: list[object] = []

    async def main() -> None:
        async with api.aclient(provider) as client:

            def begun() -> Any:
                return api.resource(client).with_streaming_response.create(**api.given, **MINE)

            async with begun() as response:
                saw.extend([head(response), await response.parse(), await aoutcome(response.parse())])
            saw.append(told(response.http_response))
            async with begun() as response:
                saw.extend([await response.read(), await response.json(), await response.text()])
                saw.append(await response.parse())
            async with begun() as response:
                saw.append(response.status_code)
            saw.extend([told(response.http_response), await aoutcome(response.read())])

    asyncio.run(main())
    return saw


def stream_seen(api: Api, provider: ProviderServer) -> list[object]:
    with api.client(provider) as client:
        raw = api.resource(client).with_raw_response.create(**api.given, stream=True)
        saw = [head(raw), type(stream := raw.parse()), raw.parse() is stream]
        saw += [[chunk.to_dict() for chunk in stream], told(raw.http_response)]
        with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
            saw += [head(response), [chunk.to_dict() for chunk in response.parse()]]
        saw += [told(response.http_response)]
        with api.resource(client).with_streaming_response.create(**api.given, stream=True) as response:
            saw += [next(response.parse()).to_dict()]
        return [*saw, told(response.http_response)]


def astream_seen(api: Api, provider: ProviderServer) -> list[object]:
    async def main() -> list[object]:
        async with api.aclient(provider) as client:
            resource = api.resource(client)
            raw = await resource.with_raw_response.create(**api.given, stream=True)
            saw: list[object] = [head(raw), type(stream := await settled(raw.parse()))]
            saw += [[chunk.to_dict() async for chunk in stream], told(raw.http_response)]
            async with resource.with_streaming_response.create(**api.given, stream=True) as response:
                saw += [head(response), [chunk.to_dict() async for chunk in await response.parse()]]
            saw += [told(response.http_response)]
            async with resource.with_streaming_response.create(**api.given, stream=True) as response:
                saw += [(await anext(await response.parse())).to_dict()]
            return [*saw, told(response.http_response)]

    return asyncio.run(main())


@each_api
@pytest.mark.parametrize("seen", [raw_seen, araw_seen])
def test_a_raw_response_is_as_without_us(seen: Seen, api: Api, provider: ProviderServer) -> None:
    rows = seen_alike(seen, api, provider, 2, api.whole())
    assert [api.text(row["output"]) for row in rows] == [SAID, SAID]
    assert all(row["metrics"]["completion_tokens"] == 7 for row in rows)


@each_api
@pytest.mark.parametrize("seen", [streaming_seen, astreaming_seen])
def test_a_response_that_is_read_inside_with_is_as_without_us(
    seen: Seen, api: Api, provider: ProviderServer
) -> None:
    rows = seen_alike(seen, api, provider, 3, api.whole())
    assert [api.text(row["output"]) for row in rows[:2]] == [SAID, SAID]
    assert "output" not in rows[2]
    assert [row["metadata"]["stream_end"] for row in rows] == ["exhausted", "exhausted", "closed"]


@each_api
@pytest.mark.parametrize("seen", [stream_seen, astream_seen])
def test_a_raw_stream_is_as_without_us(seen: Seen, api: Api, provider: ProviderServer) -> None:
    rows = seen_alike(seen, api, provider, 3)
    assert [api.text(row["output"]) for row in rows[:2]] == [SAID, SAID]
    assert [row["metadata"]["stream_end"] for row in rows] == ["exhausted", "exhausted", "closed"]


@each_api
def test_a_raw_error_is_as_without_us(api: Api, provider: ProviderServer) -> None:
    def seen(api: Api, provider: ProviderServer) -> list[object]:
        with api.client(provider) as client:
            with pytest.raises(api.sdk.APIStatusError) as raw:
                api.resource(client).with_raw_response.create(**api.given)
            streaming = api.resource(client).with_streaming_response.create(**api.given)
            with pytest.raises(api.sdk.APIStatusError) as streamed, streaming:
                pass
        errors = (raw.value, streamed.value)
        return [(type(e), str(e), e.body, e.request_id, e.status_code, told(e.response)) for e in errors]

    rows = seen_alike(seen, api, provider, 2, api.error(404, "No such model."))
    assert [row["error"].partition(":")[0] for row in rows] == ["NotFoundError"] * 2
