"""Whole answers, read in every way."""

import copy
import inspect
import pickle
from typing import Any

import openai
from openai._models import FinalRequestOptions

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = openai.OpenAI(max_retries=0)
create = client.chat.completions.create

answer = create(
    model="m", messages=ASKED, user="someone", extra_headers={"x-mine": "1"}, extra_query={"q": "1"}
)
print(type(answer), answer.model_dump_json(), answer._request_id)
print(copy.deepcopy(answer) == answer, pickle.loads(pickle.dumps(answer)) == answer)  # noqa: S301 - our own bytes
print(ASKED, vars(answer).keys())

raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED)
print(
    type(raw), raw.status_code, sorted(raw.headers), raw.parse() == answer, len(raw.content), raw.request_id
)
print(
    type(raw.http_response),
    len(pickle.dumps(raw.http_response)) > 0,
    sorted(copy.copy(raw.http_response).headers),
)

with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED) as streaming:
    print(type(streaming), streaming.http_response.is_closed, b"".join(streaming.iter_bytes()) == raw.content)
print(streaming.http_response.is_closed)
with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED) as unread:
    print(unread.status_code)
with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED) as streaming:
    print(streaming.parse() == answer)

other = client.with_options(timeout=9, max_retries=1)
print(type(other), other.timeout, other.chat.completions.create(model="m", messages=iter(ASKED)) == answer)
print(copy.copy(client).max_retries)

options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={"model": "m"})
print(copy.deepcopy(options) == options, pickle.loads(pickle.dumps(options)) == options)  # noqa: S301 - our own bytes
for function in (
    create,
    openai.OpenAI.post,
    openai.OpenAI.request,
    openai.AsyncOpenAI.request,
    openai.Stream.close,
):
    print(inspect.signature(function), inspect.iscoroutinefunction(function), inspect.isfunction(function))
    print(function.__name__, function.__qualname__, function.__module__, function.__doc__)
print(
    inspect.getsource(openai.OpenAI.request) == inspect.getsource(vars(openai.OpenAI.__mro__[1])["request"])
)

parsed = client.chat.completions.parse(model="m", messages=ASKED)
print(type(parsed), parsed.choices[0].message.content)
print(client.responses.create(model="m", input="hi").output_text)
print(client.post("/chat/completions", cast_to=object, body={"model": "m", "messages": ASKED})["id"])
print(client.embeddings.create(model="m", input="x").data[0].embedding)
