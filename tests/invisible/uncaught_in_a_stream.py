"""A program that ends with an error of its own while it reads a stream."""

from typing import Any

import openai

client: Any = openai.OpenAI(max_retries=0)
for chunk in client.chat.completions.create(
    model="m", messages=[{"role": "user", "content": "hi"}], stream=True
):
    print(chunk.id, flush=True)
    raise ZeroDivisionError("mine")
