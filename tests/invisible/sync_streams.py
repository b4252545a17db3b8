"""Streams, and every way to leave one."""

import collections.abc
import gc
import inspect
from typing import Any

import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = openai.OpenAI(max_retries=0)


def stream() -> Any:
    return client.chat.completions.create(model="m", messages=ASKED, stream=True)


whole = stream()
print(
    type(whole) is openai.Stream,
    isinstance(whole, openai.Stream),
    isinstance(whole, collections.abc.Iterator),
)
print(sorted(vars(whole)), type(whole.response), whole.response.status_code, whole.response.is_closed)
print(inspect.isgenerator(whole._iterator), iter(whole) is whole)
for chunk in whole:
    print(type(chunk), chunk.model_dump_json())
print(whole.response.is_closed, list(whole))

with stream() as managed:
    print(next(managed).id)
print(managed.response.is_closed)

for chunk in stream():
    print(chunk.id)
    break
gc.collect()

closed = stream()
next(closed)
closed.close()
closed.close()
print(closed.response.is_closed)

unread = stream()
del unread
gc.collect()

try:
    for _ in stream():
        raise LookupError("mine")
except LookupError as fault:
    print(repr(fault), fault.__context__, fault.__cause__)

with client.chat.completions.stream(model="m", messages=ASKED) as events:
    print(
        type(events),
        [event.type for event in events],
        events.get_final_completion().choices[0].message.content,
    )

with client.responses.stream(model="m", input="hi") as events:
    print(type(events), [event.type for event in events], events.get_final_response().output_text)
for event in client.responses.create(model="m", input="hi", stream=True):
    print(type(event).__name__)

with client.chat.completions.with_streaming_response.create(
    model="m", messages=ASKED, stream=True
) as response:
    print([line for line in response.iter_lines() if line])
raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED, stream=True)
print(type(raw), [chunk.id for chunk in raw.parse()])

broken = client.chat.completions.create(model="broken", messages=ASKED, stream=True)
try:
    for chunk in broken:
        print(chunk.choices[0].delta.content)
except Exception as fault:
    print(type(fault), fault, type(fault.__cause__))
error = client.chat.completions.create(model="error-event", messages=ASKED, stream=True)
try:
    for chunk in error:
        print(chunk.id)
except openai.APIError as fault:
    print(type(fault), fault, fault.body)
