"""The other SDK, whole and streamed."""

from typing import Any

import anthropic

ASKED: Any = [{"role": "user", "content": "hi"}]
client: Any = anthropic.Anthropic(max_retries=0)

answer = client.messages.create(model="m", max_tokens=9, messages=(message for message in ASKED))
print(type(answer), answer.model_dump_json())
stream = client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True)
print(type(stream) is anthropic.Stream, [event.type for event in stream])
with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as events:
    print(
        type(events),
        list(events.text_stream),
        events.get_final_message().stop_reason,
        events.current_message_snapshot.id,
    )
with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as events:
    print(next(iter(events)).type)
print(client.messages.with_raw_response.create(model="m", max_tokens=9, messages=ASKED).parse() == answer)
try:
    client.messages.create(model="status-404", max_tokens=9, messages=ASKED)
except anthropic.NotFoundError as fault:
    print(repr(fault), fault.request_id, fault.body)
raise anthropic.AnthropicError("the last line")
