"""Making one call of any OpenAI endpoint, sync or async, and giving the spans that it left.

It owns how an answer is read to its end, or left. It must not know what a span looks like.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import openai

from tests.apis import CHAT, traced
from tests.loopback.provider import ProviderServer

Make = Callable[[Any], Any]
"""Makes a call of a client; gives what the client gives: an answer, a stream, or what is to be awaited."""

Row = dict[str, Any]


def read(make: Make, client: Any, chunks: int | None = None) -> None:
    """Makes a call, and reads a stream to its end, or so many chunks of it."""
    answer = make(client)
    if isinstance(answer, openai.Stream):
        with answer:
            for position, _chunk in enumerate(answer, 1):
                if position == chunks:
                    break


async def aread(make: Make, client: Any, chunks: int | None = None) -> None:
    """Does the same with an asynchronous client."""
    answer = make(client)
    answer = await answer if inspect.isawaitable(answer) else answer
    if isinstance(answer, openai.AsyncStream):
        async with answer:
            position = 0
            async for _chunk in answer:
                position += 1
                if position == chunks:
                    break


def rows(
    provider: ProviderServer, *makes: Make, aio: bool = False, chunks: int | None = None, **options: Any
) -> list[Row]:
    """Gives the rows of these calls, made one after the other by one client."""
    with traced(**options) as (captured, _):
        if aio:

            async def main() -> None:
                async with CHAT.aclient(provider) as client:
                    for make in makes:
                        await aread(make, client, chunks)

            asyncio.run(main())
        else:
            with CHAT.client(provider) as client:
                for make in makes:
                    read(make, client, chunks)
        return captured.generations


def row(provider: ProviderServer, make: Make, **options: Any) -> Row:
    """Gives the row of the one span that a call must leave, beside those of what it did."""
    (only,) = rows(provider, make, **options)
    return only
