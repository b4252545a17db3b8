"""What the SDK raises, and what it tries again."""

import pickle
from typing import Any

import openai

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = openai.OpenAI(max_retries=0)


def told(fault: BaseException) -> None:
    print([cls.__name__ for cls in type(fault).__mro__], str(fault), fault.args, repr(fault))
    print({name: value for name, value in vars(fault).items() if name not in ("response", "request")})
    print(repr(fault.__cause__), repr(fault.__context__), fault.__suppress_context__)


for status in (400, 401, 403, 404, 409, 422, 429, 500, 503, 599):
    for streamed in (False, True):
        try:
            client.chat.completions.create(model=f"status-{status}", messages=ASKED, stream=streamed)
        except openai.APIStatusError as fault:
            told(fault)
            print(fault.status_code, fault.request_id, fault.code, fault.type, fault.response.status_code)
        try:
            client.chat.completions.with_raw_response.create(model=f"status-{status}", messages=ASKED)
        except openai.APIStatusError as fault:
            told(fault)
for model in ("html", "not-json", "drop", "slow"):
    try:
        answer = client.with_options(timeout=0.3).chat.completions.create(model=model, messages=ASKED)
        print(type(answer), answer)
    except (openai.OpenAIError, ValueError) as fault:
        told(fault)
retried = client.with_options(max_retries=2)
for model in ("flaky", "status-500"):
    try:
        raw = retried.chat.completions.with_raw_response.create(model=model, messages=ASKED)
        print(raw.retries_taken, raw.parse().id)
    except openai.OpenAIError as fault:
        told(fault)
try:
    client.chat.completions.create(messages=ASKED)
except TypeError as fault:
    print(fault)
try:
    client.chat.completions.create(model="m", messages=[object()])
except TypeError as fault:
    print(fault)
try:
    pickle.dumps(client)
except TypeError as fault:
    print(fault)
