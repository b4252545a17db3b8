"""A program that leaves while it reads a stream."""

import atexit
import sys
from typing import Any

import openai

client: Any = openai.OpenAI(max_retries=0)
atexit.register(print, "last words")
# The stream has no name: one that is left to the end of the interpreter crashes Python 3.13.0, with us or without.
for chunk in client.chat.completions.create(
    model="m", messages=[{"role": "user", "content": "hi"}], stream=True
):
    print(chunk.id)
    sys.exit(5)
