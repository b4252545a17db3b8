"""What the span of each OpenAI endpoint says that answers at once, from sync and from async clients."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from bttrace.model import Attachment
from bttrace.spans.content_types import extension
from tests.apis import traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import (
    AUDIO,
    Reply,
    embeddings,
    openai_error,
    response,
    speech,
    speech_events,
    transcript,
    transcript_text,
)
from tests.loopback.reply import whole
from tests.openai_cases import (
    CASES,
    COMPLETION,
    EDIT,
    EMBEDDING,
    IMAGE,
    LLM_TIMES,
    SPEECH,
    SPEECH_EVENTS,
    TRANSCRIPTION,
    TRANSLATION,
    WAV,
    Case,
)
from tests.ways import Row, row

# The SDK's own, of endpoints that are old by now.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=repr)
class TestEach:
    def test_a_call(self, case: Case, aio: bool, provider: ProviderServer) -> None:
        provider.route(case.path, case.reply)
        found = row(provider, case.make, aio=aio)
        assert found["span_attributes"] == {"name": case.name, "type": case.type}
        assert found["input"] == case.given
        assert found["output"] == case.shown
        assert found["metadata"] == {"provider": "openai", "api": case.api, **case.metadata}
        assert found["metrics"] == case.metrics
        assert "error" not in found

    def test_as_braintrust_names_it(self, case: Case, aio: bool, provider: ProviderServer) -> None:
        provider.route(case.path, case.reply)
        assert (
            row(provider, case.make, aio=aio, span_names="braintrust")["span_attributes"]["name"]
            == case.named
        )

    def test_an_error(self, case: Case, aio: bool, provider: ProviderServer) -> None:
        provider.route(case.path, openai_error(400, "No.", code="bad"))

        def failing(client: Any) -> Any:
            async def awaited(coroutine: Any) -> None:
                with pytest.raises(openai.BadRequestError):
                    await coroutine

            if aio:
                return awaited(case.make(client))
            with pytest.raises(openai.BadRequestError):
                case.make(client)
            return None

        found = row(provider, failing, aio=aio)
        assert found["error"].startswith("BadRequestError: Error code: 400")
        assert "output" not in found
        assert found["input"] == case.given


class TestEmbeddings:
    @pytest.mark.parametrize("given", ["one", ["a", "b"], [1, 2, 3], [[1, 2], [3]]])
    def test_inputs(self, given: Any, provider: ProviderServer) -> None:
        provider.route("/v1/embeddings", embeddings())
        found = row(provider, lambda client: client.embeddings.create(model="m", input=given))
        assert found["input"] == given

    @pytest.mark.parametrize("encoded", [False, True])
    def test_the_length_however_it_is_encoded(self, encoded: bool, provider: ProviderServer) -> None:
        provider.route("/v1/embeddings", embeddings([[0.5] * 7], encoded=encoded))
        form = "base64" if encoded else "float"
        found = row(
            provider, lambda client: client.embeddings.create(model="m", input="a", encoding_format=form)
        )
        assert found["output"] == {"embedding_length": 7, "count": 1}

    def test_what_is_no_vector(self, provider: ProviderServer) -> None:
        data = [{"object": "embedding", "index": 0, "embedding": "?"}]
        reply = whole({"object": "list", "model": "m", "data": data, "usage": None}, {})
        provider.route("/v1/embeddings", reply)
        raw = row(provider, lambda client: client.embeddings.with_raw_response.create(model="m", input="a"))
        assert raw["output"] == {"embedding_length": 0, "count": 1}


class TestAudio:
    def transcribed(self, provider: ProviderServer, reply: Reply, **given: Any) -> Row:
        provider.route("/v1/audio/transcriptions", reply)
        return row(
            provider,
            lambda client: client.audio.transcriptions.create(model="whisper-1", file=WAV, **given),
        )

    @pytest.mark.parametrize(
        "text", ["Hello.\n", "42", "null", '{"not": ', "1\n00:00 --> 00:01\nHi.\n" * 500]
    )
    @pytest.mark.parametrize("form", ["text", "srt", "vtt"])
    def test_text_is_whole(self, form: str, text: str, provider: ProviderServer) -> None:
        found = self.transcribed(provider, transcript_text(text), response_format=form)
        assert found["output"] == text
        assert found["metadata"]["response_format"] == form

    def test_a_verbose_one_keeps_its_segments(self, provider: ProviderServer) -> None:
        segments = [{"id": 0, "start": 0.0, "end": 1.0, "text": "Hello."}]
        reply = transcript(
            "Hello.",
            {"type": "duration", "seconds": 3.5},
            language="english",
            duration=3.4,
            segments=segments,
        )
        found = self.transcribed(provider, reply, response_format="verbose_json")
        expected = {"text": "Hello.", "language": "english", "duration": 3.4, "segments": segments}
        assert found["output"] == expected
        assert found["metrics"] == LLM_TIMES
        assert found["metadata"]["audio_seconds"] == 3.5

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"RIFF1234WAVE", "wav"),
            (b"fLaC1234", "flac"),
            (b"OggS1234", "ogg"),
            (b"\xff\xfb\x90\x00", "mpeg"),
            (b"\xff\xf1\x50\x80", "aac"),
            (b"\x00\x01\x02\x03", "pcm"),
        ],
    )
    def test_events_of_speech_are_the_audio(
        self, content: bytes, kind: str, provider: ProviderServer
    ) -> None:
        provider.route("/v1/audio/speech", speech_events(content, size=3))
        found = row(provider, SPEECH_EVENTS.make)
        assert found["output"] == Attachment(
            f"audio/{kind}", content, f"audio.speech.{extension(f'audio/{kind}')}"
        )

    def test_speech_that_the_application_streams(self, provider: ProviderServer, tmp_path: Path) -> None:
        provider.route("/v1/audio/speech", speech())

        def streamed(client: Any) -> None:
            create = client.audio.speech.with_streaming_response.create
            with create(model="tts-1", voice="alloy", input="Hi") as answer:
                answer.stream_to_file(tmp_path / "a.mp3")

        found = row(provider, streamed)
        assert (tmp_path / "a.mp3").read_bytes() == AUDIO
        assert found["output"] == Attachment("audio/mpeg", AUDIO, "audio.speech.mp3")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_no_content_leaves_no_content(case: Case, provider: ProviderServer) -> None:
    provider.route(case.path, case.reply)
    found = row(provider, case.make, capture_content=False)
    assert "input" not in found
    assert "output" not in found
    assert found["metrics"] == case.metrics


@pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    "case", [COMPLETION, EMBEDDING, IMAGE, EDIT, SPEECH, TRANSCRIPTION, TRANSLATION], ids=repr
)
def test_azure_is_told_by_its_client(case: Case, aio: bool, provider: ProviderServer) -> None:
    """Azure's client asks for another path than the one that it is called with (openai 3.52, `lib/azure.py`)."""
    model = case.metadata["model"].partition(":")[0]
    path = f"/openai/deployments/{model}{case.path.removeprefix('/v1')}"
    provider.route(path, case.reply)
    options: Any = {"api_key": "k", "api_version": "2024-10-21", "azure_endpoint": provider.url}
    with traced() as (captured, _):
        if aio:

            async def main() -> None:
                async with openai.AsyncAzureOpenAI(**options) as client:
                    await case.make(client)

            asyncio.run(main())
        else:
            with openai.AzureOpenAI(**options) as client:
                case.make(client)
        (found,) = captured.rows
    assert [request.route for request in provider.requests] == [path]
    assert found["metadata"] == {"provider": "azure", "api": case.api, **case.metadata}
    assert found["metrics"] == case.metrics
    assert found["input"] == case.given


def test_a_retrieved_response_that_was_no_background_work_is_no_span(provider: ProviderServer) -> None:
    provider.route("/v1/responses", response())
    provider.route("/v1/responses/resp_loopback", response())

    def both(client: Any) -> None:
        client.responses.create(model="m", input="hi")
        client.responses.retrieve("resp_loopback")

    assert row(provider, both)["metadata"]["api"] == "responses"


@pytest.mark.parametrize(
    ("given", "session"),
    [
        ({"conversation": "conv_1"}, "conv_1"),
        ({"conversation": {"id": "conv_1"}, "prompt_cache_key": "key"}, "conv_1"),
        ({"prompt_cache_key": "key"}, "key"),
        ({"prompt_cache_key": "key", "extra_body": {"session_id": "s"}}, "s"),
        ({}, None),
    ],
)
def test_the_conversation_of_a_response_is_its_session(
    given: Any, session: str | None, provider: ProviderServer
) -> None:
    provider.route("/v1/responses", response())
    found = row(provider, lambda client: client.responses.create(model="m", input="hi", **given))
    assert found["metadata"].get("session_id") == session
