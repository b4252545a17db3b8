"""Events known again by their text: what is made of a stream is the same as of its parsed events, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.model import Endpoint
from bttrace.providers.anthropic.messages import MESSAGES
from bttrace.providers.openai.chat import CHAT
from bttrace.providers.openai.responses import RESPONSES
from bttrace.seams.events import Events
from bttrace.seams.likeness import learned
from tests.test_folds import folded

Json = dict[str, Any]

# Letters, and what JSON and the format of events have a meaning for; words that stand in the events themselves.
TEXTS = st.one_of(
    st.text(alphabet=st.sampled_from('ab \\"{}[]:,\n\r\t\u2028é🙂')),
    st.text(max_size=6),
    st.sampled_from(["content", "delta", "0", "null", "text", "m", "arguments", "stop"]),
)
WORDS = st.text(alphabet="abcdefgh ", min_size=1, max_size=6)
PIECES = st.lists(st.one_of(WORDS, WORDS, WORDS, TEXTS), max_size=30)


def chat_chunk(delta: Json, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def chats(pieces: list[str], hiding: list[str]) -> list[Json]:
    """A message, its reasoning and the arguments of a call, each in these pieces."""
    said = [chat_chunk({"role": "assistant", "content": ""})]
    for name in ("reasoning_content", "content"):
        said += [chat_chunk({name: piece}) for piece in pieces]
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    said.append(chat_chunk({"tool_calls": [head]}))
    said += [chat_chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    said.append(chat_chunk({}, finish_reason="stop"))
    return [
        {**chunk, "obfuscation": hidden} for chunk, hidden in zip(said, cycle(hiding or [""]), strict=False)
    ]


def responses(pieces: list[str], hiding: list[str]) -> list[Json]:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    said: list[Json] = [
        {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in pieces
        ),
        {"type": "response.output_text.annotation.added", **place, "annotation_index": 0, "annotation": {}},
        *(
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": piece}
            for piece in pieces
        ),
    ]
    return [
        {**event, "sequence_number": number, "obfuscation": hidden}
        for number, (event, hidden) in enumerate(zip(said, cycle(hiding or [""]), strict=False))
    ]


def messages(pieces: list[str], _hiding: list[str]) -> list[Json]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {},
    }
    said: list[Json] = [{"type": "message_start", "message": message}]
    for index, (kind, name, begun) in enumerate(
        (
            ("thinking_delta", "thinking", {"type": "thinking", "thinking": ""}),
            ("text_delta", "text", {"type": "text", "text": ""}),
            ("input_json_delta", "partial_json", {"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        )
    ):
        said.append({"type": "content_block_start", "index": index, "content_block": begun})
        said += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}}
            for piece in pieces
        ]
        said.append({"type": "content_block_stop", "index": index})
    said.append(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    )
    return said


APIS: dict[str, tuple[Endpoint, Callable[[list[str], list[str]], list[Json]]]] = {
    "chat": (CHAT, chats),
    "responses": (RESPONSES, responses),
    "messages": (MESSAGES, messages),
}
each_api = pytest.mark.parametrize(("endpoint", "events"), APIS.values(), ids=list(APIS))


def body(events: list[Json], ends: str, padding: list[int], *, is_ascii: bool) -> bytes:
    """The events as they are sent, with spaces before their ends, as Anthropic has them."""
    lines = []
    for event, spaces in zip(events, cycle(padding or [0]), strict=False):
        name = f"event: {event['type']}{ends}" if "type" in event else ""
        data = json.dumps(event, ensure_ascii=is_ascii, separators=(",", ":"))
        lines.append(f"{name}data: {data[:-1]}{' ' * spaces}}}{ends * 2}")
    return "".join(lines).encode()


def cut(sent: bytes, places: list[int]) -> list[object]:
    """What a call holds of a body that came in pieces, cut at these places."""
    edges = sorted({0, len(sent), *(place % (len(sent) + 1) for place in places)})
    held: list[object] = []
    for start, end in pairwise(edges):
        held += (start, sent[start:end])
    return held


@each_api
@given(
    pieces=PIECES,
    hiding=st.lists(WORDS, max_size=5),
    padding=st.lists(st.integers(0, 4), max_size=5),
    places=st.lists(st.integers(0, 100_000), max_size=20),
    ends=st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    is_ascii=st.booleans(),
    share=st.floats(0, 1),
)
def test_a_stream_says_what_its_events_say(
    endpoint: Endpoint,
    events: Callable[[list[str], list[str]], list[Json]],
    pieces: list[str],
    hiding: list[str],
    padding: list[int],
    places: list[int],
    ends: str,
    is_ascii: bool,
    share: float,
) -> None:
    said = events(pieces, hiding)
    held = cut(body(said, ends, padding, is_ascii=is_ascii), places)
    heard = [event for _, event in Events(endpoint.piece).read(held, None)]
    assert folded(endpoint, heard) == folded(endpoint, said)
    read = int(share * len(said))  # a reader that leaves has got as many, and the rest may have come too
    some = Events(endpoint.piece)
    heard = [event for _, event in some.read(held, read)]
    assert folded(endpoint, heard) == folded(endpoint, said[:read])
    heard += [event for _, event in some.read([], None)]
    assert folded(endpoint, heard) == folded(endpoint, said)


@each_api
def test_events_that_are_alike_come_as_one(
    endpoint: Endpoint, events: Callable[[list[str], list[str]], list[Json]]
) -> None:
    words = [f" w{number}" for number in range(50)]
    said = events(words, ["abc", "abcd"])
    held = cut(body(said, "\n", [0], is_ascii=True), list(range(0, 100_000, 50)))
    heard = list(Events(endpoint.piece).read(held, None))
    assert len(heard) < 20 < len(said)
    assert folded(endpoint, [event for _, event in heard]) == folded(endpoint, said)


@each_api
def test_a_reader_may_leave_after_any_event(
    endpoint: Endpoint, events: Callable[[list[str], list[str]], list[Json]]
) -> None:
    said = events([" one", " two", " three", " four"], [])
    held = cut(body(said, "\n", [0], is_ascii=True), [])
    for read in range(len(said) + 1):
        heard = [event for _, event in Events(endpoint.piece).read(held, read)]
        assert folded(endpoint, heard) == folded(endpoint, said[:read])


@each_api
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_an_event_is_there_with_the_end_of_its_empty_line(
    endpoint: Endpoint, events: Callable[[list[str], list[str]], list[Json]], ends: str
) -> None:
    sent = body(events([" one", " two"], []), ends, [0], is_ascii=True)
    all_of_it = Events(endpoint.piece)
    heard = [len(list(all_of_it.read([at, sent[at : at + 1]], None))) for at in range(len(sent))]
    empty = ends.encode() * 2
    whole = len(ends) if ends == "\r\n" else 0  # its carriage return is an end already
    assert [at for at, count in enumerate(heard) if count] == [
        at + len(empty) - 1 - whole // 2 for at in range(len(sent)) if sent.startswith(empty, at)
    ]


def test_the_time_is_that_of_the_first() -> None:
    said = chats(["one", " two", " three", " four"], [])
    held: list[object] = []
    for at, chunk in enumerate(said):
        held += (at, b"data: " + json.dumps(chunk).encode() + b"\n\n")
    heard = [(at, event["choices"][0]["delta"]) for at, event in Events(CHAT.piece).read(held, None)]  # type: ignore[index]
    assert heard[:5] == [
        (0, {"role": "assistant", "content": ""}),
        (1, {"reasoning_content": "one"}),
        (2, {"reasoning_content": " two three four"}),
        (5, {"content": "one"}),
        (6, {"content": " two three four"}),
    ]


@pytest.mark.parametrize(
    "delta",
    [
        pytest.param({"content": "a", "reasoning_details": [{"text": "b"}]}, id="two"),
        pytest.param({"content": "m"}, id="a string that stands elsewhere too"),
        pytest.param({"content": 'a"b'}, id="a quote"),
        pytest.param({"content": ""}, id="nothing"),
        pytest.param({"content": [{"type": "text", "text": "a"}]}, id="parts"),
        pytest.param({"audio": {"data": "AAAA"}}, id="audio"),
    ],
)
def test_what_is_not_sure_is_parsed(delta: Json) -> None:
    chunk = chat_chunk(delta)
    path = CHAT.piece(chunk)
    text = f"data: {json.dumps(chunk)}\n\n"
    assert path is None or learned(text, chunk, path) is None
    assert [event for _, event in Events(CHAT.piece).read([0, text.encode() * 3], None)] == [chunk] * 3


def test_what_follows_the_end_is_nothing() -> None:
    sent = b'data: {"id":"1"}\n\ndata: [DONE]\n\ndata: {"id":"2"}\n\n'
    assert list(Events(CHAT.piece).read([7, sent], None)) == [(7, {"id": "1"})]
