"""Threads that share a client, an event loop in each of two, and one that outlives the main thread."""

import asyncio
import concurrent.futures
import threading
import time
from typing import Any

import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = openai.OpenAI(max_retries=0)


def streamed(_number: int) -> str:
    chunks = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def asked() -> str:
    async with openai.AsyncOpenAI(max_retries=0) as other:
        return (await other.chat.completions.create(model="m", messages=ASKED)).id


def late() -> None:
    time.sleep(0.2)
    print(streamed(0), threading.main_thread().is_alive())


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(list(pool.map(streamed, range(16))))
    print([future.result() for future in [pool.submit(asyncio.run, asked()) for _ in range(2)]])
threading.Thread(target=late, name="late").start()
