"""Anthropic's legacy text completion: of its own method in an old SDK nothing is here, of the endpoint everything."""

import asyncio
import json
from pathlib import Path
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.providers.anthropic.completions import COMPLETE
from tests.apis import BEGUN, MESSAGES, SAID, only, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, anthropic_error, text_completion, text_completion_stream
from tests.recordings import TRAFFIC

PROMPT = "\n\nHuman: hi\n\nAssistant:"
ASKED = {"model": "claude-2.1", "max_tokens_to_sample": 9, "prompt": PROMPT, "stop_sequences": ["\n\nHuman:"]}
STREAMED = sorted(TRAFFIC.glob("exchanges/anthropic-complete-stream-*.json"))


def asked(provider: ProviderServer, reply: Reply, **given: Any) -> dict[str, Any]:
    """Gives the span of a completion asked for as anthropic 2 allows it: by the client's `post`."""
    provider.route("/v1/complete", reply)
    body = {**ASKED, **given, "stream": bool(reply.events)}
    with MESSAGES.client(provider) as client, traced() as (captured, _):
        if reply.events:
            stream = client.post(
                "/v1/complete", cast_to=object, body=body, stream=True, stream_cls=anthropic.Stream[object]
            )
            for _event in stream:
                pass
        else:
            client.post("/v1/complete", cast_to=object, body=body)
        return only(captured)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_span(streamed: bool, provider: ProviderServer) -> None:
    reply = text_completion_stream() if streamed else text_completion()
    row = asked(provider, reply, temperature=0.5, metadata={"user_id": "u1"})
    assert row["span_attributes"] == {"name": "llm.generation (claude-2.1)", "type": "llm"}
    assert row["input"] == PROMPT
    assert row["output"] == {"completion": SAID, "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}
    assert row["metadata"] == {
        "provider": "anthropic",
        "model": "claude-2.1",
        "api": "complete",
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["\n\nHuman:"],
        "stream": streamed,
        "user_id": "u1",
        "response_id": "compl_loopback",
        "finish_reason": "stop_sequence",
        "request_id": "req_loopback_complete",
        **({"stream_end": "exhausted"} if streamed else {}),
    }
    first = {"time_to_first_token": 0.0} if streamed else {}
    assert row["metrics"] == {"start": BEGUN, "end": BEGUN, "duration_ms": 0.0, **first}


def test_asynchronously(provider: ProviderServer) -> None:
    async def ask() -> None:
        async with MESSAGES.aclient(provider) as client:
            stream = await client.post(
                "/v1/complete",
                cast_to=object,
                body={**ASKED, "stream": True},
                stream=True,
                stream_cls=anthropic.AsyncStream[object],
            )
            async for _event in stream:
                pass

    provider.route("/v1/complete", text_completion_stream())
    with traced() as (captured, _):
        asyncio.run(ask())
        assert only(captured)["output"]["completion"] == SAID


def test_a_stream_that_is_left_keeps_what_came(provider: ProviderServer) -> None:
    provider.route("/v1/complete", text_completion_stream(["4", "2", "0"]))
    with MESSAGES.client(provider) as client, traced() as (captured, _):
        with client.post(
            "/v1/complete", cast_to=object, body=ASKED, stream=True, stream_cls=anthropic.Stream[object]
        ) as stream:
            next(stream), next(stream)
        row = only(captured)
    assert row["output"] == {"completion": "42"}
    assert row["metadata"]["stream_end"] == "closed"


def test_a_refusal(provider: ProviderServer) -> None:
    with pytest.raises(anthropic.BadRequestError):
        asked(provider, anthropic_error(400, "No.", "invalid_request_error"))


@pytest.mark.skipif(not STREAMED, reason=f"no recorded traffic in {TRAFFIC}")
@pytest.mark.parametrize("file", STREAMED, ids=lambda file: str(file.stem))
def test_a_recorded_stream(file: Path, provider: ProviderServer) -> None:
    exchange = json.loads(file.read_text())
    body = exchange["response"]["body"]
    row = asked(provider, Reply(headers=exchange["response"]["headers"], events=(body.encode(),)))
    events = [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:")]
    assert row["output"]["completion"] == "".join(event.get("completion", "") for event in events)
    assert row["output"]["completion"]
    assert row["metadata"]["finish_reason"] == events[-1]["stop_reason"]
    assert row["metadata"]["response_id"] == events[-1]["id"]


@given(st.lists(st.text(max_size=4)))
def test_the_pieces_make_the_whole(pieces: list[str]) -> None:
    fold = COMPLETE.fold()
    for piece in pieces:
        fold.add({"type": "completion", "completion": piece})
    assert fold.response() == ({"type": "completion", "completion": "".join(pieces)} if pieces else {})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"completion": "a"}, True),
        ({"completion": ""}, False),
        ({"type": "ping"}, False),
        (None, False),
    ],
)
def test_the_first_token(event: object, expected: bool) -> None:
    assert COMPLETE.is_first_token(event) is expected
