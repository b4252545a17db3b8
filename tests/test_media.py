"""Binary content is found in every shape that providers give it, and in no other."""

from __future__ import annotations

import copy
import json
import time
from base64 import b64encode, encodebytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.model import Attachment
from bttrace.spans.content_types import by_signature, filename
from bttrace.spans.media import FORMATS, attached

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(32))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(32))
PDF = b"%PDF-1.1\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32)
PCM = bytes(range(48))


def text(data: bytes) -> str:
    return b64encode(data).decode()


def uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{text(data)}"


AN_IMAGE = Attachment("image/png", PNG, "attachment.png")
A_FILE = Attachment("application/pdf", PDF, "blank.pdf")

# format -> what is given, and what becomes of it; each as the provider's reference shows it
SHAPES: dict[str, list[tuple[Any, Any]]] = {
    "data URI": [
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri("image/png", PNG), "detail": "low"}}]}],
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": AN_IMAGE, "detail": "low"}}]}],
        ),
        (
            {"type": "file", "file": {"filename": "blank.pdf", "file_data": uri("application/pdf", PDF)}},
            {"type": "file", "file": {"filename": "blank.pdf", "file_data": A_FILE}},
        ),
        (
            {"type": "input_image", "image_url": uri("image/png", PNG), "detail": "auto"},
            {"type": "input_image", "image_url": AN_IMAGE, "detail": "auto"},
        ),
        (
            {"type": "input_file", "filename": "blank.pdf", "file_data": uri("application/pdf", PDF)},
            {"type": "input_file", "filename": "blank.pdf", "file_data": A_FILE},
        ),
        (
            {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": uri("image/png", PNG)}},
            {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": AN_IMAGE}},
        ),
        ([uri("image/svg+xml;charset=utf-8", b"<svg xmlns='x'></svg>")], [Attachment("image/svg+xml", b"<svg xmlns='x'></svg>", "attachment.svg")]),
        (uri("IMAGE/PNG", PNG), AN_IMAGE),
    ],
    "Anthropic source": [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text(PNG)}, "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": AN_IMAGE, "cache_control": {"type": "ephemeral"}},
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": text(PDF)}}]},
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "document", "source": Attachment("application/pdf", PDF, "attachment.pdf")}]},
        ),
    ],
    "OpenAI audio": [
        (
            {"type": "input_audio", "input_audio": {"data": text(WAV), "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": Attachment("audio/wav", WAV, "attachment.wav"), "format": "wav"}},
        ),
        (
            {"role": "assistant", "audio": {"id": "a", "data": text(WAV), "expires_at": 1, "transcript": "hi"}},
            {"role": "assistant", "audio": {"id": "a", "data": Attachment("audio/wav", WAV, "attachment.wav"), "expires_at": 1, "transcript": "hi"}},
        ),
        ({"audio": {"data": text(PCM)}}, {"audio": {"data": Attachment("audio/pcm", PCM, "attachment.pcm")}}),
    ],
    "OpenAI image": [
        (
            {"created": 1, "data": [{"b64_json": text(JPEG), "revised_prompt": "a red dot"}]},
            {"created": 1, "data": [{"b64_json": Attachment("image/jpeg", JPEG, "attachment.jpg"), "revised_prompt": "a red dot"}]},
        ),
        (
            {"type": "image_generation.partial_image", "b64_json": text(PCM), "output_format": "webp", "partial_image_index": 0},
            {"type": "image_generation.partial_image", "b64_json": Attachment("image/webp", PCM, "attachment.webp"), "output_format": "webp", "partial_image_index": 0},
        ),
        ({"partial_image_b64": text(PNG)}, {"partial_image_b64": AN_IMAGE}),
    ],
    "OpenAI image generation call": [
        (
            {"type": "image_generation_call", "id": "ig", "status": "completed", "result": text(PNG)},
            {"type": "image_generation_call", "id": "ig", "status": "completed", "result": AN_IMAGE},
        ),
        (
            {"type": "image_generation_call", "id": "ig", "status": "generating", "partial_image_b64": text(PCM)},
            {"type": "image_generation_call", "id": "ig", "status": "generating", "partial_image_b64": Attachment("image/png", PCM, "attachment.png")},
        ),
    ],
    "OpenAI file data": [
        ({"file": {"filename": "blank.pdf", "file_data": text(PDF)}}, {"file": {"filename": "blank.pdf", "file_data": A_FILE}}),
        ({"filename": "notes.TXT", "file_data": text(PCM)}, {"filename": "notes.TXT", "file_data": Attachment("text/plain", PCM, "notes.TXT")}),
        ({"file_data": text(PDF)}, {"file_data": Attachment("application/pdf", PDF, "attachment.pdf")}),
    ],
    "data beside its type": [
        (
            [{"type": "image", "data": text(PNG), "mimeType": "image/png"}],
            [{"type": "image", "data": AN_IMAGE, "mimeType": "image/png"}],
        ),
        ({"inline_data": {"mime_type": "image/png", "data": text(PNG)}}, {"inline_data": {"mime_type": "image/png", "data": AN_IMAGE}}),
    ],
}  # fmt: skip

LEFT = {
    "a data URI within a sentence": f"Look: {uri('image/png', PNG)} please",
    "a data URI that goes on": f"{uri('image/png', PNG)} please",
    "a data URI without base64": "data:text/plain,hello there everybody",
    "base64 that is cut off": uri("image/png", PNG)[:-1],
    "base64 with a stranger in it": uri("image/png", PNG)[:40] + "!" + uri("image/png", PNG)[41:],
    "base64 with a word in it": uri("image/png", PNG)[:40] + "****" + uri("image/png", PNG)[44:],
    "base64 that is not ASCII": uri("image/png", PNG)[:40] + "é" + uri("image/png", PNG)[41:],
    "too much padding": "data:image/png;base64,AAAAAAAAAAAAAAAA====",
    "an empty data URI": "data:image/png;base64,",
    "a picture's address": {
        "type": "image_url",
        "image_url": {"url": "https://example.com/a-picture-of-it.png"},
    },
    "a source by address": {
        "type": "image",
        "source": {"type": "url", "url": "https://example.com/a-picture.png"},
    },
    "a source without a type": {"source": {"type": "base64", "data": text(PNG)}},
    "a source of text": {
        "source": {"type": "text", "media_type": "text/plain", "data": "abcdefghijklmnopqrst"}
    },
    "a short word": {"b64_json": "abcd", "input_audio": {"data": "abcd", "format": "wav"}},
    "data of no known kind": {"data": text(PNG), "result": text(PNG)},
    "a file of no known kind": {"file_data": text(PCM), "filename": "what.ever"},
    "the result of a tool": {"type": "function_call_output", "result": "abcdefghijklmnopqrstuvwx"},
    "an attachment": [AN_IMAGE, {"image": AN_IMAGE}],
    "a picture that is asked for": {"audio": {"voice": "alloy", "format": "wav"}},
}


def test_every_format_has_its_shapes_here() -> None:
    assert set(SHAPES) == set(FORMATS)


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name in SHAPES for number in range(len(SHAPES[name]))]
)
def test_what_holds_content_gets_an_attachment_in_its_place(name: str, number: int) -> None:
    value, expected = SHAPES[name][number]
    before = copy.deepcopy(value)
    assert attached(value) == expected
    assert value == before


@pytest.mark.parametrize("name", SHAPES)
def test_each_format_is_needed_by_its_shapes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = {other: format_ for other, format_ in FORMATS.items() if other != name}
    monkeypatch.setattr("bttrace.spans.media.FORMATS", rest)
    assert [attached(value) for value, _ in SHAPES[name]] != [expected for _, expected in SHAPES[name]]


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_content_stays_the_very_same(name: str) -> None:
    assert attached(LEFT[name]) is LEFT[name]


def test_only_what_holds_content_is_copied() -> None:
    value: list[Any] = [{"role": "system", "content": ["x"]}, {"image_url": uri("image/png", PNG)}]
    found = attached(value)
    assert isinstance(found, list)
    assert found[0] is value[0]
    assert found[1] == {"image_url": AN_IMAGE}


def test_line_breaks_and_pieces_with_padding_of_their_own_decode() -> None:
    broken = f"data:image/png;base64,{encodebytes(PNG * 9).decode()}"
    assert attached(broken) == Attachment("image/png", PNG * 9, "attachment.png")
    streamed = "".join(text(PCM[at : at + 7]) for at in range(0, 42, 7))
    assert streamed.count("=") > 2
    assert attached({"audio": {"data": streamed}}) == {
        "audio": {"data": Attachment("audio/pcm", PCM[:42], "attachment.pcm")}
    }


def test_long_content_decodes_whole_and_one_bad_character_in_it_is_seen() -> None:
    data = bytes(range(256)) * 9_000
    whole = uri("image/png", data)
    assert attached(whole) == Attachment("image/png", data, "attachment.png")
    for place in (30, len(whole) // 2, len(whole) - 3):
        assert isinstance(attached(whole[:place] + "*" + whole[place + 1 :]), str)


def test_depth_and_circles_are_no_danger() -> None:
    deep: list[Any] = [uri("image/png", PNG)]
    for _ in range(10_000):
        deep = [deep]
    assert attached(deep) is deep
    circle: dict[str, Any] = {"url": uri("image/png", PNG)}
    circle["self"] = [circle] * 50
    found = attached(circle)
    assert isinstance(found, dict)
    assert found["url"] == AN_IMAGE
    shared: list[Any] = [{"url": uri("image/png", PNG)}]
    for _ in range(100):
        shared = [shared, shared, shared]
    began = time.thread_time()
    attached(shared)
    assert time.thread_time() - began < 2


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["data", "source", "type", "audio", "b64_json", "mimeType", "file_data", "x"]), inner, max_size=4),
    max_leaves=30,
))  # fmt: skip
def test_any_json_is_taken_and_never_changed(value: Any) -> None:
    before = json.dumps(value)
    attached(value)
    assert json.dumps(value) == before


@given(st.binary(min_size=15, max_size=3000))
def test_any_bytes_come_back_whole(data: bytes) -> None:
    assert attached(uri("application/octet-stream", data)) == Attachment(
        "application/octet-stream", data, "attachment.bin"
    )
    source = {"type": "base64", "media_type": "image/gif", "data": text(data)}
    assert attached([{"source": source}]) == [{"source": Attachment("image/gif", data, "attachment.gif")}]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("image/png", "attachment.png"),
        ("image/jpeg", "attachment.jpg"),
        ("audio/mpeg", "attachment.mp3"),
        ("image/x-icon", "attachment.icon"),
        ("application/vnd.ms-excel", "attachment.bin"),
        ("model/../../etc", "attachment.etc"),
    ],
)
def test_content_without_a_name_is_named_by_its_type(kind: str, expected: str) -> None:
    assert filename(kind) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, "image/png"), (JPEG, "image/jpeg"), (WAV, "audio/wav"), (PDF, "application/pdf"), (b"GIF89a...", "image/gif"),
        (b"RIFF0000WEBPVP8 ", "image/webp"), (b"ID3\x04", "audio/mpeg"), (b"\xff\xfb\x90", "audio/mpeg"), (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"), (b"\xff\xf1P", "audio/aac"), (b'<?xml version="1.0"?>\n<svg xmlns="x">', "image/svg+xml"),
        (b"plain", None), (b"", None),
    ],
)  # fmt: skip
def test_the_first_bytes_tell_the_type(data: bytes, expected: str | None) -> None:
    assert by_signature(data) == expected
