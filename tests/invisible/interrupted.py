"""A program that Ctrl-C ends while it reads a stream, and one signal that it handles."""

import signal
from typing import Any

import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = openai.OpenAI(max_retries=0)
signal.signal(signal.SIGTERM, lambda number, frame: print("handled", number, flush=True))
for position, chunk in enumerate(client.chat.completions.create(model="m", messages=ASKED, stream=True)):
    print(position, chunk.id, flush=True)
    signal.raise_signal(signal.SIGTERM if position == 0 else signal.SIGINT)
