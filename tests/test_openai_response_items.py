"""Every kind of item that a streamed OpenAI response can put out, read to the end and left early."""

from typing import Any

import pytest

from bttrace.providers.openai.response_events import is_first_token
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import RESPONSE_USAGE, Reply, sse
from tests.loopback.reply import STREAM, whole
from tests.openai_items import ITEMS, Item, Json
from tests.ways import row

HEAD = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress", "output": []}
GENERATES = {
    *("message", "reasoning", "function_call", "custom_tool_call", "code_interpreter_call", "mcp_call"),
    *("image_generation_call", "shell_call"),
}
each_item = pytest.mark.parametrize("item", ITEMS, ids=repr)
each_kind = pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])


def completed(*items: Item) -> Json:
    return {**HEAD, "status": "completed", "output": [i.done for i in items], "usage": RESPONSE_USAGE}


def events(*items: Item, done: bool = True) -> list[Json]:
    """Gives the events of a response that puts out these items, one step of each in turn."""
    told: list[Json] = [{"type": "response.created", "response": HEAD}]
    told += [
        {"type": "response.output_item.added", "output_index": index, "item": item.added}
        for index, item in enumerate(items)
    ]
    for position in range(max(len(item.steps) for item in items)):
        for index, item in enumerate(items):
            for kind, fields in item.steps[position : position + 1]:
                told.append({"type": f"response.{kind}", "output_index": index, "item_id": "i", **fields})
    if done:
        told += [
            {"type": "response.output_item.done", "output_index": index, "item": item.done}
            for index, item in enumerate(items)
        ]
        told.append({"type": "response.completed", "response": completed(*items)})
    return told


def streamed(told: list[Json]) -> Reply:
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(told)]
    return Reply(headers=STREAM, events=tuple(sse(event, event["type"]) for event in numbered))


def created(client: Any) -> Any:
    return client.responses.create(model="m", input="hi", stream=True)


@each_kind
@each_item
def test_a_stream_says_what_the_whole_response_says(item: Item, aio: bool, provider: ProviderServer) -> None:
    provider.route("/v1/responses", streamed(events(item)), whole(completed(item), {}))
    found = row(provider, created, aio=aio)
    expected = row(provider, lambda client: client.responses.create(model="m", input="hi"), aio=aio)
    assert found["output"] == expected["output"] == [item.done]
    assert found["metrics"]["tokens"] == expected["metrics"]["tokens"] == 18
    assert ("time_to_first_token" in found["metrics"]) is (item.added["type"] in GENERATES)


@each_item
def test_one_left_after_its_events_shows_what_they_said(item: Item, provider: ProviderServer) -> None:
    provider.route("/v1/responses", streamed(events(item)))
    found = row(provider, created, chunks=2 + len(item.steps))
    assert found["output"] == [item.so_far]
    assert found["metadata"]["stream_end"] == "closed"
    assert "finish_reason" not in found["metadata"]
    assert "tokens" not in found["metrics"]


@each_item
def test_one_left_before_its_last_event_is_whole(item: Item, provider: ProviderServer) -> None:
    told = events(item)
    provider.route("/v1/responses", streamed(told))
    assert row(provider, created, chunks=len(told) - 1)["output"] == [item.done]


def test_all_at_once(provider: ProviderServer) -> None:
    told = events(*ITEMS, done=False)
    provider.route("/v1/responses", streamed(told))
    assert row(provider, created)["output"] == [item.so_far for item in ITEMS]


def test_an_error_in_the_stream_keeps_what_came(provider: ProviderServer) -> None:
    failure = {"type": "error", "code": "server_error", "message": "Boom.", "param": None}
    provider.route("/v1/responses", streamed([*events(*ITEMS, done=False), failure]))
    found = row(provider, created)
    assert found["output"] == [item.so_far for item in ITEMS]
    assert found["error"] == "server_error: Boom."
    assert found["metadata"]["finish_reason"] == "failed"


def test_the_output_of_a_shell_is_no_first_token() -> None:
    kind = "response.shell_call_output_content.delta"
    assert not is_first_token({"type": kind, "delta": {"stdout": "a"}})
    assert is_first_token({"type": "response.shell_call_command.delta", "delta": "ls"})
