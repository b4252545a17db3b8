"""Real exchanges of OpenAI's other endpoints, replayed through the real SDK: each span says what the recording says.

Where the recordings are looked for, and how they are served, is in `test_recorded_traffic`.
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from bttrace.model import Attachment
from bttrace.testing import capture
from tests.recordings import TRAFFIC, Json, events, recorded_server

Call = Callable[[openai.OpenAI, list[str], Json], Any]
"""Makes a call, of the client, the path's parts and the body; it gives a stream, or anything else."""

CALLS: dict[str, Call] = {
    "completions": lambda client, _, body: client.completions.create(**body),
    "embeddings": lambda client, _, body: client.embeddings.create(**body),
    "moderations": lambda client, _, body: client.moderations.create(**body),
    "images/generations": lambda client, _, body: client.images.generate(**body),
    "audio/speech": lambda client, _, body: client.audio.speech.create(**body),
    "audio/transcriptions": lambda client, _, body: client.audio.transcriptions.create(
        file=("a.wav", b"RIFF0000"), model="gpt-4o-transcribe", **body
    ),
    "responses/compact": lambda client, _, body: client.responses.compact(**body),
    "responses/input_tokens": lambda client, _, body: client.responses.input_tokens.count(**body),
    "responses/{id}": lambda client, path, body: client.responses.retrieve(path[-1], **body),
    "threads/{id}/runs": lambda client, path, body: client.beta.threads.runs.create(path[-2], **body),
    "threads/{id}/runs/{id}/submit_tool_outputs": (
        lambda client, path, body: client.beta.threads.runs.submit_tool_outputs(
            path[-2], thread_id=path[-4], **body
        )
    ),
}


def recorded() -> dict[str, Json]:
    """Gives every recorded exchange of these endpoints, by id."""
    found = [json.loads(file.read_bytes()) for file in sorted(TRAFFIC.glob("exchanges/openai-*.json"))]
    return {exchange["id"]: exchange for exchange in found if exchange["api"] in CALLS}


RECORDED = recorded()
pytestmark = pytest.mark.skipif(not RECORDED, reason=f"no recorded traffic in {TRAFFIC}")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with recorded_server() as url:
        yield url


def replayed(exchange: Json, server: str) -> tuple[list[Json], Exception | None]:
    """Makes the call of an exchange, reads the answer to its end; gives the rows, and what was raised."""
    request = exchange["request"]
    body = dict(request["body"]) if isinstance(request["body"], dict) else {}
    if body.get("encoding_format") == "base64":
        del body["encoding_format"]  # what the SDK asks for by itself
    extra = {name: body.pop(name) for name in ("input_type",) if name in body}
    given: Json = {**body, "extra_headers": {"X-Replay-Id": exchange["id"]}, "extra_body": extra or None}
    if exchange["api"] == "responses/{id}":
        given = {"extra_headers": given["extra_headers"], "stream": exchange["stream"]}
    error = None
    with openai.OpenAI(base_url=f"{server}/v1", api_key="k", max_retries=0) as client, capture() as captured:
        try:
            answer = CALLS[exchange["api"]](client, request["path"].split("/"), given)
            if isinstance(answer, openai.Stream):
                list(answer)
        except openai.APIError as raised:
            error = raised
        return captured.generations, error


def answered(exchange: Json) -> Any:
    """Gives what a recording answers, put together by hand if it was a stream."""
    body = exchange["response"]["body"]
    if not exchange["stream"]:
        return json.loads(body)
    chunks = events(body)
    if exchange["api"] == "responses/{id}":
        return chunks[-1]["response"]
    if exchange["api"] == "threads/{id}/runs":
        *_, run = (chunk for chunk in chunks if chunk.get("object") == "thread.run")
        return {
            **run,
            "messages": [c for c in chunks if c.get("object") == "thread.message" and c["completed_at"]],
            "tool_calls": [
                call
                for chunk in chunks
                if chunk.get("object") == "thread.run.step" and chunk["status"] == "completed"
                for call in chunk["step_details"].get("tool_calls", ())
            ],
        }
    last = chunks[-1]["choices"][0]
    text = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    return {"choices": [{**last, "text": text}]}


def shown(api: str, answer: Json) -> Any:
    """Gives what the span's output must be."""
    if api == "embeddings":
        vectors = [entry["embedding"] for entry in answer["data"]]
        sizes = [len(base64.b64decode(v)) // 4 if isinstance(v, str) else len(v) for v in vectors]
        return {"embedding_length": sizes[0], "count": len(sizes)}
    if api.startswith("threads"):
        names = ("id", "status", "required_action", "messages", "tool_calls")
        return {name: answer[name] for name in names if answer.get(name) is not None}
    places = {"moderations": "results", "images/generations": "data", "audio/transcriptions": "text"}
    return answer[places.get(api, "input_tokens" if api.endswith("tokens") else "output")]


def tokens(usage: Json | None) -> Json:
    """Gives the counts by hand."""
    usage = usage or {}
    counts = {
        "prompt_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "completion_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "tokens": usage.get("total_tokens"),
    }
    return {name: count for name, count in counts.items() if count is not None}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("exchange_id", sorted(RECORDED) or ["none"])
def test_an_exchange_is_the_span_that_the_recording_says(exchange_id: str, server: str) -> None:
    exchange = RECORDED[exchange_id]
    api = exchange["api"]
    rows, error = replayed(exchange, server)
    if exchange["response"]["status"] != 200:
        (row,) = rows
        assert row["error"] == f"{type(error).__name__}: {error}"
        assert "output" not in row
        return
    assert error is None
    if api == "audio/speech":
        (row,) = rows
        content = base64.b64decode(exchange["response"]["body"])
        assert row["output"] == Attachment("audio/pcm", content, "audio.speech.pcm")
        return
    answer = answered(exchange)
    if api == "responses/{id}" and answer["status"] != "completed":
        assert rows == []
        return
    (row,) = rows
    assert "error" not in row
    assert row["output"] == (answer["choices"] if api == "completions" else shown(api, answer))
    counted = {
        name: count
        for name, count in row["metrics"].items()
        if name in ("prompt_tokens", "completion_tokens", "tokens")
    }
    expected = {} if api == "responses/input_tokens" else tokens(answer.get("usage"))
    if api == "embeddings":
        expected.pop("completion_tokens", None)
    assert counted == expected
    assert ("stream_end" in row["metadata"]) is exchange["stream"]
