"""The folds of OpenAI's other endpoints, without the SDK: what was split is put together, whatever arrives."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bttrace.model import Endpoint, Facts
from bttrace.providers.openai import PROVIDER
from bttrace.providers.openai.assistants import RUNS
from bttrace.providers.openai.audio import SPEECH, TRANSCRIPTIONS
from bttrace.providers.openai.chat import CHAT
from bttrace.providers.openai.completions import COMPLETIONS
from bttrace.providers.openai.embeddings import EMBEDDINGS
from bttrace.providers.openai.images import GENERATIONS
from bttrace.providers.openai.responses import RESPONSES
from bttrace.spans.base64_text import decoded
from bttrace.spans.base64_text import whole as whole_base64
from bttrace.spans.shape import generation
from bttrace.spans.style import Place, Style
from tests.test_folds import Draw, Json, assert_folds_into_json, cut, folded, interleaved, noise, words

NEW = [row for row in PROVIDER.endpoints if row not in (CHAT, RESPONSES)]
each_row = pytest.mark.parametrize("endpoint", NEW, ids=lambda row: row.api)


# Completions


@st.composite
def completion_streams(draw: Draw) -> tuple[Json, list[Json]]:
    """Draws a completion, and the chunks of a stream that says the same."""
    head: Json = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    choices, queues = [], []
    for index in range(draw(st.integers(1, 3))):
        text, reason = draw(words), draw(st.sampled_from(["stop", "length"]))
        pieces = cut(draw, text)
        scored = draw(st.booleans())
        logprobs = {"tokens": pieces, "token_logprobs": [-1.0] * len(pieces)} if scored else None
        choices.append({"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason})
        told = [
            {
                "index": index,
                "text": piece,
                "logprobs": {"tokens": [piece], "token_logprobs": [-1.0]} if scored else None,
                "finish_reason": None,
            }
            for piece in pieces
        ]
        last = {"index": index, "text": "", "logprobs": None, "finish_reason": reason}
        queues.append([*told, last])
    chunks: list[Json] = [{**head, "choices": [choice]} for choice in interleaved(draw, queues)]
    whole: Json = {**head, "choices": choices}
    if draw(st.booleans()):
        whole["usage"] = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        chunks.append({**head, "choices": [], "usage": whole["usage"]})
    return whole, chunks


@given(completion_streams())
def test_a_completion_is_put_together(drawn: tuple[Json, list[Json]]) -> None:
    whole, chunks = drawn
    assert folded(COMPLETIONS, chunks) == whole


# Transcriptions, images, speech


@given(st.data())
def test_a_transcript_is_put_together(data: st.DataObject) -> None:
    text = data.draw(words)
    deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in cut(data.draw, text)]
    usage = {"type": "tokens", "total_tokens": 3}
    done = {"type": "transcript.text.done", "text": text, "usage": usage}
    assert folded(TRANSCRIPTIONS, [*deltas, done]) == {"text": text, "usage": usage}
    assert folded(TRANSCRIPTIONS, deltas).get("text", "") == text


@given(st.binary(max_size=40), st.data())
def test_speech_is_put_together(content: bytes, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    parts = [content[start:end] for start, end in zip([0, *places], [*places, len(content)], strict=True)]
    encoded = [base64.b64encode(part).decode() for part in parts]
    told: list[Json] = [{"type": "speech.audio.delta", "audio": piece} for piece in encoded]
    told.append({"type": "speech.audio.done", "usage": {"total_tokens": 3}})
    whole = base64.b64encode(content).decode()
    assert folded(SPEECH, told) == {"audio": whole, "usage": {"total_tokens": 3}}
    joined = "".join(encoded)
    assert (decoded(joined) or b"") == content
    assert whole_base64(joined) == whole
    heard = [{"choices": [{"index": 0, "delta": {"audio": {"data": piece}}}]} for piece in encoded]
    choice: Any = folded(CHAT, heard)["choices"][0]
    assert choice["message"]["audio"]["data"] == whole


@pytest.mark.parametrize("text", ["", "AAAA", "QR==", "not base64", "a-b_c=d", "====", "\N{SNOWMAN}=x"])
def test_what_is_no_pieces_of_base64_stays_as_it_is(text: str) -> None:
    assert whole_base64(text) == text


def test_the_latest_partial_image_is_kept_until_one_is_finished() -> None:
    partial: list[Json] = [
        {"type": "image_generation.partial_image", "b64_json": name, "created_at": 1} for name in ("a", "b")
    ]
    done = {"type": "image_generation.completed", "b64_json": "c", "created_at": 2, "size": "1x1"}
    assert folded(GENERATIONS, partial) == {"created": 1, "data": [{"b64_json": "b"}]}
    assert folded(GENERATIONS, [*partial, done]) == {"created": 2, "size": "1x1", "data": [{"b64_json": "c"}]}
    assert folded(GENERATIONS, []) == {}


# Assistants


@given(st.data())
def test_a_message_of_a_run_is_put_together(data: st.DataObject) -> None:
    texts = data.draw(st.lists(words, min_size=1, max_size=3))
    head = {"id": "msg_1", "object": "thread.message", "role": "assistant"}
    queues: list[list[Json]] = [
        [{"index": index, "type": "text", "text": {"value": piece}} for piece in cut(data.draw, text)]
        for index, text in enumerate(texts)
    ]
    for index, queue in enumerate(queues):
        if index % 2:
            queue[0]["text"]["annotations"] = []
    openings = [queue.pop(0) for queue in queues]
    deltas = [openings, *([part] for part in interleaved(data.draw, queues))]
    told: list[Json] = [
        {"event": "thread.run.created", "data": {"id": "run_1", "status": "queued"}},
        {"event": "thread.message.created", "data": {**head, "content": []}},
        *(
            {"event": "thread.message.delta", "data": {"id": "msg_1", "delta": {"content": parts}}}
            for parts in deltas
        ),
    ]
    content = [
        {"type": "text", "text": {"value": text, **({"annotations": []} if index % 2 else {})}}
        for index, text in enumerate(texts)
    ]
    expected = {"id": "run_1", "status": "queued", "messages": [{**head, "content": content}]}
    assert folded(RUNS, told) == expected
    done = {"event": "thread.message.completed", "data": {**head, "content": content}}
    assert folded(RUNS, [*told, done]) == expected


def event(kind: str, **data: Any) -> Json:
    return {"event": kind, "data": data}


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (event("thread.run.created", id="run_1"), False),
        (event("thread.message.created", content=[]), False),
        (event("thread.message.delta", delta={"content": [{"text": {"value": "a"}}]}), True),
        (event("thread.message.delta", delta={"content": [{"text": {"value": ""}}]}), False),
        (event("thread.message.delta", delta={"content": [{"refusal": "a"}]}), True),
        (event("thread.run.step.delta", delta={"step_details": {"tool_calls": [{"index": 0}]}}), True),
        (event("thread.run.step.delta", delta={"step_details": {"message_creation": {}}}), False),
    ],
)
def test_the_first_token_of_a_run(chunk: Json, expected: bool) -> None:
    assert RUNS.is_first_token(chunk) is expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"id": "r", "status": "completed"}, "r"),
        ({"id": "r", "status": "queued"}, None),
        ({"id": "r", "status": "requires_action"}, "r"),
        (
            {
                "id": "r",
                "status": "requires_action",
                "required_action": {"submit_tool_outputs": {"tool_calls": [{"id": "a"}, {"id": "b"}]}},
            },
            "r a b",
        ),
        ({"status": "completed"}, None),
        ({}, None),
    ],
)
def test_what_a_run_settles(run: Json, expected: str | None) -> None:
    assert RUNS.settles(run) == expected


# Whatever arrives

_NAMES = (
    *("type", "event", "data", "delta", "text", "content", "tool_calls", "step_details", "id", "index"),
    *("choices", "logprobs", "usage", "b64_json", "created_at", "audio", "segments", "status", "embedding"),
    *("background", "errors", "last_error", "error", "required_action", "submit_tool_outputs", "results"),
)
_KINDS = (
    *("thread.message.delta", "thread.message.created", "thread.run.step.delta", "thread.run.completed"),
    *("transcript.text.delta", "transcript.text.segment", "transcript.text.done", "completed"),
    *("image_generation.completed", "requires_action", "failed", "response.output_text.annotation.added"),
    *("response.shell_call_command.delta", "response.shell_call_output_content.delta"),
    *("response.image_generation_call.partial_image", "response.web_search_call.searching"),
    *("response.output_text.done", "response.output_item.added"),
)
things = st.recursive(
    noise | st.sampled_from(_KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
    max_leaves=12,
)
chunk_lists = st.lists(st.dictionaries(st.sampled_from(_NAMES), things, max_size=5) | things, max_size=6)


class TestWhateverArrives:
    @pytest.mark.parametrize(
        "endpoint", {row.fold: row for row in NEW}.values(), ids=lambda row: row.fold.__name__
    )
    @settings(max_examples=40)
    @given(chunks=chunk_lists)
    def test_folds_into_json(self, endpoint: Endpoint, chunks: list[Any]) -> None:
        assert_folds_into_json(endpoint, chunks)

    @each_row
    @settings(max_examples=15)
    @given(
        request=st.dictionaries(st.sampled_from(_NAMES), things),
        response=st.dictionaries(st.sampled_from(_NAMES), things),
    )
    def test_is_a_span(self, endpoint: Endpoint, request: Json, response: Json) -> None:
        facts = Facts("p", "s", endpoint, request, response, started=0.0, duration=0.0)
        row = generation(facts, Place("r", "s", "t"), Style()).row()
        json.dumps(row, default=repr)
        assert endpoint.settles(response) is None or isinstance(endpoint.settles(response), str)


def test_vectors_never_show() -> None:
    response: Json = {"data": [{"embedding": [0.123] * 3}], "usage": {"prompt_tokens": 1}}
    facts = Facts("p", "s", EMBEDDINGS, {"input": "a"}, response, started=0.0, duration=0.0)
    assert "0.123" not in json.dumps(generation(facts, Place("r", "s", "t"), Style()).row())
