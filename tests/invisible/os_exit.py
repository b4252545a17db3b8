"""A program that ends at once, in the middle of a stream and with an answer just received."""

import os
from typing import Any

import openai

client: Any = openai.OpenAI(max_retries=0)
ASKED: Any = [{"role": "user", "content": "hi"}]
stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
print(next(stream).id)
print(client.chat.completions.create(model="m", messages=ASKED).id, flush=True)
os._exit(7)
