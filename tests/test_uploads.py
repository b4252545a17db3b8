"""Attachments reach Braintrust beside their rows: once, however the network fares, and never in the way of a row."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from bttrace.config import read
from bttrace.model import Attachment
from bttrace.sinks.api import BraintrustApi
from bttrace.sinks.spooling.spool import Spool
from bttrace.sinks.tally import Tally
from bttrace.sinks.uploads import Uploads
from tests.doors import hooked
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.uploads import references

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(replies.chat("Hello"))
        yield server


def _picture(number: int = 0) -> bytes:
    return PNG + bytes([number])


def _call(provider: ProviderServer, *pictures: bytes) -> None:
    urls = [f"data:image/png;base64,{b64encode(picture).decode()}" for picture in pictures]
    content: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])


def _enable(server: BraintrustServer, **options: str | float) -> None:
    bttrace.enable(
        **{"api_key": server.key, "api_url": server.url, "app_url": server.url, "project": "P", **options}
    )


def _uploads(server: BraintrustServer) -> Uploads:
    config = read({}, {"api_key": server.key, "app_url": server.url, "spool": "off"})
    return Uploads(BraintrustApi(config), Spool(config, Tally(), dict))


def _routes(server: BraintrustServer, prefix: str) -> list[str]:
    return [request.route for request in server.requests if request.route.startswith(prefix)]


def _attachments() -> tuple[int, int, int]:
    counts = bttrace.status().sinks["braintrust"].attachments
    assert counts is not None
    return counts.sent, counts.waiting, counts.lost


def test_bytes_go_up_after_the_row_and_nowhere_with_the_key(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    _enable(braintrust_api)
    _call(provider, _picture())
    assert bttrace.flush()
    routes = [request.route for request in braintrust_api.requests]
    insert = next(place for place, route in enumerate(routes) if route.endswith("/insert"))
    assert routes[insert + 1 : insert + 3] == ["/api/apikey/login", "/attachment"]
    assert routes[insert + 3].startswith("/signed/")
    assert routes[insert + 4 :] == ["/attachment/status"]
    [put] = [request for request in braintrust_api.requests if request.method == "PUT"]
    assert put.body == _picture()
    assert put.header("content-type") == "image/png"
    assert braintrust_api.key not in str(put.headers)
    assert b64encode(_picture()) not in b"".join(request.body for request in braintrust_api.requests)
    assert braintrust_api.attachment_flaws == []
    assert _attachments() == (1, 0, 0)
    assert "attachments: 1 sent, 0 kept, 0 waiting, 0 lost" in str(bttrace.status())


def test_the_organisation_is_the_one_that_is_named(provider: ProviderServer) -> None:
    with BraintrustServer(orgs=("first", "second")) as server:
        bttrace.enable(api_key=server.key, app_url=server.url, org_name="second", project="P")
        _call(provider, _picture())
        assert bttrace.flush()
        [announced] = [request.json for request in server.requests if request.route == "/attachment"]
        second = server._catalog.org_id("second")
        assert announced["org_id"] == second
        assert len(_routes(server, "/api/apikey/login")) == 1
        assert server.attachment_flaws == []


def test_equal_bytes_go_up_once_for_all_rows(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    _enable(braintrust_api)
    for number in range(10):
        _call(provider, *[_picture(shown) for shown in range(number + 1)])
        if number == 4:
            assert bttrace.flush()
    assert bttrace.flush()
    rows = braintrust_api.rows("P")
    found = [[reference["key"] for reference in references(row)] for row in rows]
    assert [len(keys) for keys in found] == list(range(1, 11))
    for earlier, later in pairwise(found):
        assert later[:-1] == earlier
    assert len(braintrust_api.attachments) == len(_routes(braintrust_api, "/signed")) == 10
    assert braintrust_api.attachment_flaws == []
    assert _attachments() == (10, 0, 0)


@pytest.mark.parametrize("path", ["/attachment", "/signed", "/attachment/status", "/api/apikey/login"])
@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"drop": True}, {"status": 429, "headers": {"retry-after": "0"}}]
)
def test_what_fails_for_a_while_is_tried_again(
    braintrust_api: BraintrustServer, provider: ProviderServer, path: str, fault: dict[str, Any]
) -> None:
    braintrust_api.fault(path, **fault)
    _enable(braintrust_api)
    _call(provider, _picture())
    assert bttrace.flush()
    assert len(braintrust_api.rows("P")) == 1
    assert braintrust_api.attachment_flaws == []
    [attachment] = braintrust_api.attachments.values() if path != "/attachment/status" else [None]
    assert attachment is None or attachment.data == _picture()
    assert _attachments() == (1, 0, 0)


def test_the_writer_uploads_by_itself(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    braintrust_api.fault("/signed", status=500)
    _enable(braintrust_api)
    _call(provider, _picture())
    deadline = time.monotonic() + 20
    while not _routes(braintrust_api, "/attachment/status") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert braintrust_api.attachment_flaws == []
    assert len(_routes(braintrust_api, "/signed")) == 2


def test_a_host_that_asks_to_wait_is_left_alone(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.fault("/signed", status=503, headers={"retry-after": "30"}, times=None)
    _enable(braintrust_api, exit_timeout=0.1)
    _call(provider, _picture())
    deadline = time.monotonic() + 60
    while not _routes(braintrust_api, "/signed") and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1.5)
    assert len(_routes(braintrust_api, "/signed")) == 1


@pytest.mark.parametrize("path", ["/attachment", "/signed"])
def test_one_that_is_refused_is_given_up_reported_and_said_once(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    _enable(braintrust_api)
    _call(provider, _picture(0))
    assert bttrace.flush()
    braintrust_api.fault(path, status=400, times=2 if path == "/signed" else 1)
    _call(provider, _picture(1))
    assert not bttrace.flush()
    _call(provider, _picture(2) if path == "/attachment" else _picture(1))
    bttrace.flush()
    _call(provider, _picture(3))
    bttrace.flush()
    assert len(braintrust_api.rows("P")) == 4
    stored = [attachment.data for attachment in braintrust_api.attachments.values()]
    assert _picture(3) in stored
    statuses = [attachment.status for attachment in braintrust_api.attachments.values()]
    if path == "/signed":
        assert [status["upload_status"] for status in statuses if status] == [
            "done",
            "error",
            "error",
            "done",
        ]
    [line] = capsys.readouterr().err.splitlines()
    assert "an attachment of 73 bytes was not taken" in line
    assert "400" in line


def test_an_api_without_attachments_is_said_once_and_costs_no_row(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    braintrust_api.fault("/attachment", status=404, times=None)
    _enable(braintrust_api)
    for number in range(3):
        _call(provider, _picture(number))
        bttrace.flush()
    first, *rest = [row["input"][0]["content"][0]["image_url"]["url"] for row in braintrust_api.rows("P")]
    assert first["type"] == "braintrust_attachment"
    told = {"type": "attachment", "content_type": "image/png", "filename": "attachment.png", "bytes": 73}
    assert rest == [told, told]
    assert len(_routes(braintrust_api, "/attachment")) == 1
    assert _attachments() == (0, 0, 3)
    [line] = capsys.readouterr().err.splitlines()
    assert "404" in line
    assert "Attachments are not uploaded" in line


def test_rows_do_not_wait_for_an_upload(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    braintrust_api.fault("/signed", hang=True, times=None)
    _enable(braintrust_api)
    _call(provider, _picture())
    deadline = time.monotonic() + 60
    while not _routes(braintrust_api, "/signed") and time.monotonic() < deadline:
        time.sleep(0.01)
    began = time.monotonic()
    _call(provider)
    while len(braintrust_api.rows("P")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.monotonic() - began < 15  # an upload may take 20
    assert len(braintrust_api.rows("P")) == 2
    assert not bttrace.flush(0.5)
    assert _attachments() == (0, 1, 0)


def test_memory_is_bounded_and_what_is_dropped_is_reported(
    braintrust_api: BraintrustServer, provider: ProviderServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("bttrace.sinks.uploads._WAITING_BYTES", 200)
    _enable(braintrust_api, spool="off")
    _call(provider, *[_picture(number) for number in range(5)])
    assert not bttrace.flush()
    [row] = braintrust_api.rows("P")
    assert len(list(references(row))) == 5
    assert _attachments() == (2, 0, 3)
    statuses = [attachment.status for attachment in braintrust_api.attachments.values()]
    assert [status and status["upload_status"] for status in statuses] == ["done"] * 2 + ["error"] * 3
    assert braintrust_api.attachment_flaws == []
    [line] = capsys.readouterr().err.splitlines()
    assert "some are dropped" in line
    _call(provider, _picture(4))
    bttrace.flush()
    assert _attachments() == (3, 0, 3)


def test_the_number_that_waits_is_bounded(braintrust_api: BraintrustServer) -> None:
    uploads = _uploads(braintrust_api)
    found = [
        uploads.reference(Attachment("image/png", number.to_bytes(4, "big"), "a.png"))
        for number in range(1500)
    ]
    assert len({str(reference["key"]) for reference in found}) == 1500
    assert (uploads.waiting, uploads.lost) == (1000, 500)
    uploads.give_up()
    assert (uploads.waiting, uploads.lost) == (0, 1500)


FORKING = """
import os, sys, time, openai
client = openai.OpenAI(max_retries=0)
def ask(picture):
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture}}]
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
ask("FIRST")
time.sleep(0.7)
pid = os.fork()
if not pid:
    ask("SECOND")
    sys.exit(0)
os.waitpid(pid, 0)
"""


def test_a_forked_child_uploads_only_its_own(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    # The parent is in the middle of an upload when it forks; from Python 3.12 on that is a warning.
    braintrust_api.fault("/signed", delay=2, times=1)
    silent = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
    variables = {**braintrust_api.env(), "BRAINTRUST_PROJECT_NAME": "P", **silent}
    first, second = (b64encode(_picture(number)).decode() for number in (0, 1))
    program = FORKING.replace("FIRST", first).replace("SECOND", second)
    done = hooked(program, variables, provider.env(), cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert len(braintrust_api.rows("P")) == 2
    assert len(_routes(braintrust_api, "/signed")) == 2
    assert sorted(attachment.data or b"" for attachment in braintrust_api.attachments.values()) == [
        _picture(0),
        _picture(1),
    ]
    assert braintrust_api.attachment_flaws == []


SHORT = """
import atexit, time, openai
client = openai.OpenAI(max_retries=0)
content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,PICTURE"}}]
client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
print("done")
atexit.register(lambda: print(time.monotonic()))
""".replace("PICTURE", b64encode(_picture()).decode())


def test_a_short_script_uploads_at_exit(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    variables = {**braintrust_api.env(), "BRAINTRUST_PROJECT_NAME": "P"}
    done = hooked(SHORT, variables, provider.env(), cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    [attachment] = braintrust_api.attachments.values()
    assert (attachment.data, attachment.status) == (_picture(), {"upload_status": "done"})


@pytest.mark.parametrize("fault", ["refuses", "hangs", "drips", "fails"])
def test_exit_is_bounded_whatever_the_host_of_attachments_does(
    provider: ProviderServer, tmp_path: Path, fault: str
) -> None:
    with BraintrustServer() as server:
        server.fault(
            "/signed" if fault != "drips" else "/attachment",
            times=None,
            hang=fault == "hangs",
            drip=fault == "drips",
            drop=fault == "refuses",
            status=500 if fault == "fails" else None,
        )
        variables = {**server.env(), "BRAINTRUST_PROJECT_NAME": "P", "BTTRACE_EXIT_TIMEOUT": "1.5"}
        done = hooked(SHORT, variables, provider.env(), cwd=tmp_path)
        ended = time.monotonic()
        assert done.code == 0
        assert done.out.startswith("done\n")
        assert ended - float(done.out.split()[1]) < 1.5 + 8
        assert len(server.rows("P")) == 1
        assert len(done.err.splitlines()) == 1, done.err
        assert "127.0.0.1" in done.err
        assert "1 attachment was not delivered by the exit and is kept in" in done.err


def test_where_rows_do_not_arrive_nothing_is_uploaded_and_one_message_says_why(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    variables = {**braintrust_api.env(), "BRAINTRUST_PROJECT_NAME": "P", "BTTRACE_EXIT_TIMEOUT": "1.5"}
    done = hooked(SHORT, variables, provider.env(), cwd=tmp_path)
    assert done.code == 0
    assert len(done.err.splitlines()) == 1, done.err
    assert _routes(braintrust_api, "/attachment") == []


INSIDE = SHORT.replace("openai\n", "openai, braintrust\n", 1).replace(
    "client.chat",
    "logger = braintrust.init_logger(project='Theirs')\nlogger.id\nwith logger.start_span(name='outer'):\n    client.chat",
)


def test_inside_the_applications_own_span_its_sdk_uploads(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    variables = {**braintrust_api.env(), "BRAINTRUST_PROJECT_NAME": "Ours"}
    done = hooked(INSIDE, variables, provider.env(), cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    [row] = [row for row in braintrust_api.rows("Theirs") if row["span_attributes"]["type"] == "llm"]
    [part] = row["input"][0]["content"]
    reference = part["image_url"]["url"]
    assert {**reference, "key": ""} == {
        "type": "braintrust_attachment",
        "content_type": "image/png",
        "filename": "attachment.png",
        "key": "",
    }
    attachment = braintrust_api.attachments[reference["key"]]
    assert (attachment.data, attachment.status) == (_picture(), {"upload_status": "done"})
    assert braintrust_api.rows("Ours") == []


def test_a_blob_at_azure_says_what_it_is(
    braintrust_api: BraintrustServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bttrace.sinks.api._AZURE", "127.0.0.1")
    uploads = _uploads(braintrust_api)
    uploads.reference(Attachment("image/png", PNG, "a.png"))
    assert uploads.flush(time.monotonic() + 10, is_last=False)
    [put] = [request for request in braintrust_api.requests if request.method == "PUT"]
    assert put.header("x-ms-blob-type") == "BlockBlob"
