"""The asynchronous client: whole, streamed, together, cancelled."""

import asyncio
import collections.abc
import contextvars
from typing import Any

import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
MINE = contextvars.ContextVar("mine", default="unset")


async def consumed(client: Any) -> str:
    text = ""
    async for chunk in await client.chat.completions.create(model="m", messages=ASKED, stream=True):
        text += chunk.choices[0].delta.content or ""
        await asyncio.sleep(0)
    return text


async def main() -> None:
    client: Any = openai.AsyncOpenAI(max_retries=0)
    MINE.set("set")
    answer = await client.chat.completions.create(model="m", messages=ASKED)
    print(type(answer), answer.model_dump_json(), answer._request_id)
    print(await asyncio.gather(*(consumed(client) for _ in range(5))))

    stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
    print(
        type(stream) is openai.AsyncStream,
        isinstance(stream, collections.abc.AsyncIterator),
        sorted(vars(stream)),
    )
    print((await anext(stream)).id)
    await stream.close()
    print(stream.response.is_closed)

    async with await client.chat.completions.create(model="m", messages=ASKED, stream=True) as managed:
        async for chunk in managed:
            print(chunk.id)
            break
    print(managed.response.is_closed)

    elsewhere = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
    print((await asyncio.create_task(anext(elsewhere))).id)  # read in one task, closed in another
    await asyncio.create_task(elsewhere.close())

    async with client.chat.completions.stream(model="m", messages=ASKED) as events:
        print([event.type async for event in events])
    raw = await client.chat.completions.with_raw_response.create(model="m", messages=ASKED)
    print(type(raw), raw.parse() == answer)
    async with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED) as response:
        print(await response.parse() == answer)

    task = asyncio.create_task(client.chat.completions.create(model="slow", messages=ASKED))
    await asyncio.sleep(0.1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError as fault:
        print(repr(fault), task.cancelled())
    try:
        await asyncio.wait_for(client.chat.completions.create(model="slow", messages=ASKED), 0.1)
    except asyncio.TimeoutError as fault:
        print(repr(fault))

    try:
        await client.chat.completions.create(model="status-404", messages=ASKED)
    except openai.NotFoundError as fault:
        print(repr(fault), fault.request_id, MINE.get())
    print(len(asyncio.all_tasks()))
    await client.close()


asyncio.run(main())
