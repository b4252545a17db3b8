"""OpenAI audio: spoken, transcribed, translated. PURE.

Source: openai 3.52, `types/audio`. What is spoken is an answer of bytes, or with
`stream_format="sse"` events that the SDK hands over unread; transcripts are JSON, text,
or events. A model that is billed by duration tells no tokens.
"""

from __future__ import annotations

import base64

from ...model import Attachment, Endpoint, Json
from ...spans.base64_text import decoded
from ...spans.content_types import by_signature, extension
from ...values import field, items, members, plain, text
from ..text import Text
from .responses import with_instructions
from .rules import given

_PCM = "audio/pcm"  # of what `response_format` can ask for, the only one without a signature


class SpeechFold:
    """Puts the events of speech together: the audio as base64, and its tokens."""

    def __init__(self) -> None:
        self._audio: list[bytes] = []
        self._told: Json = {}

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        piece = field(chunk, "audio")
        if isinstance(piece, str):
            self._audio.append(decoded(piece) or b"")
        usage = field(chunk, "usage")
        if usage is not None:
            self._told["usage"] = plain(usage)

    def response(self) -> Json:
        """Gives the speech so far; an empty object when none came."""
        if not self._audio:
            return self._told
        return {**self._told, "audio": base64.b64encode(b"".join(self._audio)).decode("ascii")}


def _spoken(response: Json) -> object:
    content = decoded(text(response.get("audio")) or "")
    if not content:
        return None
    kind = by_signature(content) or _PCM
    return Attachment(kind, content, f"audio.speech.{extension(kind)}")


def _transcript(response: Json) -> object:
    """Gives the text, when that is all; else what stands beside it too."""
    said = {name: value for name, value in response.items() if name != "usage" and value is not None}
    return said["text"] if said.keys() == {"text"} else said or None


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries text."""
    return bool(field(chunk, "delta") or field(chunk, "text"))


class TranscriptFold:
    """Puts transcription events together into a transcription."""

    def __init__(self) -> None:
        self._text = Text()
        self._logprobs: list[object] = []
        self._segments: list[object] = []
        self._done: Json = {}

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = field(chunk, "type")
        if kind == "transcript.text.delta":
            delta = field(chunk, "delta")
            self._text.add(delta if isinstance(delta, str) else "")
            self._logprobs.extend(plain(logprob) for logprob in items(field(chunk, "logprobs")))
        elif kind == "transcript.text.segment":
            self._segments.append(plain(chunk))
        elif kind == "transcript.text.done":
            told = members(chunk).items()
            self._done = {name: plain(value) for name, value in told if name != "type" and value is not None}

    def response(self) -> Json:
        """Gives the transcription so far; an empty object when nothing came."""
        found: Json = {}
        if self._text:
            found["text"] = str(self._text)
        elif self._segments:
            found["text"] = "".join(text(field(segment, "text")) or "" for segment in self._segments)
        if self._logprobs:
            found["logprobs"] = self._logprobs
        if self._segments:
            found["segments"] = self._segments
        return {**found, **self._done}


SPEECH = Endpoint(
    path="/audio/speech",
    api="audio.speech",
    braintrust_name="Speech",
    request_model="openai.types.audio.SpeechCreateParams",
    input=with_instructions,
    output=_spoken,
    usage={
        "prompt_tokens": ("usage.input_tokens",),
        "completion_tokens": ("usage.output_tokens",),
        "tokens": ("usage.total_tokens",),
    },
    parameters={"response_format": ("response_format",)},
    fold=SpeechFold,
)

TRANSCRIPTIONS = Endpoint(
    path="/audio/transcriptions",
    api="audio.transcriptions",
    braintrust_name="Transcription",
    request_model="openai.types.audio.transcription_create_params.TranscriptionCreateParamsBase",
    response_model="openai.types.audio.TranscriptionCreateResponse",
    chunk_model="openai.types.audio.TranscriptionStreamEvent",
    input=given("file", "prompt"),
    output=_transcript,
    usage={**SPEECH.usage, "prompt_audio_tokens": ("usage.input_token_details.audio_tokens",)},
    parameters={
        "temperature": ("temperature",),
        "response_format": ("response_format",),
        "stream": ("stream",),
    },
    details={"audio_seconds": "usage.seconds"},
    is_first_token=is_first_token,
    fold=TranscriptFold,
)

TRANSLATIONS = Endpoint(
    path="/audio/translations",
    api="audio.translations",
    braintrust_name="Translation",
    request_model="openai.types.audio.TranslationCreateParams",
    response_model="openai.types.audio.TranslationCreateResponse",
    input=given("file", "prompt"),
    output=_transcript,
    parameters={"temperature": ("temperature",), "response_format": ("response_format",)},
)

ROWS = (SPEECH, TRANSCRIPTIONS, TRANSLATIONS)
