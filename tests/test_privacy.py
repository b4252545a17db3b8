"""What the user masks, and what is a secret, is in no row: neither in memory, nor on disk, nor on the wire."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import braintrust
import openai
import pytest

import bttrace
from bttrace.model import Attachment
from bttrace.testing import capture
from tests import masks_of_tests
from tests.apis import CHAT, generated
from tests.doors import hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, openai_error
from tests.masks_of_tests import WORD

KEY = "sk-proj-Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7b"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(40)
TOOL: Any = {
    "type": "function",
    "function": {"name": "look_up", "description": WORD, "parameters": {"const": WORD}},
}
IMAGE: Any = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{b64encode(PICTURE).decode()}"},
}


def asked(provider: ProviderServer, said: Any = f"the word is {WORD}", **given: Any) -> None:
    """Makes one call, which may fail."""
    with CHAT.client(provider) as client:
        try:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}], **given)
        except openai.BadRequestError:
            return


def mask(name: str) -> dict[str, Any]:
    return {"mask": f"{masks_of_tests.__name__}:{name}"}


def test_a_mask_is_called_with_every_field_and_what_it_gives_is_told(provider: ProviderServer) -> None:
    provider.reply(chat(f"{WORD}!", [("call_1", "look_up", json.dumps({"q": WORD}))]))
    masks_of_tests.seen.clear()
    with capture(**mask("shouts")) as captured:
        asked(provider, tools=[TOOL], user=WORD)
        rows = captured.rows
    assert WORD not in json.dumps(rows)
    row = next(row for row in rows if row["span_attributes"]["type"] == "llm")
    assert row["input"] == [{"role": "user", "content": "the word is *****"}]
    assert row["output"][0]["message"]["content"] == "*****!"
    assert row["metadata"]["user_id"] == "*****"
    assert row["metadata"]["tools"][0]["function"]["parameters"] == {"const": "*****"}
    assert row["metrics"]["prompt_tokens"] > 0
    assert row["context"] in masks_of_tests.seen
    assert "agent turn" in masks_of_tests.seen


def test_a_mask_has_the_error_too(provider: ProviderServer) -> None:
    provider.reply(openai_error(400, f"no {WORD}"))
    with capture(**mask("shouts")) as captured:
        asked(provider)
        row = generated(captured)
    assert row["error"].startswith("BadRequestError: ")
    assert "no *****" in row["error"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "raised ValueError"),
        ("leaves", "raised SystemExit"),
        ("later", "'later' is asynchronous"),
        ("NO_FUNCTION", "'NO_FUNCTION' is of type int"),
        ("missing", "has no 'missing'"),
    ],
)
def test_a_mask_that_fails_masks_all_and_says_so_once(
    name: str, why: str, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.reply(chat(WORD))
    with capture(**mask(name)) as captured:
        asked(provider, user=WORD)
        asked(provider)
        rows = captured.rows
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bttrace: ")]
    assert len(rows) == 2
    for row in rows:
        assert (row["input"], row["output"], row["metadata"]) == (
            "[masked]",
            "[masked]",
            {"masked": "[masked]"},
        )
        assert (row["span_attributes"]["name"], row["context"]) == ("[masked]", {})
        assert row["metrics"]["prompt_tokens"] > 0
    assert WORD not in json.dumps(rows)
    [line] = said
    assert why in line
    assert f"BTTRACE_MASK='{masks_of_tests.__name__}:{name}'" in line
    assert WORD not in line


def test_a_mask_whose_module_is_not_there_masks_all(
    provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.reply(chat(WORD))
    with capture(mask="no_such_module:mask") as captured:
        asked(provider)
        [row] = captured.rows
    assert row["input"] == "[masked]"
    assert "module 'no_such_module' can't be imported (ModuleNotFoundError)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["drops", "odd"])
def test_whatever_a_mask_gives_becomes_a_row(name: str, provider: ProviderServer) -> None:
    provider.reply(chat(WORD))
    with capture(**mask(name)) as captured:
        asked(provider)
        [row] = captured.rows
    assert WORD not in json.dumps(row)
    assert isinstance(row["metadata"], dict)
    assert isinstance(row["span_attributes"]["name"], str)


def test_an_attachment_goes_where_the_mask_leaves_it(provider: ProviderServer) -> None:
    provider.reply(chat())
    with capture(**mask("shouts")) as captured:
        asked(provider, [IMAGE])
        [kept] = captured.rows
    assert kept["input"][0]["content"][0]["image_url"]["url"] == Attachment(
        "image/png", PICTURE, "attachment.png"
    )
    with capture(**mask("without_pictures")) as captured:
        asked(provider, [IMAGE])
        [dropped] = captured.rows
    assert dropped["input"][0]["content"][0]["image_url"]["url"] == "a picture"


@pytest.fixture
def masking() -> Any:
    braintrust.set_masking_function(masks_of_tests.shouts)
    yield
    braintrust.set_masking_function(None)


@pytest.mark.usefixtures("masking")
def test_what_masks_for_braintrust_masks_rows_of_ours(provider: ProviderServer) -> None:
    provider.reply(openai_error(400, f"no {WORD}"))
    with capture() as captured:
        asked(provider, user=WORD)
        row = generated(captured)
    assert WORD not in json.dumps(row)
    assert "no *****" in row["error"]


@pytest.mark.usefixtures("masking")
def test_what_masks_for_braintrust_masks_the_errors_of_adopted_spans(provider: ProviderServer) -> None:
    provider.reply(openai_error(400, f"no {WORD}"))
    with BraintrustServer() as server:
        options: dict[str, Any] = {
            "api_key": server.key,
            "api_url": server.url,
            "app_url": server.url,
            "project": "P",
        }
        bttrace.enable(**options)
        logger = braintrust.init_logger("P", api_key=server.key, app_url=server.url)
        with logger.start_span(name="theirs"):
            asked(provider)
        bttrace.flush(10)
        logger.flush()
        bttrace.disable()
        bodies = b"".join(request.body for request in server.requests)
    assert b"no *****" in bodies
    assert b"the word is *****" in bodies
    assert WORD.encode() not in bodies


def test_a_fault_of_ours_lets_no_content_through(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.reply(chat(WORD))
    monkeypatch.setenv("BTTRACE_STRICT", "0")

    def broken(*_: object) -> bool:
        raise LookupError(WORD)

    monkeypatch.setattr("bttrace.screens.privacy.suspected", broken)
    with capture() as captured:
        asked(provider)
        [row] = captured.rows
    assert row["input"] == "[masked]"
    assert row["metrics"]["prompt_tokens"] > 0
    said = capsys.readouterr().err
    assert (
        "internal error in bttrace.screens.privacy.Privacy._cleaned: LookupError at test_privacy.py:" in said
    )
    assert WORD not in said


def test_secrets_go_wherever_they_stand(provider: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_SECRET", "correct-horse-battery")
    arguments = {"headers": {"X-Api-Key": "0a1b2c3d4e5f6071"}, KEY: "correct-horse-battery"}
    provider.reply(chat(f"use {KEY}", [("call_1", "look_up", json.dumps(arguments))]))
    with capture() as captured:
        text = b64encode(f"my key is {KEY}".encode()).decode()
        note = {
            "type": "file",
            "file": {"filename": f"{KEY}.txt", "file_data": f"data:text/plain;base64,{text}"},
        }
        asked(
            provider,
            [note, {"type": "text", "text": f"https://u:secretword@h/?token={KEY}"}],
            user=KEY,
            tools=[TOOL],
        )
        rows = captured.rows
    told = repr(rows)
    for secret in (KEY, "correct-horse-battery", "0a1b2c3d4e5f6071", "secretword"):
        assert secret not in told
    row = next(row for row in rows if row["span_attributes"]["type"] == "llm")
    attached = row["input"][0]["content"][0]["file"]["file_data"]
    assert attached.data == b"my key is [secret: openai key]"
    assert row["metadata"]["user_id"] == "[secret: openai key]"


def test_masks_of_the_program_itself_and_every_file(provider: ProviderServer, tmp_path: Path) -> None:
    code = f"""
import openai
def mask(value):
    return "gone" if isinstance(value, (str, list)) else value
openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=[{{"role": "user", "content": "{WORD}"}}])
"""
    provider.reply(chat(WORD))
    told = {"BTTRACE_EXPORTER": "local,console", "BTTRACE_MASK": "__main__:mask"}
    done = hooked(code, provider.env(), told, cwd=tmp_path)
    assert done.code == 0, done.err
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b'"input":"gone"' in data for data in files)
    assert all(WORD.encode() not in data for data in files)
    assert WORD not in done.err


@pytest.mark.parametrize("named", ["nothere", "math", "math:", "no_such_module:mask"])
def test_a_mask_that_names_nothing_masks_all(
    named: str, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.reply(chat(WORD))
    with capture(mask=named) as captured:
        asked(provider)
        [row] = captured.rows
    assert WORD not in json.dumps(row)
    assert row["metrics"]["prompt_tokens"] > 0
    assert f"BTTRACE_MASK={named!r} is not valid" in capsys.readouterr().err
