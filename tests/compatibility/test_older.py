"""openai before the oldest whole seam: it runs as without us, one line says what is not covered, and the rest is traced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compatibility.apis import ASKED, CHAT, WHOLE, version
from tests.compatibility.test_doors import PROGRAM, answered
from tests.doors import FOLDER, LOCAL, PYTHON, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer

STATUS = "\nimport bttrace\nprint(*bttrace.status().patched)\n"


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    if version(CHAT.module) >= WHOLE["openai"]:
        pytest.skip(f"openai {CHAT.module.__version__} has every place of the seam")
    with ProviderServer() as server:
        yield server


def test_the_application_runs_on_and_one_line_says_what_is_not_covered(
    provider: ProviderServer, tmp_path: Path
) -> None:
    argument = answered(CHAT, provider)
    bare = finished([PYTHON, "-c", PROGRAM, *argument], environment(provider.env()), tmp_path)
    hooked = finished(
        [PYTHON, "-c", PROGRAM, *argument], environment({**LOCAL, **provider.env()}, FOLDER), tmp_path
    )
    assert (hooked.code, hooked.out) == (bare.code, bare.out) == (3, bare.out)
    assert hooked.said == hooked.err.splitlines()
    [line] = hooked.said
    assert line == (
        f"bttrace: openai {CHAT.module.__version__} is traced in part. Not covered: closed streams, async closed "
        "streams, raw bodies, async raw bodies; bttrace.status() names what is missing. The application is not affected."
    )

    call, stream, failed = journal_rows(tmp_path / ".bttrace")
    assert [row["input"] for row in (call, stream, failed)] == [ASKED] * 3
    assert call["output"][0]["message"]["content"] == "Hello from loopback."
    assert "stream_end" not in call["metadata"]
    assert stream["output"][0]["message"]["content"] == "Hello from loopback."
    assert stream["metadata"]["stream_end"] == "exhausted"
    assert stream["metrics"]["tokens"] == 18
    assert failed["error"].startswith("BadRequestError: Error code: 400")


def test_the_status_names_each_place(provider: ProviderServer, tmp_path: Path) -> None:
    code = f"import {CHAT.sdk}\n{STATUS}"
    done = finished([PYTHON, "-c", code], environment({**LOCAL, **provider.env()}, FOLDER), tmp_path)
    assert done.out.startswith(f"openai {CHAT.module.__version__}: not covered: ")
    for place in ("_streaming.Stream.close", "_response.APIResponse.iter_lines"):
        assert f"openai.{place}" in done.out
    assert "request," not in done.out
