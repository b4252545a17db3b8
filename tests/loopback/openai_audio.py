"""Replies of OpenAI's POST /v1/audio/...: bytes, transcripts as JSON and as text, and both as streams."""

import base64
from collections.abc import Mapping, Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, sse, whole

Object = dict[str, object]

_HEADERS = {"x-request-id": "req_loopback_audio"}
AUDIO = b"ID3\x04\x00\x00loopback"
TRANSCRIPT_USAGE: Object = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 6,
    "total_tokens": 20,
}
SPEECH_USAGE: Object = {"input_tokens": 5, "output_tokens": 40, "total_tokens": 45}


def speech(content: bytes = AUDIO, kind: str = "audio/mpeg") -> Reply:
    """The audio itself."""
    return Reply(headers={**_HEADERS, "content-type": kind}, body=content)


def speech_events(content: bytes = AUDIO, size: int = 5) -> Reply:
    """The audio as events of `size` bytes each, encoded one by one, with the usage in the last."""
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    steps: list[Object] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()} for part in parts
    ]
    steps.append({"type": "speech.audio.done", "usage": SPEECH_USAGE})
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(sse(step) for step in steps))


def transcript(
    text: str = "".join(GREETING), usage: Mapping[str, object] | None = TRANSCRIPT_USAGE, **more: object
) -> Reply:
    """A transcription or translation as JSON."""
    told = {} if usage is None else {"usage": usage}
    return whole({"text": text, **more, **told}, _HEADERS)


def transcript_text(text: str) -> Reply:
    """A transcription or translation as text, subtitles among them."""
    return Reply(headers={**_HEADERS, "content-type": "text/plain; charset=utf-8"}, body=text.encode())


def transcript_stream(
    pieces: Sequence[str] = GREETING,
    *,
    logprobs: Sequence[Object] = (),
    segments: Sequence[Object] = (),
    usage: Mapping[str, object] | None = TRANSCRIPT_USAGE,
) -> Reply:
    """A transcription as a stream: its segments, or its text piece by piece, and then all of it."""
    steps: list[Object] = [{"type": "transcript.text.segment", **segment} for segment in segments]
    for position, piece in enumerate(pieces):
        step: Object = {"type": "transcript.text.delta", "delta": piece}
        steps.append({**step, "logprobs": [logprobs[position]]} if logprobs else step)
    last: Object = {"type": "transcript.text.done", "text": "".join(pieces)}
    last.update({"logprobs": list(logprobs)} if logprobs else {})
    steps.append({**last, "usage": usage} if usage else last)
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(sse(step) for step in steps))
