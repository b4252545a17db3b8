"""An application's own classes of clients and streams, which override what is patched and call what they override."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import anthropic
import openai

T = TypeVar("T")
ASKED: Any = [{"role": "user", "content": "hi"}]
OPENAI: dict[str, Any] = {"model": "m", "messages": ASKED}
ANTHROPIC: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": ASKED}


class Client(openai.OpenAI):
    def request(self, *args: Any, **kwargs: Any) -> Any:
        print("asked", len(args), sorted(kwargs))
        answer = super().request(*args, **kwargs)
        print("answered", type(answer).__name__)
        return answer

    def _build_request(self, options: Any, **kwargs: Any) -> Any:
        request = super()._build_request(options, **kwargs)
        print("built", request.method, request.url.path, len(request.content))
        return request


class AsyncClient(openai.AsyncOpenAI):
    async def request(self, *args: Any, **kwargs: Any) -> Any:
        print("asked", len(args), sorted(kwargs))
        return await super().request(*args, **kwargs)


class Claude(anthropic.Anthropic):
    def request(self, *args: Any, **kwargs: Any) -> Any:
        print("asked", len(args), sorted(kwargs))
        return super().request(*args, **kwargs)

    def _process_response(self, **kwargs: Any) -> Any:
        print("processed", kwargs["response"].status_code)
        return super()._process_response(**kwargs)


class AsyncClaude(anthropic.AsyncAnthropic):
    async def request(self, *args: Any, **kwargs: Any) -> Any:
        print("asked", len(args), sorted(kwargs))
        return await super().request(*args, **kwargs)


class Chunks(openai.Stream[T]):
    def __stream__(self) -> Iterator[T]:
        for chunk in super().__stream__():
            print("passes", type(chunk).__name__)
            yield chunk

    def close(self) -> None:
        print("closing")
        super().close()


class Events(anthropic.Stream[T]):
    def __stream__(self) -> Iterator[T]:
        yield from super().__stream__()

    def close(self) -> None:
        print("closing")
        super().close()


class AsyncChunks(openai.AsyncStream[T]):
    async def __stream__(self) -> AsyncIterator[T]:
        async for chunk in super().__stream__():
            print("passes", type(chunk).__name__)
            yield chunk

    async def close(self) -> None:
        print("closing")
        await super().close()


def asked(client: Any, path: str, body: dict[str, Any], kind: Any) -> Any:
    """A request as an application makes one itself, with a class of its own for the stream."""
    item = (
        openai.types.chat.ChatCompletionChunk if kind is not Events else anthropic.types.RawMessageStreamEvent
    )
    return client.post(path, cast_to=item, body={**body, "stream": True}, stream=True, stream_cls=kind[item])


client: Any = Client(max_retries=0)
claude: Any = Claude(max_retries=0)
for made in (client, client.with_options(timeout=9)):
    print(type(made), made.chat.completions.create(**OPENAI).id)
print([chunk.id for chunk in client.chat.completions.create(**OPENAI, stream=True)])
print(
    claude.messages.create(**ANTHROPIC).id,
    [event.type for event in claude.messages.create(**ANTHROPIC, stream=True)],
)
with claude.messages.stream(**ANTHROPIC) as helper:
    print(helper.get_final_message().id)

chunks = asked(client, "/chat/completions", OPENAI, Chunks)
print(type(chunks), isinstance(chunks, openai.Stream), [chunk.id for chunk in chunks])
left = asked(client, "/chat/completions", OPENAI, Chunks)
print(next(left).id, left.close(), left.response.is_closed)
events = asked(claude, "/v1/messages", ANTHROPIC, Events)
print(type(events), [event.type for event in events])
with asked(claude, "/v1/messages", ANTHROPIC, Events) as early:
    print(next(early).type)


async def main() -> None:
    async with AsyncClient(max_retries=0) as other, AsyncClaude(max_retries=0) as claudia:
        mine: Any = other
        print(
            (await mine.chat.completions.create(**OPENAI)).id, (await claudia.messages.create(**ANTHROPIC)).id
        )
        chunks = await asked(mine, "/chat/completions", OPENAI, AsyncChunks)
        print(type(chunks), [chunk.id async for chunk in chunks])
        left = await asked(mine, "/chat/completions", OPENAI, AsyncChunks)
        print((await anext(left)).id, await left.close(), left.response.is_closed)


asyncio.run(main())
