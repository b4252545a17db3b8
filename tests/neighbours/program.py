"""A program that asks both models, plainly and as a stream, and has a child do the same; it prints what they said.

    python -m tests.neighbours.program PATCHED

PATCHED is code that tells what neighbours are there, so that a test knows that they were.
"""

import subprocess
import sys
from typing import Any

import anthropic
import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
oai, ant = openai.OpenAI(max_retries=0), anthropic.Anthropic(max_retries=0)
print(oai.chat.completions.create(model="m", messages=ASKED).choices[0].message.content)
stream = oai.chat.completions.create(model="m", messages=ASKED, stream=True)
print("".join(chunk.choices[0].delta.content or "" for chunk in stream))
print([block.type for block in ant.messages.create(model="m", max_tokens=9, messages=ASKED).content])
with ant.messages.stream(model="m", max_tokens=9, messages=ASKED) as events:
    print(events.get_final_message().usage.output_tokens)
print(eval(sys.argv[1]), flush=True)  # noqa: S307 - our own code
if len(sys.argv) == 2:
    command = [sys.executable, "-m", "tests.neighbours.program", sys.argv[1], "child"]
    print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
