"""Chunks that the application changes as it reads them: it puts a call together in its first delta."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bttrace.testing import capture
from tests.apis import CHAT, MESSAGES, RESPONSES, Api
from tests.loopback.provider import ProviderServer

ARGUMENTS = json.dumps({"city": "Rome", "days": [1, 2, 3]})
TOOLS: dict[str, list[Any]] = {
    "chat.completions": [{"type": "function", "function": {"name": "weather", "parameters": {}}}],
    "responses": [{"type": "function", "name": "weather", "parameters": {}}],
    "messages": [{"name": "weather", "input_schema": {"type": "object"}}],
}


def _of_chat(stream: Any) -> str:
    held: dict[int, Any] = {}
    for chunk in stream:
        for delta in chunk.choices[0].delta.tool_calls or ():
            if delta.index in held:
                held[delta.index].function.arguments += delta.function.arguments
            else:
                held[delta.index] = delta
    return str(held[0].function.arguments)


def _of_responses(stream: Any) -> str:
    held: Any = None
    for event in stream:
        if event.type == "response.output_item.added":
            held = event.item
        elif event.type == "response.function_call_arguments.delta":
            held.arguments += event.delta
    return str(held.arguments)


def _of_messages(stream: Any) -> str:
    held: Any = None
    for event in stream:
        if event.type == "content_block_start":
            held = event.content_block
            held.input = ""
        elif event.type == "content_block_delta":
            held.input += event.delta.partial_json
    return str(held.input)


READERS = {"chat.completions": _of_chat, "responses": _of_responses, "messages": _of_messages}


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=repr)
def test_arguments_are_those_that_came(api: Api, provider: ProviderServer) -> None:
    provider.route(api.path, api.streamed(tool_calls=[("call_1", "weather", ARGUMENTS)]))
    with capture() as captured, api.client(provider) as client:
        stream = api.resource(client).create(stream=True, tools=TOOLS[api.name], **api.given)
        assert READERS[api.name](stream) == ARGUMENTS
        rows = captured.rows
    [call] = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    told = json.dumps(call["output"])
    assert told.count("Rome") == 1
    assert json.dumps(ARGUMENTS) in told or json.dumps(json.loads(ARGUMENTS)) in told
