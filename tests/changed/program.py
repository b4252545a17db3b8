"""Calls of every kind. What each asks is its own name."""

import asyncio
import gc
from typing import Any

import openai

client: Any = openai.OpenAI(max_retries=0)
asynchronous: Any = openai.AsyncOpenAI(max_retries=0)


def asked(name: str) -> Any:
    return {"model": "m", "messages": [{"role": "user", "content": name}]}


def words(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


print(client.chat.completions.create(**asked("call")))

kept = client.chat.completions.create(**asked("read"), stream=True)
print(type(kept), words(kept))

with client.chat.completions.create(**asked("left"), stream=True) as stream:
    print(next(stream), next(stream))
del stream
gc.collect()

unread = client.chat.completions.create(**asked("unread"), stream=True)
unread.close()
del unread
gc.collect()

with client.chat.completions.with_streaming_response.create(**asked("raw"), stream=True) as raw:
    print([line for line in raw.iter_lines() if line])
with client.chat.completions.with_streaming_response.create(**asked("whole")) as raw:
    print(raw.parse())
del raw
gc.collect()

with client.chat.completions.stream(**asked("helped")) as events:
    print([event.type for event in events])

try:
    client.chat.completions.create(**asked("failed"))
except openai.BadRequestError as error:
    print(type(error), error)


async def main() -> None:
    print(await asynchronous.chat.completions.create(**asked("acall")))
    chunks = await asynchronous.chat.completions.create(**asked("aread"), stream=True)
    print(words([chunk async for chunk in chunks]))


asyncio.run(main())
