"""The OpenAI endpoints that answer at once, as rows of a table: a call, what answers it, and what its span must say."""

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bttrace.model import Attachment
from tests.apis import BEGUN
from tests.loopback.replies import (
    AUDIO,
    Reply,
    completion,
    decision,
    embeddings,
    images,
    moderation,
    speech,
    speech_events,
    transcript,
)
from tests.loopback.reply import whole
from tests.ways import Make, Row

TIMES = {"start": BEGUN, "end": BEGUN}
LLM_TIMES = {**TIMES, "duration_ms": 0.0}
WAV = b"RIFF0000WAVE"
PNG = b"\x89PNG"

JUDGED = moderation()


def counted(prompt: int, completion: int, **more: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "tokens": prompt + completion, **more}


@dataclass(frozen=True)
class Case:
    """A call, what answers it, and what its span must say beside the ids and the caller.

    An `output` that is a reply stands for the list in it.
    """

    api: str
    path: str
    make: Make
    reply: Reply
    given: Any
    output: Any
    metadata: Row = field(default_factory=dict)
    metrics: Row = field(default_factory=lambda: LLM_TIMES)
    name: str = ""
    named: str = ""
    type: str = "llm"

    def __repr__(self) -> str:
        return f"{self.api}-{self.named}"

    @property
    def shown(self) -> Any:
        """The span's output."""
        if not isinstance(self.output, Reply):
            return self.output
        answer = json.loads(self.output.body)
        return answer.get("choices", answer.get("results"))


COMPLETION = Case(
    "completions",
    "/v1/completions",
    lambda client: client.completions.create(
        model="gpt-3.5-turbo-instruct",
        prompt="Say hi",
        max_tokens=9,
        temperature=0,
        top_p=0.5,
        n=2,
        logprobs=1,
        echo=True,
        stop=["."],
        frequency_penalty=0.1,
        presence_penalty=0.2,
        user="u",
    ),
    completion([["Say hi", "!"], ["Say hi", "?"]], logprobs=True, finish_reason="length"),
    "Say hi",
    completion([["Say hi", "!"], ["Say hi", "?"]], logprobs=True, finish_reason="length"),
    {
        "model": "gpt-3.5-turbo-instruct:20230824-v2",
        "temperature": 0,
        "top_p": 0.5,
        "max_tokens": 9,
        "stop": ["."],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "user_id": "u",
        "response_id": "cmpl-loopback",
        "finish_reason": "length",
        "request_id": "req_loopback_completions",
    },
    {**LLM_TIMES, **counted(5, 3)},
    "llm.generation (gpt-3.5-turbo-instruct:20230824-v2)",
    "Completion",
)
EMBEDDING = Case(
    "embeddings",
    "/v1/embeddings",
    lambda client: client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], user="u"),
    embeddings([(0.25, -0.5, 0.75), (1.0, 2.0, 3.0)]),
    ["a", "b"],
    {"embedding_length": 3, "count": 2},
    {"model": "text-embedding-3-small", "user_id": "u", "request_id": "req_loopback_embeddings"},
    {**LLM_TIMES, "prompt_tokens": 4, "tokens": 4},
    "llm.generation (text-embedding-3-small)",
    "Embedding",
)
MODERATION = Case(
    "moderations",
    "/v1/moderations",
    lambda client: client.moderations.create(model="omni-moderation-latest", input="I like you."),
    JUDGED,
    "I like you.",
    JUDGED,
    {
        "model": "omni-moderation-2024-09-26",
        "response_id": "modr-loopback",
        "request_id": "req_loopback_judgements",
    },
    name="llm.generation (omni-moderation-2024-09-26)",
    named="Moderation",
)
QUESTION = {"type": "predicate", "name": "polite", "instructions": "It is polite."}
DECISION = Case(
    "decisions",
    "/v1/decisions",
    lambda client: client.decisions.create(
        model="gpt-6-luna", input="Hello!", questions=[QUESTION], safety_identifier="u", prompt_cache_key="s"
    ),
    decision(),
    {"input": "Hello!", "questions": [QUESTION]},
    [{"type": "predicate", "name": "polite", "probability": 0.75}],
    {
        "model": "gpt-6-luna",
        "user_id": "u",
        "session_id": "s",
        "request_id": "req_loopback_judgements",
    },
    {
        **LLM_TIMES,
        **counted(9, 2, completion_reasoning_tokens=0),
        "prompt_cached_tokens": 4,
        "cache_read_tokens": 4,
        "prompt_cache_creation_tokens": 1,
        "cache_creation_tokens": 1,
    },
    "llm.generation (gpt-6-luna)",
    "openai.decisions.create",
)
IMAGE = Case(
    "images.generate",
    "/v1/images/generations",
    lambda client: client.images.generate(model="gpt-image-2", prompt="A fjord", n=2, user="u"),
    images(
        ["aW1hZ2U=", "aW1hZ2Uy"],
        {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 10},
            "output_tokens": 20,
            "output_tokens_details": {"image_tokens": 18, "text_tokens": 2},
            "total_tokens": 30,
        },
    ),
    "A fjord",
    [{"b64_json": "aW1hZ2U="}, {"b64_json": "aW1hZ2Uy"}],
    {"model": "gpt-image-2", "user_id": "u", "request_id": "req_loopback_images"},
    {**LLM_TIMES, **counted(10, 20, completion_image_tokens=18)},
    "llm.generation (gpt-image-2)",
    "Image Generation",
)
EDIT = Case(
    "images.edit",
    "/v1/images/edits",
    lambda client: client.images.edit(
        model="gpt-image-2",
        prompt="With snow",
        image=[PNG, ("b.png", PNG, "image/png")],
        mask=("m.png", io.BytesIO(PNG)),
    ),
    images(),
    {
        "prompt": "With snow",
        "image": [
            Attachment("application/octet-stream", PNG, "upload"),
            Attachment("image/png", PNG, "b.png"),
        ],
        "mask": {"filename": "m.png", "content_type": "image/png"},
    },
    [{"b64_json": "aW1hZ2U="}],
    {"model": "gpt-image-2", "request_id": "req_loopback_images"},
    {**LLM_TIMES, **counted(10, 20)},
    "llm.generation (gpt-image-2)",
    "Image Edit",
)
VARIATION = Case(
    "images.create_variation",
    "/v1/images/variations",
    lambda client: client.images.create_variation(image=("a.png", PNG), response_format="url"),
    whole({"created": 1, "data": [{"url": "https://images.test/1.png"}]}, {}),
    {"image": Attachment("image/png", PNG, "a.png")},
    [{"url": "https://images.test/1.png"}],
    {"response_format": "url"},
    name="llm.generation",
    named="Image Variation",
)
SPEECH = Case(
    "audio.speech",
    "/v1/audio/speech",
    lambda client: client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello!", response_format="mp3"
    ),
    speech(),
    "Hello!",
    Attachment("audio/mpeg", AUDIO, "audio.speech.mp3"),
    {"model": "gpt-4o-mini-tts", "response_format": "mp3", "request_id": "req_loopback_audio"},
    name="llm.generation (gpt-4o-mini-tts)",
    named="Speech",
)
SPEECH_EVENTS = replace(
    SPEECH,
    make=lambda client: client.audio.speech.create(
        model="gpt-4o-mini-tts",
        voice="alloy",
        input="Hello!",
        instructions="Whisper.",
        response_format="mp3",
        stream_format="sse",
    ),
    reply=speech_events(),
    given=[{"role": "system", "content": "Whisper."}, {"role": "user", "content": "Hello!"}],
    metrics={**LLM_TIMES, **counted(5, 40)},
)
TRANSCRIPTION = Case(
    "audio.transcriptions",
    "/v1/audio/transcriptions",
    lambda client: client.audio.transcriptions.create(
        model="gpt-4o-transcribe",
        file=("a.wav", WAV),
        prompt="Names: Ada",
        temperature=0.2,
        response_format="json",
    ),
    transcript("Hello."),
    {"file": Attachment("audio/x-wav", WAV, "a.wav"), "prompt": "Names: Ada"},
    "Hello.",
    {
        "model": "gpt-4o-transcribe",
        "temperature": 0.2,
        "response_format": "json",
        "request_id": "req_loopback_audio",
    },
    {**LLM_TIMES, **counted(14, 6, prompt_audio_tokens=10)},
    "llm.generation (gpt-4o-transcribe)",
    "Transcription",
)
TRANSLATION = Case(
    "audio.translations",
    "/v1/audio/translations",
    lambda client: client.audio.translations.create(model="whisper-1", file=Path(__file__)),
    transcript("Hello.", usage=None),
    {"file": Attachment("text/x-python", Path(__file__).read_bytes(), Path(__file__).name)},
    "Hello.",
    {"model": "whisper-1", "request_id": "req_loopback_audio"},
    name="llm.generation (whisper-1)",
    named="Translation",
)
COMPACTED = Case(
    "responses.compact",
    "/v1/responses/compact",
    lambda client: client.responses.compact(model="gpt-5-mini", input="hi", instructions="Be brief."),
    whole(
        {
            "id": "resp_compacted",
            "object": "response.compaction",
            "created_at": 1,
            "output": [{"id": "cmp_1", "type": "compaction", "encrypted_content": "secret"}],
            "usage": {"input_tokens": 50, "output_tokens": 5, "total_tokens": 55},
        },
        {},
    ),
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    [{"id": "cmp_1", "type": "compaction", "encrypted_content": "secret"}],
    {"model": "gpt-5-mini", "response_id": "resp_compacted"},
    {**LLM_TIMES, **counted(50, 5)},
    "llm.generation (gpt-5-mini)",
    "openai.responses.compact",
)
COUNTED = Case(
    "responses.input_tokens",
    "/v1/responses/input_tokens",
    lambda client: client.responses.input_tokens.count(model="gpt-5-mini", input="hi", conversation="conv_1"),
    whole({"object": "response.input_tokens", "input_tokens": 8}, {}),
    "hi",
    8,
    {"model": "gpt-5-mini", "session_id": "conv_1"},
    TIMES,
    "responses.input_tokens",
    "openai.responses.input_tokens.count",
    "task",
)
CASES = [
    *(COMPLETION, EMBEDDING, MODERATION, DECISION, IMAGE, EDIT, VARIATION, SPEECH, SPEECH_EVENTS),
    *(TRANSCRIPTION, TRANSLATION, COMPACTED, COUNTED),
]
