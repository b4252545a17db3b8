"""Images, sound and files of real calls become attachments, whatever the SDK, and what is sent and received stays."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

import bttrace
from bttrace.testing import Attachment
from tests.apis import CHAT, MESSAGES, RESPONSES, Api, only, traced
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.reply import JSON

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
PDF = b"%PDF-1.1\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(64))
IMAGE = Attachment("image/png", PNG, "attachment.png")
FILE = Attachment("application/pdf", PDF, "blank.pdf")
QUESTION = "Briefly describe these attachments"


def text(data: bytes) -> str:
    return b64encode(data).decode()


def uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{text(data)}"


def _chat_content(image: object, file: object, sound: object) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": image}},
        {"type": "file", "file": {"filename": "blank.pdf", "file_data": file}},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
    ]


def _responses_content(image: object, file: object, sound: object) -> list[dict[str, Any]]:
    return [
        {"type": "input_text", "text": QUESTION},
        {"type": "input_image", "image_url": image, "detail": "low"},
        {"type": "input_file", "filename": "blank.pdf", "file_data": file},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
    ]


def _messages_content(image: object, file: object, _: object) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": QUESTION},
        {"type": "image", "source": image},
        {"type": "document", "source": file},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": image}]},
    ]


def _source(kind: str, data: bytes) -> dict[str, str]:
    return {"type": "base64", "media_type": kind, "data": text(data)}


# API -> its field of the request, what an application sends there, and what the row holds
GIVEN: dict[str, tuple[Api, str, list[Any], list[Any]]] = {
    "chat": (
        CHAT,
        "messages",
        _chat_content(uri("image/png", PNG), uri("application/pdf", PDF), text(WAV)),
        _chat_content(IMAGE, FILE, Attachment("audio/wav", WAV, "attachment.wav")),
    ),
    "responses": (
        RESPONSES,
        "input",
        _responses_content(uri("image/png", PNG), uri("application/pdf", PDF), text(WAV)),
        _responses_content(IMAGE, FILE, Attachment("audio/wav", WAV, "attachment.wav")),
    ),
    "messages": (
        MESSAGES,
        "messages",
        _messages_content(_source("image/png", PNG), _source("application/pdf", PDF), None),
        _messages_content(IMAGE, Attachment("application/pdf", PDF, "attachment.pdf"), None),
    ),
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_is_sent_becomes_attachments_in_the_row_alone(
    name: str, *, asynchronous: bool, streamed: bool
) -> None:
    api, field, content, expected = GIVEN[name]
    asked = {**api.given, field: [{"role": "user", "content": content}]}
    before = json.dumps(asked)
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(api.streamed() if streamed else api.whole())
        more = {"stream": True} if streamed else {}
        if asynchronous:
            asyncio.run(_asked(api, provider, {**asked, **more}, streamed=streamed))
        else:
            with api.client(provider) as client:
                answer = api.resource(client).create(**asked, **more)
                if streamed:
                    list(answer)
        row = only(captured)
        [request] = provider.requests
    assert row["input"] == [{"role": "user", "content": expected}]
    assert api.text(row["output"])
    assert json.dumps(asked) == before
    assert request.json[field][0]["content"] == content


async def _asked(api: Api, provider: ProviderServer, asked: dict[str, Any], *, streamed: bool) -> None:
    async with api.aclient(provider) as client:
        answer = await api.resource(client).create(**asked)
        if streamed:
            async for _ in answer:
                pass


RAW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a file's base64 alone": (
        {"type": "file", "file": {"filename": "blank.pdf", "file_data": text(PDF)}},
        {"type": "file", "file": {"filename": "blank.pdf", "file_data": FILE}},
    ),
    "a tool's image": (
        {"type": "image", "data": text(PNG), "mimeType": "image/png"},
        {"type": "image", "data": IMAGE, "mimeType": "image/png"},
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_base64_without_a_data_uri_becomes_an_attachment(name: str) -> None:
    part, expected = RAW[name]
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(replies.chat())
        with CHAT.client(provider) as client:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": [part]}])
        row = only(captured)
    assert row["input"] == [{"role": "user", "content": [expected]}]


def _edited(reply: replies.Reply, **fields: object) -> replies.Reply:
    """A whole reply with more fields."""
    return replace(reply, body=json.dumps({**json.loads(reply.body), **fields}).encode())


def test_spoken_answers_become_attachments() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "audio": {"id": "audio_1", "data": text(WAV), "expires_at": 1, "transcript": "Hi"},
    }
    reply = _edited(
        replies.chat(),
        choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
    )
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(reply)
        spoken = {"modalities": ["audio"], "audio": {"voice": "alloy", "format": "wav"}}
        with CHAT.client(provider) as client:
            answer = client.chat.completions.create(**CHAT.given, **spoken)
        row = only(captured)
    assert answer.choices[0].message.audio.data == text(WAV)
    assert row["output"][0]["message"]["audio"] == {
        "id": "audio_1",
        "data": Attachment("audio/wav", WAV, "attachment.wav"),
        "expires_at": 1,
        "transcript": "Hi",
    }


def test_spoken_answers_that_are_streamed_become_one_attachment() -> None:
    pcm = bytes(range(100)) * 3
    pieces = [text(pcm[at : at + 50]) for at in range(0, len(pcm), 50)]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "audio": {"id": "audio_1", "transcript": "Hi"}}]
    deltas += [{"audio": {"data": piece}} for piece in pieces]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-audio"}
    events = [
        replies.sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        for delta in deltas
    ]
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(
            replies.Reply(
                headers={"content-type": "text/event-stream"}, events=(*events, replies.sse("[DONE]"))
            )
        )
        with CHAT.client(provider) as client:
            list(client.chat.completions.create(**CHAT.given, stream=True))
        row = only(captured)
    assert row["output"][0]["message"]["audio"]["data"] == Attachment("audio/pcm", pcm, "attachment.pcm")


CALLED = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": text(PNG)}
SEEN: dict[str, Any] = {
    "type": "computer_call_output",
    "call_id": "call_1",
    "output": {"type": "computer_screenshot", "image_url": uri("image/png", PNG)},
}


def test_images_that_a_response_made_and_screenshots_become_attachments() -> None:
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(_edited(replies.response(), output=[CALLED]))
        with RESPONSES.client(provider) as client:
            answer = client.responses.create(model="gpt-5-mini", input=[SEEN])
        row = only(captured)
    assert answer.output[0].result == text(PNG)
    assert row["output"] == [{**CALLED, "result": IMAGE}]
    assert row["input"] == [{**SEEN, "output": {"type": "computer_screenshot", "image_url": IMAGE}}]


def test_an_image_that_was_still_being_made_when_its_stream_was_left_is_kept() -> None:
    begun = {**CALLED, "status": "generating", "result": None}
    steps: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "item": begun},
        {
            "type": "response.image_generation_call.partial_image",
            "item_id": "ig_1",
            "partial_image_b64": text(PNG),
            "partial_image_index": 0,
        },
        {"type": "response.image_generation_call.generating", "item_id": "ig_1"},
    ]
    events = tuple(
        replies.sse({**step, "output_index": 0, "sequence_number": number}, str(step["type"]))
        for number, step in enumerate(steps)
    )
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(replies.Reply(headers={"content-type": "text/event-stream"}, events=events))
        with (
            RESPONSES.client(provider) as client,
            client.responses.create(**RESPONSES.given, stream=True) as stream,
        ):
            next(stream)
            next(stream)
        row = only(captured)
    assert row["output"] == [{**begun, "partial_image_b64": IMAGE}]


@pytest.mark.parametrize("kind", ["image/png", "application/pdf"])
def test_an_answer_that_is_a_file_is_an_attachment(kind: str) -> None:
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(replies.Reply(headers={"content-type": kind}, body=PNG))
        with CHAT.client(provider) as client:
            raw = client.chat.completions.with_raw_response.create(**CHAT.given)
            assert raw.content == PNG
        row = only(captured)
    assert row["output"] == Attachment(kind, PNG, f"chat.completions.{kind.rpartition('/')[2]}")


def test_without_content_nothing_is_attached() -> None:
    api, field, content, _ = GIVEN["chat"]
    with ProviderServer() as provider, BraintrustServer() as server:
        provider.reply(api.whole())
        bttrace.enable(
            api_key=server.key, api_url=server.url, app_url=server.url, project="P", capture_content=False
        )
        with api.client(provider) as client:
            api.resource(client).create(**{**api.given, field: [{"role": "user", "content": content}]})
        assert bttrace.flush()
        [row] = server.rows("P")
    assert not {"input", "output"} & set(row)
    assert server.attachments == {}
    assert not [
        request for request in server.requests if request.route.startswith(("/attachment", "/signed"))
    ]
    assert all(text(PNG).encode() not in request.body for request in server.requests)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"choices":' * 50_000 + b"1", b'{"a": 1' + b"0" * 5000 + b"}"]
)
def test_an_answer_that_python_cannot_parse_is_told_as_text(body: bytes) -> None:
    with ProviderServer() as provider, traced() as (captured, _):
        provider.reply(replies.Reply(headers=JSON, body=body))
        with CHAT.client(provider) as client:
            raw = client.chat.completions.with_raw_response.create(**CHAT.given)
            assert raw.content == body
        row = only(captured)
    assert row["input"] == CHAT.given["messages"]
    assert row["output"] == body[:1_000_000].decode()


def test_half_characters_cost_no_row() -> None:
    with ProviderServer() as provider, BraintrustServer() as server:
        provider.reply(replies.chat("half \ud83d of a face"))
        bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="P")
        with CHAT.client(provider) as client:
            answer = client.chat.completions.create(**CHAT.given)
        assert bttrace.flush()
        [row] = server.rows("P")
        [insert] = [request for request in server.requests if request.route.endswith("/insert")]
    assert answer.choices[0].message.content == "half \ud83d of a face"
    assert row["output"][0]["message"]["content"] == "half \ufffd of a face"
    assert b"\\ud83d" not in insert.body


def test_the_public_spec_for_openai_holds() -> None:
    row, server = _spec_row(CHAT, "messages", GIVEN["chat"][2][:3])
    content = row["input"][1]["content"]
    assert row["input"][0] == {"role": "system", "content": "you are a helpful assistant"}
    assert content[0] == {"type": "text", "text": QUESTION}
    url, file = content[1]["image_url"]["url"], content[2]["file"]["file_data"]
    assert content[1] == {"type": "image_url", "image_url": {"url": url}}
    assert content[2] == {"type": "file", "file": {"filename": "blank.pdf", "file_data": file}}
    _refers(server, url, "image/png", "attachment.png", PNG)
    _refers(server, file, "application/pdf", "blank.pdf", PDF)
    assert row["span_attributes"] == {"name": "Chat Completion", "type": "llm"}
    assert row["output"][0]["finish_reason"] == "stop"


def test_the_public_spec_for_anthropic_holds() -> None:
    row, server = _spec_row(MESSAGES, "messages", GIVEN["messages"][2][:3])
    content = row["input"][0]["content"]
    assert content[0] == {"type": "text", "text": QUESTION}
    assert [part["type"] for part in content] == ["text", "image", "document"]
    _refers(server, content[1]["source"], "image/png", "attachment.png", PNG)
    _refers(server, content[2]["source"], "application/pdf", "attachment.pdf", PDF)
    assert row["span_attributes"] == {"name": "anthropic.messages.create", "type": "llm"}
    assert row["output"]["role"] == "assistant"
    assert row["output"]["content"][0]["type"] == "text"


def _spec_row(api: Api, field: str, content: list[Any]) -> tuple[dict[str, Any], BraintrustServer]:
    """Gives the row of a call as the spec makes it, and the Braintrust that it came to."""
    system = [{"role": "system", "content": "you are a helpful assistant"}] if api is CHAT else []
    with ProviderServer() as provider, BraintrustServer() as server:
        provider.reply(api.whole())
        bttrace.enable(
            api_key=server.key, api_url=server.url, app_url=server.url, project="P", span_names="braintrust"
        )
        with api.client(provider) as client:
            messages = [*system, {"role": "user", "content": content}]
            api.resource(client).create(**{**api.given, field: messages}, extra_body={"temperature": 0.0})
        assert bttrace.flush()
        [row] = server.rows("P")
    assert row["metadata"]["temperature"] == 0.0
    for name in ("tokens", "prompt_tokens", "completion_tokens"):
        assert row["metrics"][name] >= 0
    assert row["metadata"]["model"] == api.model
    assert row["metadata"]["provider"] == api.sdk.__name__
    assert row["context"]["span_origin"]["instrumentation"]["name"]
    assert server.attachment_flaws == []
    return row, server


def _refers(
    server: BraintrustServer, reference: dict[str, str], kind: str, filename: str, data: bytes
) -> None:
    key = reference["key"]
    assert reference == {
        "type": "braintrust_attachment",
        "content_type": kind,
        "filename": filename,
        "key": key,
    }
    upload = server.attachments[key]
    assert (upload.data, upload.content_type, upload.filename) == (data, kind, filename)
    assert upload.status == {"upload_status": "done"}
