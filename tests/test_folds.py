"""The folds, without any SDK: what was split is put together again, and nothing that arrives can break them."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bttrace.model import Endpoint, Facts
from bttrace.providers.anthropic.messages import MESSAGES, MessageFold
from bttrace.providers.openai.chat import CHAT, ChatFold
from bttrace.providers.openai.response_events import ResponseFold
from bttrace.providers.openai.responses import RESPONSES
from bttrace.providers.text import Text
from bttrace.spans.shape import generation
from bttrace.spans.style import Place, Style

Json = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

ENDPOINTS = pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, MESSAGES], ids=lambda row: row.api)

words = st.text(max_size=40)
names = st.text(st.characters(categories=["L"]), min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
arguments = st.dictionaries(st.text(max_size=5), json_values, max_size=3)


def cut(draw: Draw, text: str) -> list[str]:
    """Gives the text in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def interleaved(draw: Draw, queues: list[list[Any]]) -> list[Any]:
    """Gives what the queues hold in some order that keeps the order of each."""
    queues = [list(queue) for queue in queues if queue]
    mixed = []
    while queues:
        queue = draw(st.sampled_from(queues))
        mixed.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return mixed


def folded(endpoint: Endpoint, chunks: list[Any]) -> Json:
    fold = endpoint.fold()
    for chunk in chunks:
        fold.add(chunk)
    return fold.response()


# Chat completions


@st.composite
def chat_streams(draw: Draw) -> tuple[Json, list[Json]]:
    """Draws a chat completion, and the chunks of a stream that says the same."""
    head: Json = {"id": "chatcmpl-1", "created": 1, "model": "m"}
    choices, queues = [], []
    for index in range(draw(st.integers(1, 3))):
        choice, deltas = _chat_choice(draw)
        choices.append({"index": index, **choice})
        queues.append([{"index": index, "finish_reason": None, "delta": delta} for delta in deltas])
        queues[-1].append({"index": index, "finish_reason": choice["finish_reason"], "delta": {}})
    chunks: list[Json] = [
        {**head, "object": "chat.completion.chunk", "choices": [choice]}
        for choice in interleaved(draw, queues)
    ]
    whole: Json = {**head, "object": "chat.completion", "choices": choices}
    if draw(st.booleans()):
        whole["usage"] = {"prompt_tokens": 1, "completion_tokens": draw(st.integers(0, 9)), "total_tokens": 9}
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        chunks.append({**chunks[0], "choices": [], "usage": whole["usage"]})
    return whole, chunks


def _chat_choice(draw: Draw) -> tuple[Json, list[Json]]:
    message: Json = {"role": "assistant", "content": None}
    spoken: list[list[Json]] = []
    for name in ("content", "refusal", "reasoning_content"):
        if draw(st.booleans()):
            message[name] = draw(words)
            spoken.append([{name: piece} for piece in cut(draw, message[name])])
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": draw(names), "arguments": json.dumps(given)},
        }
        for n, given in enumerate(draw(st.lists(arguments, max_size=3)))
    ]
    told = [_call_deltas(draw, index, call) for index, call in enumerate(calls)]
    if calls:
        message["tool_calls"] = calls
        openings = [queue.pop(0) for queue in told]
        spoken.append([{"tool_calls": openings}, *({"tool_calls": [c]} for c in interleaved(draw, told))])
    opening = {"role": "assistant", "content": None}
    reason = "tool_calls" if calls else "stop"
    return {"message": message, "finish_reason": reason}, [opening, *interleaved(draw, spoken)]


def _call_deltas(draw: Draw, index: int, call: Json) -> list[Json]:
    function = call["function"]
    opening = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
    pieces = cut(draw, function["arguments"])
    return [opening, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]


@given(chat_streams())
def test_a_chat_completion_is_put_together(drawn: tuple[Json, list[Json]]) -> None:
    whole, chunks = drawn
    assert folded(CHAT, chunks) == whole


# Responses


@st.composite
def response_streams(draw: Draw) -> tuple[Json, list[Json]]:
    """Draws a response, and the events of a stream that says the same."""
    head: Json = {"id": "resp_1", "object": "response", "model": "m"}
    output, events = [], []
    for index in range(draw(st.integers(1, 3))):
        item, told = draw(st.sampled_from([_message_item, _reasoning_item, _function_item]))(draw)
        output.append(item)
        events += [{"output_index": index, **event} for event in told]
        done = {"type": "response.output_item.done", "output_index": index, "item": item}
        events += [done] if draw(st.booleans()) else []
    whole: Json = {**head, "status": "completed", "output": output, "usage": {"total_tokens": 3}}
    opening = {"type": "response.created", "response": {**head, "status": "in_progress", "output": []}}
    return whole, [opening, *events, {"type": "response.completed", "response": whole}]


def _message_item(draw: Draw) -> tuple[Json, list[Json]]:
    item: Json = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    events: list[Json] = [{"type": "response.output_item.added", "item": dict(item, content=[])}]
    for index, text in enumerate(draw(st.lists(words, max_size=3))):
        kind, name = draw(st.sampled_from([("output_text", "text"), ("refusal", "refusal")]))
        here = {"content_index": index}
        events.append({"type": "response.content_part.added", **here, "part": {"type": kind, name: ""}})
        delta = f"response.{kind}.delta"
        events += [{"type": delta, **here, "delta": piece} for piece in cut(draw, text)]
        item["content"].append({"type": kind, name: text})
    return item, events


def _reasoning_item(draw: Draw) -> tuple[Json, list[Json]]:
    item: Json = {"type": "reasoning", "id": "rs_1", "summary": []}
    events: list[Json] = [{"type": "response.output_item.added", "item": dict(item, summary=[])}]
    for index, text in enumerate(draw(st.lists(words, max_size=3))):
        here = {"summary_index": index}
        part = {"type": "summary_text", "text": ""}
        events.append({"type": "response.reasoning_summary_part.added", **here, "part": part})
        delta = "response.reasoning_summary_text.delta"
        events += [{"type": delta, **here, "delta": piece} for piece in cut(draw, text)]
        item["summary"].append({**part, "text": text})
    return item, events


def _function_item(draw: Draw) -> tuple[Json, list[Json]]:
    item: Json = {"type": "function_call", "call_id": "call_1", "name": draw(names), "arguments": ""}
    events: list[Json] = [{"type": "response.output_item.added", "item": dict(item)}]
    item["arguments"] = json.dumps(draw(arguments))
    delta = "response.function_call_arguments.delta"
    events += [{"type": delta, "delta": piece} for piece in cut(draw, item["arguments"])]
    return item, events


@given(response_streams())
def test_a_response_is_put_together(drawn: tuple[Json, list[Json]]) -> None:
    whole, events = drawn
    assert folded(RESPONSES, events) == whole


@given(response_streams())
def test_a_response_is_put_together_without_its_last_event(drawn: tuple[Json, list[Json]]) -> None:
    whole, events = drawn
    assert folded(RESPONSES, events[:-1]) == {**events[0]["response"], "output": whole["output"]}


# Messages


@st.composite
def message_streams(draw: Draw) -> tuple[Json, list[Json]]:
    """Draws a message, and the events of a stream that says the same."""
    head: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    usage = {
        "input_tokens": 3,
        "cache_read_input_tokens": draw(st.none() | st.integers(0, 9)),
        "output_tokens": 1,
    }
    content, events = [], []
    for index in range(draw(st.integers(0, 4))):
        block, opening, deltas = draw(st.sampled_from([_text_block, _thinking_block, _tool_block]))(draw)
        content.append(block)
        told: list[Json] = [{"type": "content_block_start", "content_block": opening}]
        told += [{"type": "content_block_delta", "delta": delta} for delta in deltas]
        told += [{"type": "content_block_stop"}]
        events += [{"index": index, **event} for event in told]
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    counted = {"output_tokens": draw(st.integers(0, 9)), "cache_read_input_tokens": None}
    begun = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    events = [{"type": "message_start", "message": begun}, {"type": "ping"}, *events]
    events += [{"type": "message_delta", "delta": ending, "usage": counted}, {"type": "message_stop"}]
    sums = {**usage, "output_tokens": counted["output_tokens"]}
    return {**head, "content": content, **ending, "usage": sums}, events


def _text_block(draw: Draw) -> tuple[Json, Json, list[Json]]:
    text, cited = draw(words), draw(st.lists(st.fixed_dictionaries({"cited_text": words}), max_size=2))
    deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in cut(draw, text)]
    quotes: list[Json] = [{"type": "citations_delta", "citation": citation} for citation in cited]
    block = {"type": "text", "text": text, **({"citations": cited} if cited else {})}
    return block, {"type": "text", "text": ""}, interleaved(draw, [deltas, quotes])


def _thinking_block(draw: Draw) -> tuple[Json, Json, list[Json]]:
    text, opening = draw(words), {"type": "thinking", "thinking": "", "signature": ""}
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in cut(draw, text)]
    deltas.append({"type": "signature_delta", "signature": "c2ln"})
    return {**opening, "thinking": text, "signature": "c2ln"}, opening, deltas


def _tool_block(draw: Draw) -> tuple[Json, Json, list[Json]]:
    kind = draw(st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"]))
    opening: Json = {"type": kind, "id": "toolu_1", "name": draw(names), "input": {}}
    given_input = draw(arguments)
    pieces = cut(draw, json.dumps(given_input)) if given_input else draw(st.sampled_from([[], [""]]))
    deltas: list[Json] = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**opening, "input": given_input}, opening, deltas


@given(message_streams())
def test_a_message_is_put_together(drawn: tuple[Json, list[Json]]) -> None:
    whole, events = drawn
    assert folded(MESSAGES, events) == whole


@given(message_streams())
def test_a_message_that_is_left_early_holds_what_came(drawn: tuple[Json, list[Json]]) -> None:
    whole, events = drawn
    for count in range(len(events)):
        content = folded(MESSAGES, events[:count]).get("content", [])
        assert len(content) <= len(whole["content"])
        for block, entire in zip(content, whole["content"], strict=False):
            assert block.keys() <= entire.keys()
            assert entire.get("text", "").startswith(block.get("text", ""))


# Whatever arrives

KNOWN = sorted(
    {
        *(
            "type",
            "index",
            "choices",
            "delta",
            "message",
            "content",
            "usage",
            "response",
            "item",
            "part",
            "role",
        ),
        *("content_block", "output_index", "content_index", "summary_index", "output", "text", "arguments"),
        *("tool_calls", "function", "name", "id", "model", "logprobs", "finish_reason", "error", "x_groq"),
        *("thinking", "signature", "partial_json", "input", "citation", "to", "summary", "reasoning_details"),
        *("audio", "data", "transcript", "status", "incomplete_details", "stop_reason", "system", "tools"),
    }
)
KINDS = [
    *(
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "text_delta",
        "fallback",
    ),
    *(
        "input_json_delta",
        "thinking_delta",
        "signature_delta",
        "citations_delta",
        "compaction_delta",
        "error",
    ),
    *("response.created", "response.completed", "response.output_item.added", "response.output_text.delta"),
    *("response.content_part.added", "response.function_call_arguments.delta", "ping"),
    "response.reasoning_summary_part.added",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(KINDS)
    | st.text(max_size=3)
)
noise = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KNOWN), inner, max_size=5),
    max_leaves=12,
)
kinds = st.sampled_from(KINDS) | noise
events = st.builds(
    lambda kind, rest: {**rest, "type": kind}, kinds, st.dictionaries(st.sampled_from(KNOWN), noise)
)
deltas = st.fixed_dictionaries({}, optional={"delta": noise, "index": noise, "logprobs": noise})
completions = st.fixed_dictionaries(
    {"choices": st.lists(deltas | noise, max_size=3)}, optional={"usage": noise}
)


def assert_folds_into_json(endpoint: Endpoint, chunks: list[Any]) -> None:
    before = json.dumps(chunks)
    response = folded(endpoint, chunks)
    assert isinstance(response, dict)
    json.dumps(response)
    assert json.dumps(chunks) == before
    assert all(isinstance(endpoint.is_first_token(chunk), bool) for chunk in chunks)


class TestWhateverArrives:
    @ENDPOINTS
    @settings(max_examples=80)
    @given(chunks=st.lists(events | completions | noise, max_size=6))
    def test_folds_into_json(self, endpoint: Endpoint, chunks: list[Any]) -> None:
        assert_folds_into_json(endpoint, chunks)

    @ENDPOINTS
    @settings(max_examples=50)
    @given(
        request=st.dictionaries(st.sampled_from(KNOWN), noise),
        response=st.dictionaries(st.sampled_from(KNOWN), noise),
    )
    def test_is_a_span(self, endpoint: Endpoint, request: Json, response: Json) -> None:
        facts = Facts("p", "s", endpoint, request, response, started=0.0, duration=0.0)
        row = generation(facts, Place("r", "s", "t"), Style()).row()
        assert row["metrics"]

    @ENDPOINTS
    def test_nothing(self, endpoint: Endpoint) -> None:
        assert folded(endpoint, []) == {}

    @ENDPOINTS
    @pytest.mark.parametrize("index", [None, "0", 1.5, True, [], {}])
    def test_a_position_that_is_none(self, endpoint: Endpoint, index: Any) -> None:
        """A position of a wrong type counts as the first."""
        place = {"index": index, "output_index": index, "content_index": index}
        chunks: list[Json] = [
            {"id": "c", "model": "m", "choices": [{**place, "delta": {"content": "a"}}]},
            {"choices": [{**place, "delta": {"tool_calls": [{**place, "function": {"arguments": "{}"}}]}}]},
            {**place, "type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
            {**place, "type": "response.output_text.delta", "delta": "a"},
        ]
        said = json.dumps(folded(endpoint, chunks))
        assert said.count('"a"') == 1


class TestFirstToken:
    @pytest.mark.parametrize(
        "delta",
        [
            {},
            {"role": "assistant"},
            {"role": "assistant", "content": "", "refusal": None},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "assistant", "audio": {"id": "audio_1", "transcript": ""}},
            {"audio": {"expires_at": 1}},
            {"reasoning_content": "", "reasoning_details": []},
            None,
            "text",
        ],
    )
    def test_a_chunk_without_content_is_none(self, delta: Any) -> None:
        assert not CHAT.is_first_token({"choices": [{"index": 0, "delta": delta}]})

    @pytest.mark.parametrize(
        "delta",
        [
            {"content": "a"},
            {"refusal": "no"},
            {"reasoning_content": "hm"},
            {"reasoning": "hm"},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2ln"}]},
            {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]},
            {"function_call": {"name": "f"}},
            {"audio": {"data": "AAAA"}},
            {"audio": {"transcript": "a"}},
        ],
    )
    def test_content_is_one(self, delta: Any) -> None:
        assert CHAT.is_first_token({"choices": [{"delta": {}}, {"index": 1, "delta": delta}]})

    @pytest.mark.parametrize(
        "chunk", [{"choices": []}, {"choices": None}, {}, [], None, "data", {"usage": {}}]
    )
    def test_a_chunk_without_choices_is_none(self, chunk: Any) -> None:
        assert not CHAT.is_first_token(chunk)

    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            ({"type": "response.created", "response": {"output": []}}, False),
            ({"type": "response.in_progress"}, False),
            ({"type": "response.output_item.added", "item": {"type": "message"}}, False),
            ({"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}}, False),
            ({"type": "response.output_text.delta", "delta": ""}, False),
            ({"type": "response.shell_call_output_content.delta", "delta": {"stdout": "a"}}, False),
            ({"type": "response.completed", "response": {}}, False),
            ({"type": ["response.output_text.delta"], "delta": "a"}, False),
            ({"type": "response.output_text.delta", "delta": "a"}, True),
            ({"type": "response.reasoning_summary_text.delta", "delta": "a"}, True),
            ({"type": "response.refusal.delta", "delta": "a"}, True),
            ({"type": "response.function_call_arguments.delta", "delta": "{"}, True),
            ({"type": "response.audio.delta", "delta": "AAAA"}, True),
        ],
    )
    def test_of_responses(self, event: Any, expected: bool) -> None:
        assert RESPONSES.is_first_token(event) is expected

    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            ({"type": "message_start", "message": {"content": []}}, False),
            ({"type": "ping"}, False),
            ({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, False),
            ({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}}, False),
            ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}}, False),
            (
                {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "c2ln"}},
                False,
            ),
            ({"type": "content_block_stop"}, False),
            ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, False),
            ({"type": "message_stop"}, False),
            ({"type": "content_block_delta", "delta": None}, False),
            ({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f"}}, False),
            (
                {
                    "type": "content_block_start",
                    "content_block": {"type": "redacted_thinking", "data": "c2ln"},
                },
                False,
            ),
            ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, True),
            ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "a"}}, True),
            (
                {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": ""}},
                True,
            ),
            (
                {"type": "content_block_delta", "delta": {"type": "citations_delta", "citation": {"a": 1}}},
                True,
            ),
        ],
    )
    def test_of_messages(self, event: Any, expected: bool) -> None:
        assert MESSAGES.is_first_token(event) is expected


COUNT = 100_000
PIECE = "eight ch"

LONG: list[tuple[Endpoint, Callable[[], Any]]] = [
    (CHAT, lambda: {"choices": [{"index": 0, "delta": {"content": "".join(PIECE)}}]}),
    (
        CHAT,
        lambda: {
            "choices": [
                {
                    "index": 0,
                    "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "".join(PIECE)}}]},
                }
            ]
        },
    ),
    (RESPONSES, lambda: {"type": "response.output_text.delta", "delta": "".join(PIECE)}),
    (
        MESSAGES,
        lambda: {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "".join(PIECE)},
        },
    ),
]


@pytest.mark.parametrize(("endpoint", "chunk"), LONG)
def test_a_long_stream_is_held_in_little_more_than_its_text(
    endpoint: Endpoint, chunk: Callable[[], Any]
) -> None:
    fold = endpoint.fold()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(COUNT):
            fold.add(chunk())
        held, peak = (reading - before for reading in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert held < 2 * COUNT * len(PIECE)
    assert peak < 2 * COUNT * len(PIECE)
    assert json.dumps(fold.response()).count(PIECE) == COUNT


@given(st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2000))
@settings(max_examples=30, deadline=None)
def test_text_is_the_sum_of_its_pieces(first: str, pieces: list[str]) -> None:
    text = Text(first)
    for piece in pieces:
        text.add(piece)
    assert str(text) == first + "".join(pieces)
    assert bool(text) is bool(first or any(pieces))


def test_the_folds_are_those_of_the_rows() -> None:
    assert (CHAT.fold, RESPONSES.fold, MESSAGES.fold) == (ChatFold, ResponseFold, MessageFold)
