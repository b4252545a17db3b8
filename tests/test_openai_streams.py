"""Streams of OpenAI's other endpoints: the span is that of the same call unstreamed, and of one left early, what came."""

from typing import Any

import pytest

from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    IMAGE_USAGE,
    Reply,
    completion,
    completion_stream,
    images,
    images_stream,
    transcript,
    transcript_stream,
)
from tests.openai_cases import WAV
from tests.ways import Make, Row, row

each_kind = pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
LOGPROBS: Any = [{"token": piece, "logprob": -0.5, "bytes": [1]} for piece in ("Hel", "lo")]
SEGMENTS: Any = [
    {"id": f"seg_{index}", "start": 0.0, "end": 1.0, "speaker": speaker, "text": text}
    for index, (speaker, text) in enumerate([("A", "Hi. "), ("B", "Hello.")])
]


def completed(**given: Any) -> Make:
    return lambda client: client.completions.create(model="m", prompt="Say hi", **given)


def drawn(**given: Any) -> Make:
    return lambda client: client.images.generate(model="gpt-image-2", prompt="A fjord", **given)


def edited(**given: Any) -> Make:
    return lambda client: client.images.edit(
        model="gpt-image-2", prompt="Snow", image=("a.png", b"PNG"), **given
    )


def transcribed(**given: Any) -> Make:
    return lambda client: client.audio.transcriptions.create(model="m", file=("a.wav", WAV), **given)


TWO = [["a", "b", "c"], ["d", "e"]]
PAIRS: dict[str, tuple[str, Any, Reply, Reply]] = {
    "completion": ("/v1/completions", completed, completion(), completion_stream()),
    "two completions": (
        "/v1/completions",
        completed,
        completion(TWO, logprobs=True, finish_reason="length"),
        completion_stream(TWO, logprobs=True, finish_reason="length"),
    ),
    "image": ("/v1/images/generations", drawn, images(), images_stream()),
    "two images": (
        "/v1/images/generations",
        drawn,
        images(["aQ==", "ag=="]),
        images_stream(["aQ==", "ag=="]),
    ),
    "edit": ("/v1/images/edits", edited, images(), images_stream(kind="image_edit")),
    "transcript": ("/v1/audio/transcriptions", transcribed, transcript(), transcript_stream()),
    "transcript with logprobs": (
        "/v1/audio/transcriptions",
        transcribed,
        transcript("Hello", logprobs=LOGPROBS),
        transcript_stream(["Hel", "lo"], logprobs=LOGPROBS),
    ),
}


def compared(found: Row) -> Row:
    """Gives what must be the same of a stream: all but the signs that it was one."""
    metadata = {
        name: value for name, value in found["metadata"].items() if name not in ("stream", "stream_end")
    }
    metrics = {name: value for name, value in found["metrics"].items() if name != "time_to_first_token"}
    kept = {name: value for name, value in found.items() if name in ("input", "output", "span_attributes")}
    return {**kept, "metadata": metadata, "metrics": metrics}


@each_kind
@pytest.mark.parametrize("name", PAIRS)
def test_a_stream_says_what_the_whole_answer_says(name: str, aio: bool, provider: ProviderServer) -> None:
    path, call, whole, streamed = PAIRS[name]
    provider.route(path, whole, streamed)
    expected = row(provider, call(), aio=aio)
    found = row(provider, call(stream=True), aio=aio)
    assert compared(found) == compared(expected)
    assert found["output"]
    assert found["metrics"]["time_to_first_token"] == 0.0
    assert (found["metadata"]["stream"], found["metadata"]["stream_end"]) == (True, "exhausted")
    assert "stream_end" not in expected["metadata"]


@each_kind
@pytest.mark.parametrize(
    ("path", "make", "reply", "chunks", "output"),
    [
        (
            "/v1/completions",
            completed(stream=True),
            completion_stream(TWO),
            3,
            [
                {"index": 0, "text": "ab", "finish_reason": None, "logprobs": None},
                {"index": 1, "text": "d", "finish_reason": None, "logprobs": None},
            ],
        ),
        ("/v1/images/generations", drawn(stream=True), images_stream(), 2, [{"b64_json": "cGFydHM="}]),
        ("/v1/audio/transcriptions", transcribed(stream=True), transcript_stream(["Hel", "lo"]), 1, "Hel"),
        (
            "/v1/audio/transcriptions",
            transcribed(stream=True),
            transcript_stream([], segments=SEGMENTS),
            2,
            {
                "text": "Hi. Hello.",
                "segments": [{"type": "transcript.text.segment", **segment} for segment in SEGMENTS],
            },
        ),
    ],
    ids=["completion", "image", "transcript", "diarized"],
)
def test_one_left_early_shows_what_came(
    path: str, make: Make, reply: Reply, chunks: int, output: Any, aio: bool, provider: ProviderServer
) -> None:
    provider.route(path, reply)
    found = row(provider, make, aio=aio, chunks=chunks)
    assert found["output"] == output
    assert found["metadata"]["stream_end"] == "closed"
    assert "finish_reason" not in found["metadata"]
    assert "tokens" not in found["metrics"]


def test_a_completion_without_usage_has_no_tokens(provider: ProviderServer) -> None:
    provider.route("/v1/completions", completion_stream(usage=None))
    found = row(provider, completed(stream=True))
    assert not {"tokens", "prompt_tokens", "completion_tokens"} & found["metrics"].keys()
    assert found["metadata"]["finish_reason"] == "stop"


def test_a_completion_of_nothing_has_no_first_token(provider: ProviderServer) -> None:
    provider.route("/v1/completions", completion_stream([[]]))
    assert "time_to_first_token" not in row(provider, completed(stream=True))["metrics"]


def test_a_diarized_transcript(provider: ProviderServer) -> None:
    provider.route("/v1/audio/transcriptions", transcript_stream(["Hi. ", "Hello."], segments=SEGMENTS))
    found = row(provider, transcribed(stream=True, response_format="diarized_json"))
    assert found["output"] == {
        "text": "Hi. Hello.",
        "segments": [{"type": "transcript.text.segment", **segment} for segment in SEGMENTS],
    }
    assert found["metrics"]["prompt_audio_tokens"] == 10


def test_the_usage_of_an_image_comes_with_its_last_event(provider: ProviderServer) -> None:
    provider.route("/v1/images/generations", images_stream())
    assert row(provider, drawn(stream=True))["metrics"]["tokens"] == IMAGE_USAGE["total_tokens"]


def test_a_stream_that_is_read_as_bytes(provider: ProviderServer) -> None:
    provider.route("/v1/completions", completion_stream())

    def read(client: Any) -> None:
        create = client.completions.with_streaming_response.create
        with create(model="m", prompt="hi", stream=True) as answer:
            assert b"loopback" in answer.read()

    found = row(provider, read)
    assert found["output"][0]["text"] == "Hello from loopback."
    assert found["metrics"]["tokens"] == 8
